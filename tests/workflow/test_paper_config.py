"""The configuration of the paper's own scale: planned without its data, and true to the paper."""

from pathlib import PurePosixPath

import pandas as pd
import pytest
import yaml
from repository import ROOT
from workflow_runs import clone, job_counts, snakemake

from dissection.config.validation import complete
from dissection.downloads.registry import read_registry
from dissection.networks.load import find_layer, load_network
from dissection.networks.sources import downloads, released_download

PAPER = "config/paper.yaml"
CONFIG = complete(
    yaml.safe_load((ROOT / PAPER).read_text()),
    yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text()),
    PAPER,
)
NETWORKS = CONFIG["networks"]
PUBLISHED = pd.read_csv(ROOT / "workflow/published/detectors.csv").set_index("network")
CAFFE = [name for name, network in NETWORKS.items() if network.get("caffe") == {"download": name}]
TRAINED = [name for name, network in NETWORKS.items() if "trained" in network]


def planned_jobs(folder, *targets):
    """How often each rule would run."""
    result = snakemake(folder, "--dry-run", *targets, config=PAPER)
    assert result.returncode == 0, result.stdout
    return job_counts(result.stdout)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    return clone(tmp_path_factory.mktemp("paper") / "netdissect")


def test_dry_run_is_clean_without_any_data(fresh):
    jobs = planned_jobs(fresh)
    layers = sum(
        len(network["layers"]) * max(1, len(network.get("trained", {}).get("snapshots", [])))
        for network in NETWORKS.values()
    )
    assert jobs["train_network"] == len(TRAINED)
    assert jobs["index_training_images"] == jobs["unpack_broden"] == 1
    # Of the network with snapshots, its last weights have their own page of units.
    assert jobs["score_units"] == layers + 1
    assert jobs["make_unit_page"] == sum(len(network["layers"]) for network in NETWORKS.values())
    assert "synthesize_training_set" not in jobs


def test_slides_that_need_no_training_plan_none(fresh):
    jobs = planned_jobs(
        fresh,
        *("slide04_broden", "slide05_activation_map", "slide06_unit_detectors"),
        *("slide06_agreement", "slide08_layers", "slide08_networks", "slide09_rotation"),
    )
    assert not jobs.keys() & {"train_network", "index_training_images"}
    # Those of networks, of released tables, and Broden.
    made_of = [name for network in NETWORKS.values() for name in downloads(network)]
    tables = {name for name in map(released_download, NETWORKS.values()) if name}
    assert jobs["download_file"] == len(made_of) + len(tables) + 1


def test_missing_training_images_are_asked_for(fresh):
    result = snakemake(fresh, "--keep-going", "index_training_images", config=PAPER)
    assert result.returncode != 0
    assert "There is no folder resources/places365 with training images" in result.stdout
    assert "torchvision.datasets.Places365" in result.stdout
    assert "Traceback" not in result.stdout


@pytest.mark.parametrize("name", CAFFE)
def test_the_paper_s_networks_are_those_of_the_published_table(name):
    network = NETWORKS[name]
    assert network["title"] == PUBLISHED.loc[name, "title"]
    assert network["layers"][-1].replace("/", "-") == PUBLISHED.loc[name, "layer"]
    assert network["caffe"] == {"download": name}


def test_every_network_of_the_zoo_is_dissected():
    registry = read_registry(ROOT / "config/downloads.yaml")
    paths = [PurePosixPath(entry.path) for entry in registry.values()]
    zoo = {path.stem for path in paths if path.parent.name == "zoo"}
    assert set(CAFFE) == zoo
    assert set(CAFFE) <= set(CONFIG["figures"]["slide08_networks"]["networks"])
    others = {network["checkpoint"]["download"] for network in NETWORKS.values()
              if "checkpoint" in network}  # fmt: skip
    assert others <= set(registry)
    assert NETWORKS["caffenet_random"]["title"] == PUBLISHED.loc["caffenet_random", "title"]


def test_equivalents_stand_beside_the_paper_s_networks_and_are_marked():
    shown = CONFIG["figures"]["slide08_networks"]["networks"]
    titles = [NETWORKS[name]["title"] for name in shown]
    marked = [title for title in titles if title.startswith("≈")]
    for title in marked:
        name = title.removeprefix("≈ ").partition(" (")[0]
        assert titles[titles.index(title) - 1] == name
        assert name in set(PUBLISHED["title"])
    lacking = {NETWORKS[name]["title"] for name in CAFFE} - {
        title.removeprefix("≈ ").partition(" (")[0] for title in marked
    }
    assert lacking == {"VGG-Places205", "GoogLeNet-Places205"}, "config/paper.yaml says so"


def test_titles_differ():
    titles = [network["title"] for network in NETWORKS.values()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize(
    "name",
    [name for name in NETWORKS if NETWORKS[name].keys() & {"factory", "torchvision", "checkpoint"}],
)
def test_other_networks_have_their_layers(name):
    network = load_network(NETWORKS[name])
    for layer in NETWORKS[name]["layers"]:
        find_layer(network, layer)


def test_slide_6_shows_the_paper_s_two_units():
    assert CONFIG["figures"]["slide06_unit_detectors"] == {
        "network": "caffe_reference_places365",
        "layer": "conv5",
        "units": [107, 79],
    }


def test_variants_differ_from_the_baseline_in_what_they_are_called():
    def differences(name):
        base, other = NETWORKS["alexnet"]["trained"], NETWORKS[name]["trained"]
        return {key: other[key] for key in other if other[key] != base[key]}

    assert NETWORKS["alexnet"]["trained"]["architecture"] == "caffenet"
    assert [differences(f"repeat{i}") for i in (1, 2, 3)] == [{"seed": s} for s in (2, 3, 4)]
    assert differences("no_dropout") == {"dropout": 0}
    assert differences("batch_norm") == {"batch_norm": True}
    assert differences("gap") == {"head": "gap"}
    assert differences("gap_wide") == {"head": "gap", "width": 3}
    assert differences("alexnet_long").keys() == {"snapshots", "training"}
    assert max(NETWORKS["alexnet_long"]["trained"]["snapshots"]) == 2_400_000


def test_training_follows_the_paper():
    expected = {
        **{"iterations": 300_000, "batch_size": 256, "optimizer": "sgd", "momentum": 0.9},
        **{"weight_decay": 5e-4, "learning_rate": 0.01, "schedule": "step", "step_size": 100_000},
    }
    assert CONFIG["training"] | expected == CONFIG["training"]
