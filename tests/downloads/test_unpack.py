"""Archives that are sound, damaged, or made to do harm."""

import os
import random
import shutil
import stat
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import pytest
from repository import SCRIPTS

from dissection.downloads import archives
from dissection.downloads.unpack import unpack
from dissection.errors import InputError

NOISE = random.Random(1).randbytes(50_000)


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "broden.zip"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "broden"


def write(archive, files, method=zipfile.ZIP_DEFLATED):
    """Write an archive; a name may be a ZipInfo."""
    with zipfile.ZipFile(archive, "w", method) as file:
        for name, content in files:
            file.writestr(name, content)


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refusal(archive, folder, **options):
    """The message; nothing may be left, and nothing may be written beside the folder."""
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(InputError) as caught:
        unpack(archive, folder, **options)
    assert sorted(archive.parent.rglob("*")) == before
    assert str(archive) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_come_out_as_they_went_in(archive, folder, method):
    files = {"index.csv": b"a,b\n", "images/a/b.png": NOISE, "images/empty": b""}
    write(archive, [("images/", b""), *files.items()], method)
    unpack(archive, folder)
    assert contents(folder) == files


def test_single_top_folder_is_left_out(archive, folder):
    write(archive, [("top/", b""), ("top/index.csv", b"i"), ("top/images/a.png", b"a")])
    unpack(archive, folder)
    assert contents(folder) == {"index.csv": b"i", "images/a.png": b"a"}


def test_two_top_folders_and_a_single_file_stay(archive, folder):
    files = {"a/x": b"1", "b/x": b"2"}
    write(archive, files.items())
    unpack(archive, folder)
    assert contents(folder) == files
    write(archive, [("x", b"1")])
    unpack(archive, folder)
    assert contents(folder) == {"x": b"1"}


def test_leading_dots_mean_nothing(archive, folder):
    write(archive, [("./top/a", b"1"), ("top/./b", b"2")])
    unpack(archive, folder)
    assert contents(folder) == {"a": b"1", "b": b"2"}


def test_permissions_of_the_archive_are_ignored(archive, folder):
    entry = zipfile.ZipInfo("run")
    entry.external_attr = (stat.S_IFREG | stat.S_ISUID | 0o777) << 16
    write(archive, [(entry, b"#!/bin/sh")])
    unpack(archive, folder)
    assert not (folder / "run").stat().st_mode & (stat.S_ISUID | 0o111)


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
        ("\\outside", "has a backslash"),
        ("a\x00.png", "has a name that no file can have"),
        ("a\n.png", "has a name that no file can have"),
        (".", "has a name that no file can have"),
    ],
)
def test_names_that_lead_elsewhere(archive, folder, name, problem):
    # ZipInfo mends some names when it is made, so the name is set afterwards.
    entry = zipfile.ZipInfo("x")
    entry.filename = name
    write(archive, [("index.csv", b"i"), (entry, b"bad")])
    message = refusal(archive, folder)
    assert problem in message
    assert repr(name) in message


@pytest.mark.parametrize(
    "kind, problem",
    [
        (stat.S_IFLNK, "is a symbolic link"),
        (stat.S_IFBLK, "is neither a file nor a folder"),
        (stat.S_IFCHR, "is neither a file nor a folder"),
        (stat.S_IFIFO, "is neither a file nor a folder"),
        (stat.S_IFSOCK, "is neither a file nor a folder"),
        (stat.S_IFDIR, "is neither a file nor a folder"),
    ],
)
def test_entries_that_are_no_files(archive, folder, kind, problem):
    entry = zipfile.ZipInfo("images")
    entry.external_attr = (kind | 0o777) << 16
    write(archive, [(entry, b"/etc"), ("index.csv", b"i")])
    message = refusal(archive, folder)
    assert problem in message
    assert "'images'" in message


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "names, problem",
    [
        (["a", "a", "b"], "'a' twice"),
        (["a", "./a", "b"], "'a' twice"),
        (["x/a", "x//a"], "'a' twice"),
        (["a", "a/b"], "'a' as a file and as a folder"),
    ],
)
def test_places_that_are_taken_twice(archive, folder, names, problem):
    write(archive, [(name, b"1") for name in names])
    assert problem in refusal(archive, folder)


def patched(archive, *changes):
    """Change bytes of an archive: (offset within the last central header, new bytes)."""
    content = bytearray(archive.read_bytes())
    start = content.rindex(b"PK\x01\x02")
    for offset, new in changes:
        content[start + offset : start + offset + len(new)] = new
    archive.write_bytes(content)


def test_encrypted_and_unknown_entries(archive, folder):
    write(archive, [("a", NOISE)])
    patched(archive, (8, b"\x01\x00"))
    assert "the entry 'a' is encrypted" in refusal(archive, folder)
    write(archive, [("a", NOISE)])
    patched(archive, (10, b"\x62\x00"))
    assert "the entry 'a' is compressed by method 98" in refusal(archive, folder)


def test_cut_archive(archive, folder):
    write(archive, [("a", NOISE), ("b", NOISE)])
    whole = archive.read_bytes()
    for end in (0, 10, len(whole) // 2, len(whole) - 1):
        archive.write_bytes(whole[:end])
        message = refusal(archive, folder)
        assert "is cut off or damaged, or is no zip, tar or tar.gz archive" in message
        assert f"Delete {archive}, then run the same command again" in message


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_every_damaged_byte_of_a_file_is_noticed(archive, folder, method):
    write(archive, [("a", NOISE), ("images/b.png", NOISE)], method)
    whole = archive.read_bytes()
    start = whole.rindex(b"images/b.png", 0, whole.index(b"PK\x01\x02")) + len("images/b.png")
    for offset in random.Random(2).sample(range(40_000), 8):
        damaged = bytearray(whole)
        damaged[start + offset] ^= 0x55
        archive.write_bytes(damaged)
        message = refusal(archive, folder)
        assert "the entry 'images/b.png' is damaged" in message
        assert f"Delete {archive}" in message


def test_lost_middle_of_an_archive(archive, folder):
    # The central directory is whole, as after a bad joining of two parts.
    write(archive, [("a", NOISE), ("b", NOISE)])
    whole = archive.read_bytes()
    archive.write_bytes(whole[:20_000] + bytes(10_000) + whole[30_000:])
    assert "the entry 'a' is damaged" in refusal(archive, folder)


def test_damage_leaves_the_older_folder(archive, folder):
    folder.mkdir()
    (folder / "old").touch()
    write(archive, [("a", NOISE), ("b", NOISE)])
    content = bytearray(archive.read_bytes())
    content[60_000] ^= 1
    archive.write_bytes(content)
    refusal(archive, folder)
    assert [path.name for path in folder.iterdir()] == ["old"]
    write(archive, [("a", b"1")])
    unpack(archive, folder)
    assert contents(folder) == {"a": b"1"}


def test_archives_that_claim_too_much(archive, folder, monkeypatch):
    monkeypatch.setattr(archives, "HARMLESS", 0)
    write(archive, [("zeros", bytes(1_000_000)), ("a", NOISE)])
    assert "claims to hold 1.1 MB" in refusal(archive, folder, max_ratio=3)
    assert "claims to hold 1.1 MB" in refusal(archive, folder, max_size=1_000_000)
    unpack(archive, folder, max_size=1_050_000)
    write(archive, [("zeros", bytes(10_000_000))])
    assert "claims to hold 10.0 MB" in refusal(archive, folder.with_name("other"))


def test_entry_that_holds_more_than_it_claims(archive, folder):
    write(archive, [("zeros", bytes(1_000_000))])
    patched(archive, (24, (10).to_bytes(4, "little")))
    assert "the entry 'zeros' is damaged" in refusal(archive, folder)


def test_archive_without_files(archive, folder):
    write(archive, [("images/", b"")])
    assert "has no files in it" in refusal(archive, folder)


def test_missing_archive(archive, folder):
    assert "There is no archive" in refusal(archive, folder)


def test_too_little_space_is_said_first(archive, folder, monkeypatch):
    write(archive, [("a", NOISE), ("b", NOISE)])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100_000))
    with pytest.raises(InputError, match=r"Too little disk space: unpacking broden\.zip takes"):
        unpack(archive, folder)
    assert not folder.exists()


def test_disk_that_takes_no_more(archive, folder, tmp_path):
    write(archive, [("small", b"1"), ("large", NOISE)])
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); "
        "from dissection.downloads.unpack import unpack; unpack(sys.argv[1], sys.argv[2])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(archive), str(folder)],
        env=os.environ | {"PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert f"InputError: The disk is full (File too large) while writing {folder}" in result.stderr
    assert list(tmp_path.iterdir()) == [archive]
