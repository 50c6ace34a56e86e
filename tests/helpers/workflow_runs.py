"""Run the workflow in a copy of the repository, as a user would after a fresh clone."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from job_starts import stand_in
from repository import ROOT
from snakemake_starts import start

NOT_IN_A_CLONE = {".git", ".venv", ".snakemake", "results", "resources", "tests"}
COMPILED = {".pyc", ".nbi", ".nbc"}
SMOKE = "config/smoke.yaml"

# Of the smoke run, one network's layer from the data to its figures: a job of each rule that
# computes.
PART = ("slide06_unit_detectors", "slide09_rotation", "results/smoke/units/alexnet/conv5.html")


def clone(folder: Path) -> Path:
    """Copy what the workflow consists of, without anything computed.

    What has been compiled by now is taken along, or every clone would compile the same again.
    """

    def left_out(parent: str, names: list[str]) -> set[str]:
        if Path(parent).name == "__pycache__":  # where other processes may be writing
            return {name for name in names if Path(name).suffix not in COMPILED}
        return NOT_IN_A_CLONE & set(names)

    shutil.copytree(ROOT, folder, ignore=left_out)
    (folder / "results").mkdir()
    (folder / "resources").mkdir()
    return folder


def keep_compiled(folder: Path) -> None:
    """Take over from a clone what numba compiled there, for the next clones: it takes seconds.

    Of each function everything or nothing: its index says which of its files is for which types.
    """
    for index in folder.glob("scripts/**/__pycache__/*.nbi"):
        own = ROOT / index.relative_to(folder)
        source = own.parents[1] / f"{index.name.partition('.')[0]}.py"
        if not source.exists():  # of a module that is no more
            continue
        if own.exists() and own.stat().st_mtime > source.stat().st_mtime:
            continue
        own.parent.mkdir(exist_ok=True)
        for file in [*index.parent.glob(f"{index.stem}.*.nbc"), index]:
            copied = Path(shutil.copy2(file, own.with_name(f"{file.name}.copied")))
            copied.replace(own.with_name(file.name))  # at once: others read here


PROGRAM = """
import sys
import snakemake.cli
sys.executable, sys.argv[:2] = sys.argv[1], ["snakemake"]
snakemake.cli.main()
"""


def command(*arguments: str, config: str = SMOKE, cores: int = 2) -> list[str]:
    """Return the line that starts Snakemake, as a process of its own that can be killed."""
    line = _arguments(*arguments, config=config, cores=cores)
    return [sys.executable, "-c", PROGRAM, stand_in(), *line]


def _arguments(*arguments: str, config: str = SMOKE, cores: int = 2) -> list[str]:
    # Not --configfile last: it would take targets for more configurations.
    return ["--configfile", config, "--cores", str(cores), *arguments]


def environment() -> dict[str, str]:
    """Return the variables without pytest's settings and its path to the library.

    Downloads that fail are tried again at once.
    """
    tests_alone = {"PYTHONPATH", "PYTHONWARNINGS", "OMP_NUM_THREADS"}
    variables = {k: v for k, v in os.environ.items() if k not in tests_alone}
    return {"DOWNLOAD_WAIT": "0.01", **variables}


def snakemake(
    folder: Path, *arguments: str, seconds: int = 1800, **options
) -> subprocess.CompletedProcess:
    """Run Snakemake there, for so long at most, and return what it printed."""
    return start(_arguments(*arguments, **options), folder, environment(), seconds)


def planned(folder: Path, *arguments: str, **options) -> set[str]:
    """Return the rules that a dry run would run."""
    result = snakemake(folder, "--dry-run", *arguments, **options)
    assert result.returncode == 0, result.stdout
    return set(re.findall(r"^(?:local)?rule (\w+):$", result.stdout, re.MULTILINE))


def job_counts(output: str) -> dict[str, int]:
    """Return how often each rule would run, as the output of a run or dry run begins by saying."""
    table = output.partition("Job stats:")[2].partition("\n\n")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


def shards(output: str) -> set[str]:
    """Return the shards, NETWORK/NUMBER, that a run or dry run ran a network over."""
    return set(re.findall(r"^ +output: results/\w+/activations/(\S+)$", output, re.MULTILINE))


def tables(folder: Path, run: str = "smoke") -> dict[str, str]:
    """Return the hash of every table of a run."""
    results = folder / "results" / run
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
        for pattern in ("*.csv", "*.npy")
        for path in sorted(results.rglob(pattern))
        if "activations" not in path.parts
    }


def leftovers(folder: Path) -> list[str]:
    """Return what only an unfinished run has."""
    found = [
        path
        for pattern in ("results/**/.*.partial", "results/**/unfinished", ".snakemake/locks/*")
        for path in folder.glob(pattern)
    ]
    found += [path for path in folder.glob(".snakemake/incomplete/**/*") if path.is_file()]
    return [str(path.relative_to(folder)) for path in found]
