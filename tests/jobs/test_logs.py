"""Messages on the terminal and in the log file."""

import errno

import pytest

from dissection.errors import InputError
from dissection.jobs.logs import log, logged, progress


def run(path, error):
    with pytest.raises(SystemExit) as caught, logged(path):
        log.info("before")
        raise error
    return caught.value.code, path.read_text()


def test_input_error_is_its_message_alone(tmp_path, capsys):
    code, text = run(tmp_path / "logs/a.log", InputError("a.png: is empty"))
    assert code == 1
    assert "Error: a.png: is empty" in text
    assert "before" in text
    assert "Traceback" not in text
    assert "a.png: is empty" in capsys.readouterr().err


def test_full_disk_says_what_to_do(tmp_path):
    error = OSError(errno.ENOSPC, "No space left on device", "results/big.npy")
    code, text = run(tmp_path / "a.log", error)
    assert code == 1
    assert "disk is full while writing results/big.npy" in text
    assert "Traceback" not in text


def test_defect_keeps_its_traceback(tmp_path):
    code, text = run(tmp_path / "a.log", ZeroDivisionError("division by zero"))
    assert code == 1
    assert "Traceback" in text


def test_handlers_are_removed(tmp_path):
    before = list(log.handlers)
    with logged(tmp_path / "a.log"):
        assert len(log.handlers) == len(before) + 2
    assert log.handlers == before


def test_progress_yields_everything_and_writes_sparse_lines(tmp_path, monkeypatch):
    monkeypatch.setattr("dissection.jobs.logs.SECONDS_BETWEEN_LINES", 0.0)
    with logged(tmp_path / "a.log"):
        assert list(progress([3, 1, 2], "images")) == [3, 1, 2]
        assert list(progress(iter([3, 1]), "items")) == [3, 1]
    text = (tmp_path / "a.log").read_text()
    assert "images: 1 of 3, " in text
    assert "items: 1\n" in text
