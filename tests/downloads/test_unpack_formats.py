"""What holds for archives of every format, and what only tar archives can do."""

import errno
import gzip
import os
import random
import tarfile
from pathlib import Path

import pytest
from archives import FORMATS, archive_content, tar_content, tar_entry, zip_content
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dissection.downloads import archives
from dissection.downloads.file_checks import PROBLEMS
from dissection.downloads.unpack import unpack
from dissection.errors import InputError

NOISE = random.Random(1).randbytes(50_000)
FILES = {"index.csv": b"a,b\n", "images/a/b.png": NOISE, "images/empty": b""}

pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name")


@pytest.fixture(params=FORMATS)
def form(request):
    return request.param


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def write(folder, form, files):
    return write_bytes(folder, archive_content(form, files))


def write_bytes(folder, content):
    archive = folder / "a.archive"
    archive.write_bytes(content)
    return archive


def refusal(archive, **options):
    """The message; nothing may be left, and nothing may be written beside the folder."""
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(InputError) as caught:
        unpack(archive, archive.parent / "unpacked", **options)
    assert sorted(archive.parent.rglob("*")) == before
    assert str(archive) in str(caught.value)
    return str(caught.value)


def unpacked(archive, **options):
    unpack(archive, archive.parent / "unpacked", **options)
    return contents(archive.parent / "unpacked")


# Every format


def test_files_come_out_as_they_went_in(tmp_path, form):
    assert unpacked(write(tmp_path, form, FILES.items())) == FILES


def test_single_top_folder_is_left_out(tmp_path, form):
    files = {f"./top/{name}": content for name, content in FILES.items()}
    assert unpacked(write(tmp_path, form, files.items())) == FILES


def test_what_macos_adds_is_left_out(tmp_path, form, caplog):
    litter = {
        "__MACOSX/top/._index.csv": b"1",
        "__MACOSX/../../outside": b"2",
        "top/.DS_Store": b"3",
        "top/images/._b.png": b"4",
        "._top": b"5",
        ".DS_Store": b"6",
    }
    files = {f"top/{name}": content for name, content in FILES.items()}
    with caplog.at_level("INFO", "dissection"):
        assert unpacked(write(tmp_path, form, [*litter.items(), *files.items()])) == FILES
    assert "6 entries that macOS adds are left out" in caplog.text
    assert not (tmp_path.parent / "outside").exists()


@pytest.mark.parametrize(
    "name, problem",
    [
        ("/etc/passwd", "has an absolute path"),
        ("//host/share", "has an absolute path"),
        ("C:/windows", "has an absolute path"),
        ("c:windows", "has an absolute path"),
        ("../outside", "leads out of the folder"),
        ("images/../../outside", "leads out of the folder"),
        ("images/..", "leads out of the folder"),
        ("images\\..\\outside", "has a backslash"),
        ("é\x00.png", "has a name that no file can have"),
        ("a\n.png", "has a name that no file can have"),
        ("a\x1b[31m", "has a name that no file can have"),
        (".", "has a name that no file can have"),
    ],
)
def test_names_that_lead_elsewhere(tmp_path, form, name, problem):
    message = refusal(write(tmp_path, form, [("index.csv", b"i"), (name, b"bad")]))
    assert problem in message
    assert repr(name) in message


@pytest.mark.parametrize(
    "names, problem",
    [
        (["a", "a", "b"], "'a' twice"),
        (["a", "./a", "b"], "'a' twice"),
        (["x/a", "x//a"], "'a' twice"),
        (["a", "a/b"], "'a' as a file and as a folder"),
        (["a/b", "a"], "'a' as a file and as a folder"),
    ],
)
def test_places_that_are_taken_twice(tmp_path, form, names, problem):
    assert problem in refusal(write(tmp_path, form, [(name, b"1") for name in names]))


def test_names_that_differ_only_in_case(tmp_path, form):
    files = {"images/A.png": b"1", "images/a.png": b"2", "IMAGES/a.png": b"3"}
    assert unpacked(write(tmp_path, form, files.items())) == files


@pytest.mark.parametrize("name", ["a" * 300, "/".join(["abcdefgh"] * 600), "é" * 128 + "/a"])
def test_names_that_are_too_long(tmp_path, form, name):
    message = refusal(write(tmp_path, form, [("index.csv", b"1"), (name, b"2")]))
    assert "cannot be made here (File name too long)" in message


def test_names_of_any_script(tmp_path, form):
    files = {"images/å 中文.png": b"1", "-rf": b"2", "a;b $(c)": b"3", "~": b"4", "a" * 250: b"5"}
    assert unpacked(write(tmp_path, form, files.items())) == files


def test_cut_anywhere(tmp_path, form):
    whole = archive_content(form, [*FILES.items(), ("last", NOISE)])
    # After the first of the two blocks of zeros at its end a tar archive is whole.
    ends = [0, 1, 2, 10, 300, 512, 600, 1024, 1536, 20_000, len(whole) // 2]
    if form != "tar":
        ends += [len(whole) - 20, len(whole) - 1]
    for end in ends:
        archive = write_bytes(tmp_path, whole[:end])
        message = refusal(archive)
        assert "is cut off or damaged" in message, end
        assert f"Delete {archive}, then run the same command again" in message
        assert refusal(archive, remedy="Buy a new one.").endswith("Buy a new one.")


@pytest.mark.parametrize("form", ["zip", "tar.gz"])
def test_every_damaged_byte_of_the_contents_is_noticed(tmp_path, form):
    whole = archive_content(form, FILES.items())
    start = len(whole) // 3
    for offset in random.Random(2).sample(range(20_000), 10):
        damaged = bytearray(whole)
        damaged[start + offset] ^= 0x55
        assert "damaged" in refusal(write_bytes(tmp_path, damaged))


def test_archives_that_hold_too_much(tmp_path, form, monkeypatch):
    archive = write(tmp_path, form, [("zeros", bytes(3_000_000)), ("a", NOISE)])
    assert "that a sound archive of its size would" in refusal(archive, max_size=1_000_000)
    assert unpacked(archive, max_size=3_100_000)
    if form != "tar":
        monkeypatch.setattr(archives, "HARMLESS", 100_000)
        assert "that a sound archive of its size would" in refusal(archive, max_ratio=10)


def test_archives_without_files(tmp_path, form):
    archive = write(tmp_path, form, [("__MACOSX/._a", b"1")])
    assert "has no files in it" in refusal(archive)


def test_check_comes_before_the_folder(tmp_path, form):
    archive = write(tmp_path, form, FILES.items())
    seen = []

    def refuse(folder):
        seen.append((folder, contents(folder)))
        raise InputError(f"{archive} is of no use.")

    assert "is of no use" in refusal(archive, check=refuse)
    ((folder, files),) = seen
    assert files == FILES
    assert not folder.exists()
    assert unpacked(archive, check=lambda folder: None) == FILES


def test_disk_that_fails_is_no_fault_of_the_archive(tmp_path, form, monkeypatch):
    archive = write(tmp_path, form, FILES.items())
    whole = Path.open

    def refuse(path, mode="r", *arguments, **options):
        if mode == "xb":
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(path, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="The disk is full"):
        unpack(archive, tmp_path / "unpacked")
    assert sorted(tmp_path.iterdir()) == [archive]


# Names: some of everything that a step of a path can be.
STEPS = st.sampled_from(
    ["a", "b", "A", "images", "..", ".", "", "._a", ".DS_Store", "__MACOSX", "c:", "a\\b", "a\x00"]
) | st.text(max_size=4)
NAMES = st.lists(STEPS, min_size=1, max_size=4).map("/".join)


@given(
    form=st.sampled_from(FORMATS),
    files=st.lists(st.tuples(NAMES, st.binary(max_size=20)), max_size=6),
)
@settings(max_examples=300, deadline=None)
def test_any_tree_of_names_stays_in_its_folder(tmp_path_factory, form, files):
    tmp_path = tmp_path_factory.mktemp("tree")
    try:
        archive = write(tmp_path, form, files)
    except (UnicodeEncodeError, ValueError):
        return  # the writer cannot even write it
    outside = tmp_path / "unpacked/../outside"
    try:
        found = unpacked(archive)
    except InputError as error:
        assert str(archive) in str(error)
        assert {path.name for path in tmp_path.iterdir()} == {archive.name}
        return
    assert {path.name for path in tmp_path.iterdir()} == {archive.name, "unpacked"}
    assert not outside.exists()
    expected = {content for name, content in files}
    assert set(found.values()) <= expected
    assert all(not path.is_symlink() for path in (tmp_path / "unpacked").rglob("*"))


@given(
    form=st.sampled_from(FORMATS),
    changes=st.lists(
        st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=8)), max_size=5
    ),
    end=st.integers(0, 4000) | st.none(),
    kind=st.sampled_from(list(PROBLEMS)),
)
@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_damage_is_a_message(tmp_path_factory, form, changes, end, kind):
    tmp_path = tmp_path_factory.mktemp("damaged")
    files = [("top/a", NOISE[:700]), (f"top/{'b' * 120}", b"text" * 50), ("top/d/c", b"")]
    content = bytearray(archive_content(form, files))
    for offset, new in changes:
        content[offset : offset + len(new)] = new
    archive = write_bytes(tmp_path, content[:end])
    for name in {form, kind}:
        problem = PROBLEMS[name](archive)
        assert problem is None or (problem and problem.isprintable())
    try:
        unpacked(archive)
    except InputError as error:
        assert str(archive) in str(error)
        assert {path.name for path in tmp_path.iterdir()} == {archive.name}


# Only tar


@pytest.fixture(params=["tar", "tar.gz"])
def tar(request, tmp_path):
    """Write a tar archive of given bytes."""

    def write_tar(content):
        return write_bytes(tmp_path, gzip.compress(content) if "gz" in request.param else content)

    return write_tar


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_of_every_kind(tar, form):
    entries = [(tar_entry(".", tarfile.DIRTYPE), b""), (tar_entry("images/", tarfile.DIRTYPE), b"")]
    content = tar_content([*entries, *FILES.items(), (f"images/{'long' * 20}/a", b"1")], form)
    assert unpacked(tar(content)) == FILES | {f"images/{'long' * 20}/a": b"1"}


@pytest.mark.parametrize(
    "kind, problem",
    [
        (tarfile.SYMTYPE, "is a symbolic link"),
        (tarfile.LNKTYPE, "is a hard link"),
        (tarfile.CHRTYPE, "is neither a file nor a folder"),
        (tarfile.BLKTYPE, "is neither a file nor a folder"),
        (tarfile.FIFOTYPE, "is neither a file nor a folder"),
        (b"V", "is neither a file nor a folder"),
    ],
)
@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside", "index.csv"])
def test_tar_entries_that_are_no_files(tar, kind, problem, target):
    entry = tar_entry("images", kind, linkname=target)
    archive = tar(tar_content([("index.csv", b"i"), (entry, b""), ("images/a", b"1")]))
    message = refusal(archive)
    assert problem in message
    assert "'images'" in message


def test_modes_owners_and_times_are_ignored(tar):
    entry = tar_entry("run", mode=0o6777, uid=1, gid=1, mtime=0)
    archive = tar(tar_content([(entry, b"#!/bin/sh")]))
    unpacked(archive)
    status = (archive.parent / "unpacked/run").stat()
    assert not status.st_mode & 0o6111
    assert status.st_uid == os.getuid()
    assert status.st_mtime > 1e9


def test_names_that_are_not_utf8(tar):
    archive = tar(tar_content([("a\udcff", b"1"), ("b", b"2")], tarfile.GNU_FORMAT))
    assert "has a name that is not UTF-8" in refusal(archive)


def headers(content):
    """Where the headers of a tar archive of empty files begin."""
    return range(0, content.index(bytes(1024)), 512)


def patched(content, offset, new):
    """Change a header, and its checksum accordingly."""
    content = bytearray(content)
    content[offset : offset + len(new)] = new
    start = offset - offset % 512
    header = content[start : start + 512]
    header[148:156] = b" " * 8
    content[start + 148 : start + 156] = b"%06o\0 " % sum(header)
    return bytes(content)


@pytest.mark.parametrize("size", [b"\xff" * 12, b"\xff" * 10 + b"\xfe\x00", b"-0000001000\0"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_negative_sizes_have_an_end(tar, size, number):
    content = tar_content([("a", b""), ("b", b""), ("c", b"")])
    assert "damaged" in refusal(tar(patched(content, 512 * number + 124, size)))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_headers_of_great_length_are_not_read(tar, kind):
    content = tar_content([(tar_entry("x", kind), b"9" * 400_000), ("a", b"1")])
    assert "a header of" in refusal(tar(content))


def test_headers_of_headers_have_an_end(tar):
    long_names = [(tar_entry("x", tarfile.GNUTYPE_LONGNAME), b"name\0")] * 3000
    assert "damaged" in refusal(tar(tar_content([*long_names, ("a", b"1")])))


def test_damaged_header_is_no_end(tar):
    content = tar_content([("a", b""), ("b", b""), ("c", b"")])
    damaged = bytearray(content)
    damaged[600] ^= 0x55
    assert "is cut off or damaged" in refusal(tar(bytes(damaged)))


def test_cut_between_two_entries_is_no_end(tar):
    content = tar_content([("a", b""), ("b", b""), ("c", b"")])
    for end in (512, 1024, 1536):
        message = refusal(tar(content[:end]))
        assert f"no end after {end:,} bytes" in message


def test_bombs_are_not_decompressed_to_their_end(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "HARMLESS", 1_000_000)
    zeros = bytes(20_000_000)
    entry = tar_entry("x", tarfile.XHDTYPE)
    for content in (
        tar_content([("zeros", zeros)]),
        tar_content([(f"{n}", b"") for n in range(20_000)]),
        tar_content([("a", b"1")]) + zeros,
        patched(tar_content([(entry, b"")]), 124, b"77777777777\0") + zeros,
    ):
        archive = write_bytes(tmp_path, gzip.compress(content))
        assert refusal(archive)
        assert PROBLEMS["tar.gz"](archive)


def test_sparse_files_are_bounded_by_what_they_become(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "HARMLESS", 1_000_000)
    content = tar_content([(tar_entry("a", tarfile.GNUTYPE_SPARSE), b"")], tarfile.GNU_FORMAT)
    content = patched(content, 483, b"77777777777\0")  # the size without holes
    assert "claims to hold 8,589.9 MB" in refusal(write_bytes(tmp_path, content))


# What a download is checked for


@pytest.mark.parametrize("form", FORMATS)
def test_kinds_are_told_apart(tmp_path, form):
    archive = write(tmp_path, form, FILES.items())
    for kind in FORMATS:
        assert (PROBLEMS[kind](archive) is None) == (kind == form)
    empty = {
        "zip": zip_content([]),
        "tar": tar_content([]),
        "tar.gz": gzip.compress(tar_content([])),
    }
    archive.write_bytes(empty[form])
    assert PROBLEMS[form](archive) == f"is a {form} archive without files"
    whole = archive_content(form, FILES.items())
    for end in (1, 100, 700, len(whole) // 2):
        archive.write_bytes(whole[:end])
        assert PROBLEMS[form](archive), end


def test_damage_in_a_tar_gz_is_noticed(tmp_path):
    whole = bytearray(archive_content("tar.gz", FILES.items()))
    archive = tmp_path / "a"
    for offset in (len(whole) // 2, len(whole) - 6, len(whole) - 2):
        damaged = bytearray(whole)
        damaged[offset] ^= 1
        archive.write_bytes(damaged)
        assert "is no whole tar.gz archive" in PROBLEMS["tar.gz"](archive)
