"""Run the workflow on a cluster of this machine."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from job_starts import stand_in
from workflow_runs import SMOKE, environment

# Of these clusters: small nodes that see the same files.
SITE = ("--cores", "2", "--max-threads", "2", "--latency-wait", "10")

# How often the cluster is asked is no matter of these tests. SLURM's plugin waits ten seconds more
# after each time that no job had ended, which no setting changes.
PROGRAM = """
import asyncio, sys
import snakemake.cli
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

async def sleep(self):
    await asyncio.sleep(1)

RemoteExecutor.sleep = sleep
sys.executable = sys.argv[1]
sys.argv[:2] = ["snakemake"]
snakemake.cli.main()
"""


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
        *(sys.executable, "-c", PROGRAM, stand_in(), "--configfile", SMOKE),
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
