"""The smoke run on a SLURM cluster of two nodes: the same tables, whatever is killed on the way."""

import pytest
from cluster_runs import log_of, run_on
from daemons import wait_until
from slurm_cluster import NODES, missing, slurm_cluster
from workflow_runs import PART, clone, leftovers, planned, shards, tables

pytestmark = [pytest.mark.workflow, pytest.mark.skipif(missing() != "", reason=missing())]

# Of this cluster: shards for both nodes, and an answer at once.
SITE = (
    *("--set-threads", "cache_activations=2"),
    *("--slurm-init-seconds-before-status-checks", "1"),
)


@pytest.fixture
def cluster():
    with slurm_cluster() as cluster:
        yield cluster


# What asks for a GPU where there are some; a rotation for the network's own accuracy.
ON_GPUS = ("rule_train_network", "rule_cache_activations", "rule_rotate_basis")


def running_shards(cluster):
    jobs = cluster.jobs("running")
    return [job for job in jobs if job["comment"].startswith("rule_cache_activations")]


# Jobs of the cluster take seconds to start, and those of other networks and layers are of the same
# rules.
@pytest.mark.parametrize("targets", [PART, pytest.param((), marks=pytest.mark.long)])
def test_killed_node_and_killed_job_change_no_table(finished, cluster, tmp_path, targets):
    folder = clone(tmp_path / "netdissect")
    # A second try would hide the killed job. The GPUs exist for SLURM alone, one on each node.
    options = ("--retries", "0", "--resources", "gpu=2")
    with run_on(cluster, "slurm", folder, *SITE, *targets, *options) as run:
        wait_until(
            lambda: {job["node"] for job in running_shards(cluster)} == set(NODES),
            "shards on both nodes",
            600,
        )
        # The one that began last has the longest way to go.
        killed = max(running_shards(cluster), key=lambda job: int(job["id"]))
        cluster.run("scancel", killed["id"])
        (lost,) = set(NODES) - {killed["node"]}
        cluster.lose_node(lost)
    output = log_of(folder).read_text()
    assert run.returncode == 1, output
    (job,) = (job for job in cluster.jobs() if job["id"] == killed["id"])
    assert job["state"] == "CANCELLED", output
    for job in cluster.jobs():
        gpus = cluster.details(job["id"]).get("TresPerJob")
        assert gpus == ("gres:gpu:1" if job["comment"].startswith(ON_GPUS) else None), job

    with run_on(cluster, "slurm", folder, *SITE, *targets) as run:
        pass
    output = log_of(folder).read_text()
    assert run.returncode == 0, output
    # The jobs of the lost node went on at the other one; of the shards, the killed one was missing.
    (missing_shard,) = shards(output)
    assert killed["comment"].endswith(f"_wildcards_{missing_shard.replace('/', '_')}")
    assert tables(folder).items() <= tables(finished).items()
    assert "rotation/alexnet/conv5/rotation.csv" in tables(folder)
    assert leftovers(folder) == []
    assert planned(folder, *targets) == set()
