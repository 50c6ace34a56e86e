"""Locks hold between processes, and end with them."""

import errno
import os
import select
import subprocess
import sys
import textwrap

import pytest
from repository import SCRIPTS

from dissection.jobs.locks import take_lock

# Takes the lock, says so, and holds it until its input ends. The alarm ends a test that hangs.
HOLDER = textwrap.dedent("""
    import logging, signal, sys
    from dissection.jobs.locks import take_lock
    signal.alarm(60)
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    with open(sys.argv[1], "w") as file:
        take_lock(file, "the other one")
        print("held", flush=True)
        sys.stdin.read()
""")


@pytest.fixture
def holder(tmp_path):
    """Starts a process that takes the lock of tmp_path/lock."""
    processes = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path / "lock")],
            env=os.environ | {"PYTHONPATH": str(SCRIPTS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        with process:  # closes its pipes and waits for its end
            pass


@pytest.mark.parametrize("end", ["kill", "finish"])
def test_the_second_process_waits_until_the_first_ends(holder, end):
    first = holder()
    assert first.stdout.readline() == b"held\n"
    second = holder()
    assert second.stdout.readline() == b"Waiting for another process: the other one\n"
    assert select.select([second.stdout], [], [], 0.3)[0] == [], "it waits in silence"
    if end == "kill":
        first.kill()
    else:
        first.stdin.close()
    assert second.stdout.readline() == b"held\n"


def test_the_lock_ends_with_the_file(tmp_path, caplog):
    with (tmp_path / "lock").open("w") as file:
        take_lock(file, "nobody")
    with (tmp_path / "lock").open("w") as file:
        take_lock(file, "nobody")  # would wait for ever if the lock were still held
    assert not caplog.records


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_file_systems_without_locks(tmp_path, monkeypatch, caplog, number):
    def refuse(file, how):
        raise OSError(number, "no locks here")

    monkeypatch.setattr("fcntl.flock", refuse)
    caplog.set_level("INFO")
    with (tmp_path / "lock").open("w") as file:
        take_lock(file, "the download of a.zip")
    assert "the file system has no locks for the download of a.zip" in caplog.text


def test_other_errors_are_not_hidden(tmp_path):
    file = (tmp_path / "lock").open("w")
    file.close()
    with pytest.raises(ValueError, match="closed file"):
        take_lock(file, "nobody")

    class Broken:
        def fileno(self):
            return 10**6

    with pytest.raises(OSError, match="Bad file descriptor"):
        take_lock(Broken(), "nobody")
