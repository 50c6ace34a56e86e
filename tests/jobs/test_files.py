"""Outputs appear whole or not at all."""

import pytest

from dissection.jobs.files import whole_file, whole_folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_failed_file_leaves_the_old_one_and_nothing_else(tmp_path):
    target = tmp_path / "a.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError), whole_file(target) as path:
        path.write_text("half")
        assert target.read_text() == "old"
        raise RuntimeError
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.csv"]


def test_finished_file_replaces_the_old_one_and_makes_folders(tmp_path):
    target = tmp_path / "deep/er/a.csv"
    for text in ("first", "second"):
        with whole_file(target) as path:
            path.write_text(text)
        assert target.read_text() == text
    assert names(target.parent) == ["a.csv"]


def test_failed_folder_leaves_the_old_one(tmp_path):
    target = tmp_path / "data"
    with whole_folder(target) as folder:
        (folder / "old").touch()
    with pytest.raises(KeyboardInterrupt), whole_folder(target) as folder:
        (folder / "new").touch()
        raise KeyboardInterrupt
    assert names(target) == ["old"]
    assert names(tmp_path) == ["data"]


def test_leftover_of_a_killed_process_is_replaced(tmp_path):
    target = tmp_path / "data"
    killed = whole_folder(target)
    with killed as folder:
        (folder / "kept").touch()
        with whole_folder(target) as again:
            assert names(again) == []
            assert again == folder
            (again / "fresh").touch()
        folder.mkdir()  # what the outer block expects to find
    assert names(tmp_path) == ["data"]


def test_folder_replaces_an_older_folder(tmp_path):
    target = tmp_path / "data"
    for name in ("a", "b"):
        with whole_folder(target) as folder:
            (folder / name).touch()
    assert names(target) == ["b"]
