"""The smoke run on a SLURM cluster of two nodes: the same tables, whatever is killed on the way."""

import subprocess
import sys
from contextlib import contextmanager

import pytest
from slurm_cluster import NODES, missing, slurm_cluster, wait_until
from workflow_runs import PART, SMOKE, clone, environment, leftovers, planned, shards, tables

pytestmark = [pytest.mark.workflow, pytest.mark.skipif(missing() != "", reason=missing())]

# Of this cluster: small nodes, and an answer at once.
SITE = (
    *("--cores", "2", "--max-threads", "2", "--latency-wait", "10"),
    *("--set-threads", "cache_activations=2"),  # one on each node
    *("--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2"),
)


@pytest.fixture
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


def running_shards(cluster):
    jobs = cluster.jobs("running")
    return [job for job in jobs if job["comment"].startswith("rule_cache_activations")]


# Jobs of the cluster take seconds to start, and the other networks' are of the same rules.
@pytest.mark.parametrize("targets", [PART, pytest.param((), marks=pytest.mark.long)])
def test_killed_node_and_killed_job_change_no_table(finished, cluster, tmp_path, targets):
    folder = clone(tmp_path / "netdissect")
    # A second try would hide the killed job.
    with run_on(cluster, folder, *targets, "--retries", "0") as run:
        wait_until(
            lambda: {job["node"] for job in running_shards(cluster)} == set(NODES),
            "shards on both nodes",
            600,
        )
        # The one that began last has the longest way to go.
        killed = max(running_shards(cluster), key=lambda job: int(job["id"]))
        cluster.run("scancel", killed["id"])
        (lost,) = set(NODES) - {killed["node"]}
        cluster.kill_node(lost)
    output = (folder / "snakemake.log").read_text()
    assert run.returncode == 1, output
    (job,) = (job for job in cluster.jobs() if job["id"] == killed["id"])
    assert job["state"] == "CANCELLED", output

    with run_on(cluster, folder, *targets) as run:
        pass
    output = (folder / "snakemake.log").read_text()
    assert run.returncode == 0, output
    # The jobs of the lost node went on at the other one; of the shards, the killed one was missing.
    (missing_shard,) = shards(output)
    assert killed["comment"].endswith(f"_wildcards_{missing_shard.replace('/', '_')}")
    assert tables(folder).items() <= tables(finished).items()
    assert "rotation/alexnet/conv5/rotation.csv" in tables(folder)
    assert leftovers(folder) == []
    assert planned(folder, *targets) == set()
