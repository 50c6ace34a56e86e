"""Fingerprints of files: another content is another one, whatever the dates say."""

import os
import shutil

import pytest

from dissection.jobs import fingerprints
from dissection.jobs.fingerprints import fingerprint


@pytest.fixture(autouse=True)
def nothing_remembered():
    fingerprint.cache_clear()


def anew(*paths):
    fingerprint.cache_clear()
    return fingerprint(*paths)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "masks"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.png").write_bytes(b"a")
    (folder / "inner/b.png").write_bytes(b"b")
    (folder / "large.png").write_bytes(bytes(fingerprints.SMALL + 1))
    return folder


def older(file, content):
    """Put another content there as `cp -p` would, with an older date."""
    file.write_bytes(content)
    os.utime(file, ns=(10**18, 10**18))


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: older(folder / "a.png", b"x"),
        lambda folder: older(folder / "inner/b.png", b"x"),
        lambda folder: older(folder / "large.png", bytes(fingerprints.SMALL + 2)),
        lambda folder: older(folder / "large.png", b"1" * (fingerprints.SMALL + 1)),
        lambda folder: (folder / "a.png").unlink(),
        lambda folder: (folder / "a.png").rename(folder / "c.png"),
        lambda folder: (folder / "inner").rename(folder / "other"),
        lambda folder: (folder / "d.png").write_bytes(b""),
        lambda folder: shutil.rmtree(folder),
        lambda folder: (folder / "inner/link.png").symlink_to(folder / "a.png"),
        lambda folder: (folder / "inner/link.png").symlink_to("nowhere"),
    ],
)
def test_every_change_shows(folder, change):
    before = fingerprint(folder)
    assert anew(folder) == before
    change(folder)
    assert anew(folder) != before


def test_what_changes_nothing(folder, tmp_path):
    before = fingerprint(folder)
    os.utime(folder / "a.png", ns=(5, 5))
    (folder / ".hidden").write_bytes(b"x")
    (folder / "empty").mkdir()
    assert anew(folder) == before
    shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copy2)
    assert anew(tmp_path / "copy") == before


def test_files_and_their_order(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    (tmp_path / "again").write_bytes(b"a")
    a, b = tmp_path / "a", tmp_path / "b"
    assert fingerprint(a) == fingerprint(str(a)) == fingerprint(tmp_path / "again")
    assert len({fingerprint(*paths) for paths in [(a,), (b,), (a, b), (b, a), (), (a, a)]}) == 6
    assert fingerprint(tmp_path / "none") != fingerprint()
