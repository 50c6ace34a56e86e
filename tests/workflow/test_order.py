"""In what order jobs run: something to look at early, and nothing long alone at the end."""

import re

import pytest
from workflow_runs import clone, snakemake

# Rules whose jobs take several cores: beside others they would wait until all cores are free.
WIDE = ("synthesize_broden", "synthesize_training_set", "pack_labels")
EARLY = ("slide04_broden", "slide05_activation_map", "slide06_unit_detectors", "slide08_layers")


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """The jobs of the default run: rule, inputs, outputs, priority."""
    folder = clone(tmp_path_factory.mktemp("order") / "netdissect")
    result = snakemake(folder, "--dry-run", config="config/config.yaml")
    assert result.returncode == 0, result.stdout
    found = []
    for rule, job in re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", result.stdout, re.M):
        said = dict(re.findall(r"^    (\w+): (.*)$", job, re.M))
        files = {key: said.get(key, "").split(", ") for key in ("input", "output")}
        found.append((rule, *files.values(), float(said.get("priority", 0))))
    return found


def needed(jobs, rule):
    """The jobs that one needs, itself among them."""
    found, files = [], {file for job in jobs if job[0] == rule for file in job[2]}
    while files:
        new = [job for job in jobs if files & set(job[2]) and job not in found]
        found += new
        files = {file for _, inputs, *_ in new for file in inputs}
    return found


def test_all_that_the_first_figures_need_goes_before_all_else(jobs):
    first = [job for rule in EARLY for job in needed(jobs, rule)]
    least = min(priority for *_, priority in first)
    own = {tuple(job[2]) for job in first}
    before = {job[0] for job in jobs if job[3] >= least and tuple(job[2]) not in own}
    # A drawn training set for one of the others, and figures, which wait for what they show.
    assert {rule for rule in before if not rule.startswith("slide")} == {"synthesize_training_set"}
    assert len([job for job in first if job[0] == "train_network"]) >= 1


def test_jobs_of_many_cores_begin_and_trainings_go_before_what_is_short(jobs):
    priorities = {}
    for rule, *_, priority in jobs:
        priorities.setdefault(rule, []).append(priority)
    wide = min(min(priorities[rule]) for rule in WIDE)
    assert all(max(found) < wide for rule, found in priorities.items() if rule not in WIDE)
    trainings = sorted(priorities["train_network"])
    assert priorities["rotate_basis"][0] > trainings[-2], "as long as a training"
    assert len(set(trainings)) == len(trainings), "in the order of the configuration"
    for rule in ("cache_activations", "score_units", "make_unit_page"):
        assert min(priorities[rule]) < trainings[0]


def test_a_run_starts_them_in_that_order(finished):
    log = min((finished / ".snakemake/log").iterdir()).read_text()
    started = re.findall(r"^(?:local)?rule (\w+):\n(?:    .*\n)*?    jobid: (\d+)", log, re.M)
    trained = [job for job in started if job[0] == "train_network"]
    assert "results/smoke/networks/alexnet/weights.pt" in _output(log, trained[0][1])
    last = started.index(trained[-1])
    assert {rule for rule, _ in started[:last]} >= set(WIDE)


def _output(log, job):
    """The outputs of a job."""
    return re.search(rf"^    output: (.*)\n(?:    .*\n)*?    jobid: {job}$", log, re.M)[1]
