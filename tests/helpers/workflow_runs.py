"""Run the workflow in a copy of the repository, as a user would after a fresh clone."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from repository import ROOT

NOT_IN_A_CLONE = {".git", ".venv", ".snakemake", "results", "resources", "tests", "__pycache__"}
SMOKE = "config/smoke.yaml"


def clone(folder: Path) -> Path:
    """Copy what the workflow consists of, without anything computed."""
    shutil.copytree(ROOT, folder, ignore=lambda _, names: NOT_IN_A_CLONE & set(names))
    (folder / "results").mkdir()
    (folder / "resources").mkdir()
    return folder


def command(*arguments: str, config: str = SMOKE, cores: int = 2) -> list[str]:
    return [
        # Not --configfile last: it would take targets for more configurations.
        *(sys.executable, "-m", "snakemake", "--configfile", config, "--cores", str(cores)),
        *arguments,
    ]


def environment() -> dict[str, str]:
    """Return the variables without pytest's settings and its path to the library."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONWARNINGS")}


def snakemake(folder: Path, *arguments: str, **options) -> subprocess.CompletedProcess:
    """Run Snakemake there and return what it printed."""
    return subprocess.run(
        command(*arguments, **options),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1800,
        check=False,
    )


def planned(folder: Path, *arguments: str, **options) -> set[str]:
    """Return the rules that a dry run would run."""
    result = snakemake(folder, "--dry-run", *arguments, **options)
    assert result.returncode == 0, result.stdout
    return set(re.findall(r"^(?:local)?rule (\w+):$", result.stdout, re.MULTILINE))


def planned_shards(folder: Path, *arguments: str) -> set[str]:
    """Return the shards, NETWORK/NUMBER, that a dry run would run a network over."""
    result = snakemake(folder, "--dry-run", *arguments)
    assert result.returncode == 0, result.stdout
    output = r"^ +output: results/\w+/activations/(\S+)$"
    return set(re.findall(output, result.stdout, re.MULTILINE))


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
