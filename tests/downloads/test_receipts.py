"""Notes of checked downloads, and files that are exchanged afterwards."""

import hashlib
import os

import pytest

from dissection.downloads.receipts import (
    exchange_problem,
    noted_file,
    other_file_advice,
    write_note,
)
from dissection.errors import InputError


@pytest.fixture
def noted(tmp_path):
    """A file, its note, and its time."""
    file, note = tmp_path / "zoo/a.caffemodel", tmp_path / "checked/a.json"
    file.parent.mkdir()
    file.write_bytes(b"checked")
    write_note(note, file)
    return file, note, file.stat().st_mtime_ns


def test_note_leads_to_its_file(noted):
    file, note, _ = noted
    assert noted_file(note) == file
    assert write_note(note, file) == hashlib.sha256(b"checked").hexdigest()
    assert exchange_problem(note) is None


def test_another_file_of_the_same_size_and_an_older_time_is_noticed(noted):
    file, note, time = noted
    file.write_bytes(b"another")
    os.utime(file, ns=(time, time - 10**9))
    problem = exchange_problem(note)
    assert problem.startswith(f"{file} is no longer the file that was checked")
    assert hashlib.sha256(b"checked").hexdigest() in problem
    assert hashlib.sha256(b"another").hexdigest() in problem
    assert f"delete {note}" in problem


def test_another_file_of_the_same_time_is_noticed(noted):
    file, note, time = noted
    file.write_bytes(b"changed since")
    os.utime(file, ns=(time, time))
    assert "is no longer the file" in exchange_problem(note)


def test_copy_with_another_time_is_the_same_file(noted):
    file, note, time = noted
    os.utime(file, ns=(time, time + 10**9))
    assert exchange_problem(note) is None


def test_file_that_is_gone_is_missed_only_where_it_is_needed(noted):
    file, note, _ = noted
    file.unlink()
    assert exchange_problem(note) is None
    with pytest.raises(InputError, match=f"{file} is gone.*delete {note}"):
        noted_file(note)


def test_advice_names_everything_that_holds_on_to_a_file(noted):
    file, note, _ = noted
    advice = other_file_advice(note)
    assert f"Delete {file} and {note}, and the entry of a.caffemodel in recorded_hashes" in advice
