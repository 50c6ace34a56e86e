"""The smoke run, killed again and again, and moved to another folder: the same tables.

In shards of other sizes and, but for the long test, on one core.
"""

import os
import random
import re
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import pytest
import yaml
from workflow_runs import (
    PART,
    SMOKE,
    clone,
    command,
    environment,
    leftovers,
    planned,
    snakemake,
    tables,
)

pytestmark = pytest.mark.workflow

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


def in_three_shards(folder: Path) -> Path:
    """Divide a clone's images otherwise than the run does that its tables are compared with."""
    file = folder / SMOKE
    config = yaml.safe_load(file.read_text())
    assert config["dissection"]["shards"] != 3
    config["dissection"]["shards"] = 3
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    return folder


def kill_in_job(line: list[str], folder: Path, job: int, wait: float, number: int) -> bool:
    """Start the run, and signal its main process some time after it has started so many jobs.

    Return whether it ended before.
    """
    # A shell in the background hands down that SIGINT is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    log = folder.with_suffix(".log")
    with log.open("w") as file:
        run = subprocess.Popen(
            line, cwd=folder, env=environment(), start_new_session=True, stdout=file, stderr=file
        )
    end = time.monotonic() + 600
    while len(re.findall(r"^(?:local)?rule ", log.read_text(), re.MULTILINE)) < job:
        if run.poll() is not None:
            break
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)
    try:
        run.wait(wait)
    except subprocess.TimeoutExpired:
        run.send_signal(number)
        run.wait(600)
        end = time.monotonic() + 600
        while processes(run.pid):  # jobs that go on to their end, as after SIGKILL
            assert time.monotonic() < end, "the jobs of a killed run go on and on"
            time.sleep(0.1)
        return False
    assert run.returncode == 0, log.read_text()
    return True


# Six kills are two of each signal, spread over the run; twenty show the same of more jobs.
@pytest.mark.parametrize(
    ("kills", "targets", "cores"),
    [(6, (*PART, "slide08_layers"), 1), pytest.param(20, (), 2, marks=pytest.mark.long)],
)
def test_kills_shards_and_cores_change_no_table(finished, tmp_path, kills, targets, cores):
    folder = in_three_shards(clone(tmp_path / "run0"))
    moments = random.Random(1)
    for kill in range(kills):
        number = SIGNALS[kill % len(SIGNALS)]
        line = command(*targets, cores=cores)
        if kill_in_job(line, folder, moments.randint(1, 4), moments.uniform(0, 3), number):
            # A fast machine: the rest of the kills hit another run.
            assert tables(folder).items() <= tables(finished).items()
            folder = in_three_shards(clone(tmp_path / f"run{kill}"))
        elif number == signal.SIGKILL:
            assert snakemake(folder, "--unlock").returncode == 0
        if kill == kills // 2:
            undone = planned(folder, *targets)
            folder = move(folder, tmp_path / "moved")
            in_three_shards(folder)
            assert planned(folder, *targets) == undone
    result = snakemake(folder, *targets, cores=cores)
    assert result.returncode == 0, result.stdout
    made = tables(folder)
    assert made.items() <= tables(finished).items()
    assert "rotation/alexnet/conv5/rotation.csv" in made
    assert leftovers(folder) == []
    assert planned(folder, *targets) == set()


def test_finished_run_does_nothing_elsewhere(finished, tmp_path):
    assert planned(move(finished, tmp_path / "elsewhere")) == set()
