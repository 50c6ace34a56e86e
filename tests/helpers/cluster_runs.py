"""Run the workflow on a cluster of this machine."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from job_starts import stand_in
from workflow_runs import SMOKE, environment

# Of these clusters: small nodes, and an answer at once.
SITE = (
    *("--cores", "2", "--max-threads", "2", "--latency-wait", "10"),
    *("--seconds-between-status-checks", "1"),
)


class Cluster(Protocol):
    # What its commands need, beside the variables of this process.
    variables: dict[str, str]

    def messages(self) -> str:
        """Return what there is to know when a run fails."""


@contextmanager
def run_on(
    cluster: Cluster, profile: str, folder: Path, *arguments: str
) -> Iterator[subprocess.Popen]:
    """Start the smoke run there; at the end wait for it, or end it if the test fails."""
    snakemake_command = [
        *(stand_in(), "-m", "snakemake", "--configfile", SMOKE),
        *("--workflow-profile", f"profiles/{profile}", *SITE, *arguments),
    ]
    variables = environment() | cluster.variables
    with log_of(folder).open("w") as log:
        run = subprocess.Popen(snakemake_command, cwd=folder, env=variables, stdout=log, stderr=log)
    try:
        yield run
        run.wait(1500)
    except BaseException:
        print(cluster.messages(), log_of(folder).read_text()[-10_000:], sep="\n")
        raise
    finally:
        run.kill()
        run.wait()


def log_of(folder: Path) -> Path:
    """Return where the last run's output is."""
    return folder / "snakemake.log"
