"""The smoke run, killed again and again, and moved to another folder: the same tables."""

import os
import random
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import pytest
from workflow_runs import clone, command, environment, leftovers, planned, snakemake, tables

pytestmark = pytest.mark.workflow

KILLS = 20
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
# What README.md says to take along; the code comes from git.
MOVED = ("results/smoke", ".snakemake/metadata", ".snakemake/incomplete")


def processes(session: int) -> list[int]:
    """Return the processes of a session that are not dead."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, number = status.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has ended
            continue
        if int(number) == session and state not in "ZX":
            found.append(int(status.parent.name))
    return found


def move(old: Path, new: Path) -> Path:
    """Take a run to a new clone."""
    archive = new.with_suffix(".tar")
    with tarfile.open(archive, "w") as file:
        for name in MOVED:
            file.add(old / name, name)
    clone(new)
    # git gives the files of a clone the date of the clone.
    for path in new.rglob("*"):
        os.utime(path)
    with tarfile.open(archive) as file:
        file.extractall(new, filter="data")
    archive.unlink()
    return new


def kill_after(folder: Path, seconds: float, number: signal.Signals) -> bool:
    """Start the run and send its main process a signal; return whether it ended before."""
    # A shell in the background hands down that SIGINT is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run = subprocess.Popen(
        command(), cwd=folder, env=environment(), text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        output, _ = run.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        run.send_signal(number)
        run.communicate(timeout=120)
        end = time.monotonic() + 120
        while processes(run.pid):  # jobs that go on to their end, as after SIGKILL
            assert time.monotonic() < end, "the jobs of a killed run go on and on"
            time.sleep(0.1)
        return False
    assert run.returncode == 0, output
    return True


def test_twenty_kills_change_no_table(finished, tmp_path):
    folder = clone(tmp_path / "run0")
    moments = random.Random(1)
    for kill in range(KILLS):
        number = SIGNALS[kill % len(SIGNALS)]
        if kill_after(folder, moments.uniform(1, 10), number):
            # A fast machine: the rest of the kills hit another run.
            assert tables(folder) == tables(finished)
            folder = clone(tmp_path / f"run{kill}")
        elif number == signal.SIGKILL:
            assert snakemake(folder, "--unlock").returncode == 0
        if kill == KILLS // 2:
            undone = planned(folder)
            folder = move(folder, tmp_path / "moved")
            assert planned(folder) == undone
    result = snakemake(folder)
    assert result.returncode == 0, result.stdout
    assert tables(folder) == tables(finished)
    assert leftovers(folder) == []
    assert planned(folder) == set()


def test_finished_run_does_nothing_elsewhere(finished, tmp_path):
    assert planned(move(finished, tmp_path / "elsewhere")) == set()
