"""The smoke run on Grid Engine: the same tables, though a job is killed on the way."""

import pytest
from cluster_runs import log_of, run_on
from daemons import wait_until
from grid_engine import grid_engine, missing
from workflow_runs import PART, clone, leftovers, planned, shards, tables

pytestmark = [pytest.mark.workflow, pytest.mark.skipif(missing() != "", reason=missing())]


@pytest.fixture(scope="module")
def cluster():
    with grid_engine() as cluster:
        yield cluster


def running(cluster, rule):
    """Jobs of a rule; qstat shows ten letters of a name."""
    return [job for job in cluster.jobs() if job["state"] == "r" and job["name"] == rule[:10]]


@pytest.mark.parametrize("targets", [PART, pytest.param((), marks=pytest.mark.long)])
def test_killed_job_changes_no_table(finished, cluster, tmp_path, targets):
    folder = clone(tmp_path / "netdissect")
    # A second try would hide the killed job.
    with run_on(cluster, "sge", folder, *targets, "--retries", "0") as run:
        wait_until(lambda: running(cluster, "cache_activations"), "a shard", 600)
        killed = running(cluster, "cache_activations")[0]
        cluster.run("qdel", killed["id"])
    output = log_of(folder).read_text()
    assert run.returncode == 1, output

    with run_on(cluster, "sge", folder, *targets) as run:
        pass
    output = log_of(folder).read_text()
    assert run.returncode == 0, output
    assert len(shards(output)) == 1  # the killed one
    assert tables(folder).items() <= tables(finished).items()
    assert "rotation/alexnet/conv5/rotation.csv" in tables(folder)
    assert leftovers(folder) == []
    assert planned(folder, *targets) == set()
