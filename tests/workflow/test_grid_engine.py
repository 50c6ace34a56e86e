"""The smoke run on Grid Engine: the same tables, though a job is killed on the way."""

import os
import re
import subprocess

import pytest
from cluster_runs import log_of, run_on
from daemons import wait_until
from grid_engine import grid_engine, missing
from repository import ROOT
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
    # A second try would hide the killed job. The GPU exists for Grid Engine alone.
    options = ("--retries", "0", "--resources", "gpu=1")
    with run_on(cluster, "sge", folder, *targets, *options) as run:
        wait_until(lambda: running(cluster, "cache_activations"), "a shard", 600)
        killed = running(cluster, "cache_activations")[0]
        asked = cluster.run("qstat", "-j", killed["id"])
        cluster.run("qdel", killed["id"])
    output = log_of(folder).read_text()
    assert run.returncode == 1, output
    assert re.search(r"^hard resource_list: +h_rt=14400,mem_free=4000m,gpu=1$", asked, re.M), asked
    assert re.search(r"^parallel environment: +smp range: 1$", asked, re.M), asked

    with run_on(cluster, "sge", folder, *targets) as run:
        pass
    output = log_of(folder).read_text()
    assert run.returncode == 0, output
    assert len(shards(output)) == 1  # the killed one
    assert tables(folder).items() <= tables(finished).items()
    assert "rotation/alexnet/conv5/rotation.csv" in tables(folder)
    assert leftovers(folder) == []
    assert planned(folder, *targets) == set()


# A job that cannot begin stays in the queue, and a queue that does not answer says nothing.
def test_status_of_jobs(cluster, tmp_path):
    def status(job, **variables):
        command = [str(ROOT / "profiles/sge/status.sh"), job]
        environment = os.environ | cluster.variables | variables
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )

    def submit(*command, output=tmp_path):
        return cluster.run("qsub", "-terse", "-o", str(output), "-b", "y", *command).strip()

    hindered = submit("true", output="/nowhere/")
    running_on = submit("sleep", "100")
    wait_until(lambda: "Eqw" in {job["state"] for job in cluster.jobs()}, "a job in error")
    failed = status(hindered)
    assert failed.stdout == "failed\n"
    assert "/nowhere/" in failed.stderr
    assert [job["id"] for job in cluster.jobs()] == [running_on]

    assert status(running_on).stdout == "running\n"
    assert status(running_on, SGE_QMASTER_PORT="1").stdout == "running\n"
    (tmp_path / ".snakemake/sge").mkdir(parents=True)
    record = tmp_path / ".snakemake/sge" / running_on
    record.write_text("0\n")
    assert status(running_on).stdout == "running\n"
    cluster.run("qdel", running_on)
    wait_until(lambda: not cluster.jobs(), "the end of a job")
    assert status(running_on).stdout == "success\n"
    record.write_text("1\n")
    assert status(running_on).stdout == "failed\n"
    assert not record.exists()
