"""What the rules promise: what reruns after which change, what can be asked for, how to rerun."""

import copy
import html
import re
import shlex

import pytest
import yaml
from repository import ROOT
from snakemake_starts import start
from workflow_runs import clone, environment, planned, snakemake

pytestmark = pytest.mark.workflow

SMOKE = yaml.safe_load((ROOT / "config/smoke.yaml").read_text())
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
PAGE = {"make_report", "all"}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    return clone(tmp_path_factory.mktemp("rules") / "netdissect")


def changed(changes):
    """The smoke configuration with other values of some keys, by path; None takes a key away."""
    config = copy.deepcopy(SMOKE)
    for keys, value in changes.items():
        *path, last = keys.split("/")
        place = config
        for key in path:
            place = place.setdefault(key, {})
        if value is None:
            del place[last]
        else:
            place[last] = copy.deepcopy(value)
    return config


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        (  # What changes no weights trains nothing anew; the report shows the configuration.
            {
                "training/checkpoint_iterations": 3,
                "training/workers": 3,
                "training/momentum": 0.5,
                "training/step_size": 7,
                "networks/gap/trained/training": {"checkpoint_iterations": 2},
            },
            PAGE,
        ),
        (  # Names are drawn, not computed with.
            {"networks/gap/title": "Another name", "networks/repeat1/title": None},
            {
                *("slide08_networks", "slide10_regularization", "slide12_initialization"),
                *("slide06_agreement", "slide12_width", "make_unit_page", "make_unit_index", *PAGE),
            },
        ),
        (  # Another order of layers and of networks.
            {
                "networks": dict(reversed(SMOKE["networks"].items())),
                "networks/alexnet/layers": ["conv3", "conv1", "conv5"],
            },
            {"slide08_layers", "judge_claims", "make_unit_index", *PAGE},
        ),
        (  # A figure's own options.
            {"figures/slide06_unit_detectors/units": [3], "figures/slide05_activation_map": None},
            {"slide06_unit_detectors", *PAGE},
        ),
    ],
    ids=["neutral settings", "titles", "order", "figures"],
)
def test_a_change_reruns_what_depends_on_it(copy, changes, rules):
    (copy / "config/smoke.yaml").write_text(yaml.safe_dump(changed(changes), sort_keys=False))
    assert planned(copy) == rules


def test_another_network_leaves_the_others_as_they_are(copy):
    config = changed({"networks/more": {"layers": ["conv5"], "trained": {"seed": 9}}})
    (copy / "config/smoke.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    result = snakemake(copy, "--dry-run")
    assert result.returncode == 0, result.stdout
    output = r"^ +output: results/smoke/(?:activations|networks)/([^/]+)/"
    assert set(re.findall(output, result.stdout, re.MULTILINE)) == {"more"}


def test_every_job_that_computes_on_a_gpu_asks_for_one(fresh):
    result = snakemake(fresh, "--dry-run", "--resources", "gpu=1")
    assert result.returncode == 0, result.stdout
    found = {}
    for rule, job in re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", result.stdout, re.M):
        notes = re.findall(r"\.snakemake/code/[\w.-]+", job)
        code = "".join((fresh / note).read_text() for note in notes)
        needs = "scripts/dissection/jobs/devices.py" in code
        assert needs == ("gpu=1" in job), job
        found[rule] = needs
    asking = {rule for rule, needs in found.items() if needs}
    assert asking == {"train_network", "cache_activations", "rotate_basis"}


def test_the_schema_s_figures_are_targets_that_say_what_they_are(fresh):
    figures = SCHEMA["properties"]["figures"]["properties"]
    assert set(SMOKE["figures"]) == set(figures), "the smoke run shows them all"
    listed = snakemake(fresh, "--list-target-rules").stdout
    said = dict(re.findall(r"^(slide\w+) \((.+)\.\)$", listed, re.MULTILINE))
    assert set(said) == set(figures)
    for figure, title in said.items():
        assert title.startswith(f"Slide {int(figure[5:7])}: "), "the reader's words"
        assert (ROOT / f"workflow/report/captions/{figure}.rst").is_file()


def test_a_figure_that_is_not_configured_has_no_rule(fresh):
    config = changed({"figures": {"slide08_layers": {"network": "alexnet"}}})
    (fresh / "config/one.yaml").write_text(yaml.safe_dump(config))
    listed = snakemake(fresh, "--list-target-rules", config="config/one.yaml").stdout
    assert re.findall(r"^slide\w+", listed, re.MULTILINE) == ["slide08_layers"]


# ---- what can be asked for ---------------------------------------------------------------------


def test_snapshots_have_pages_and_rotations_like_other_networks(copy):
    page = "results/smoke/units/alexnet@3/conv5.html"
    rotation = "results/smoke/rotation/alexnet@12/conv3/rotation.csv"
    result = snakemake(copy, page, rotation)
    assert result.returncode == 0, result.stdout
    assert "<title>AlexNet after 3 iterations, conv5: units</title>" in (copy / page).read_text()
    assert (copy / rotation).read_text().count("\n") > 1


@pytest.mark.parametrize(
    "target",
    [
        "results/smoke/units/alexnet@4/conv5.html",  # no snapshot
        "results/smoke/rotation/gap/conv1/rotation.csv",  # not a layer that it lists
        "results/smoke/networks/nothing/weights.pt",
    ],
)
def test_what_the_configuration_does_not_name_cannot_be_made(fresh, target):
    result = snakemake(fresh, "--dry-run", target)
    assert result.returncode != 0
    assert f"No rule to produce {target}" in result.stdout
    assert "Traceback" not in result.stdout
    assert "KeyError" not in result.stdout


# ---- how to rerun ------------------------------------------------------------------------------


def run(folder, words):
    assert words[0] == "snakemake"
    result = start(words[1:], folder, environment(), seconds=900)
    assert result.returncode == 0, result.stdout
    return result.stdout


# Every one says the same as the smoke configuration, so that its run is finished but for the page.
OVERLAY = {"dissection": {"top_images": SMOKE["dissection"]["top_images"]}}
DEFAULT = "config/config.yaml"


@pytest.mark.parametrize(
    ("files", "given"),
    [
        ({DEFAULT: SMOKE}, []),
        ({"myconfig/config.yaml": SMOKE}, ["--configfile", "myconfig/config.yaml"]),
        (
            {"config/smoke.yaml": SMOKE, "my runs/it's.yaml": OVERLAY},
            ["--configfile", "config/smoke.yaml", "my runs/it's.yaml"],
        ),
        (
            {"a.yaml": SMOKE | {"run": "other"}},
            ["--configfile", "a.yaml", "--config", "run=smoke"],
        ),
    ],
    ids=["default", "one", "two", "override"],
)
def test_the_report_s_commands_run_as_they_are_printed(copy, files, given):
    for name, content in files.items():
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text(yaml.safe_dump(content, sort_keys=False))
    run(copy, ["snakemake", "make_report", "--cores", "2", *given])
    page = (copy / "results/smoke/report.html").read_text()
    (whole,) = re.findall(r'<h2 id="rerun">How to rerun</h2>\n<pre>(.*)</pre>', page)
    again = re.findall(r"Again: <code>(.*)</code>", page)
    lines = [shlex.split(html.unescape(line)) for line in [whole, *again]]
    program, *options = lines[0]
    assert lines[1:] == [[program, figure, *options] for figure in sorted(SMOKE["figures"])]
    for line in lines[:2]:
        assert "Nothing to be done" in run(copy, [*line, "--dry-run"])
