"""The smoke run on a SLURM cluster of two nodes: the same tables, whatever is killed on the way."""

import subprocess
import sys
from contextlib import contextmanager

import pytest
from slurm_cluster import NODES, missing, slurm_cluster, wait_until
from workflow_runs import SMOKE, clone, environment, leftovers, planned, planned_shards, tables

pytestmark = [pytest.mark.workflow, pytest.mark.skipif(missing() != "", reason=missing())]

# Of this cluster: small nodes, and an answer at once.
SITE = (
    *("--cores", "2", "--max-threads", "2", "--latency-wait", "10"),
    *("--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2"),
)


@pytest.fixture(scope="module")
def cluster():
    with slurm_cluster() as cluster:
        yield cluster


@contextmanager
def run_on(cluster, folder, *arguments):
    """Start the run on the cluster; end it if the test fails."""
    snakemake_command = [
        *(sys.executable, "-m", "snakemake", "--configfile", SMOKE),
        *("--workflow-profile", "profiles/slurm", *SITE, *arguments),
    ]
    variables = environment() | {"PATH": cluster.environment["PATH"]}
    with (folder / "snakemake.log").open("w") as log:
        run = subprocess.Popen(snakemake_command, cwd=folder, env=variables, stdout=log, stderr=log)
    try:
        yield run
        run.wait(1500)
    except BaseException:
        print(cluster.run("squeue"), cluster.messages())
        print((folder / "snakemake.log").read_text()[-10_000:])
        raise
    finally:
        run.kill()
        run.wait()


def shards(jobs):
    return [job for job in jobs if job["comment"].startswith("rule_cache_activations")]


def test_killed_node_and_killed_job_change_no_table(finished, cluster, tmp_path):
    folder = clone(tmp_path / "netdissect")
    # A second try would hide the killed job.
    with run_on(cluster, folder, "--retries", "0") as run:
        wait_until(
            lambda: {job["node"] for job in shards(cluster.jobs("running"))} == set(NODES),
            "shards on both nodes",
            600,
        )
        # The one that began last has the longest way to go.
        killed = max(shards(cluster.jobs("running")), key=lambda job: int(job["id"]))
        cluster.run("scancel", killed["id"])
        (lost,) = set(NODES) - {killed["node"]}
        cluster.kill_node(lost)
    output = (folder / "snakemake.log").read_text()
    assert run.returncode == 1, output
    (job,) = (job for job in cluster.jobs() if job["id"] == killed["id"])
    assert job["state"] == "CANCELLED", output

    # The jobs of the lost node went on at the other one; of the shards, the killed one is missing.
    (missing_shard,) = planned_shards(folder)
    assert killed["comment"].endswith(f"_wildcards_{missing_shard.replace('/', '_')}")

    with run_on(cluster, folder) as run:
        pass
    output = (folder / "snakemake.log").read_text()
    assert run.returncode == 0, output
    assert tables(folder) == tables(finished)
    assert leftovers(folder) == []
    assert planned(folder) == set()
