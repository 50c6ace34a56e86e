"""What jobs cost: the model against what a run took, and for every kind of network and data set."""

import json
from types import SimpleNamespace

import pytest
import yaml
from costs import Costs, core_speed
from layout import Run
from repository import ROOT

from dissection.config.validation import complete
from dissection.downloads.registry import read_registry

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())


def costs(config):
    found = yaml.safe_load((ROOT / "config" / f"{config}.yaml").read_text())
    return Costs(
        Run(complete(found, SCHEMA, "a.yaml")),
        lambda: read_registry(ROOT / "config/downloads.yaml"),
    )


def job(**wildcards):
    return SimpleNamespace(**wildcards)


def test_times_of_the_default_run():
    """Core-seconds that benchmarks/jobs.py told of a whole run."""
    model = costs("config")
    layers = [("alexnet", f"conv{n}") for n in range(1, 6)] + 16 * [("repeat1", "conv5")]
    networks = list(model._config["networks"])
    found = {
        "train_network": [job(network=network) for network in networks],
        "cache_activations": 24 * [job(network="repeat1")],
        "compute_thresholds": [job(network=n, layer=k) for n, k in layers + 7 * layers[-1:]],
        "make_unit_page": [job(network=n, layer=k) for n, k in layers],
        "rotate_basis": [job(network="alexnet", layer="conv5")],
        "synthesize_training_set": [job(content="scene"), job(content="object")],
    }
    measured = {"train_network": 1730, "cache_activations": 167, "compute_thresholds": 49}
    measured |= {"make_unit_page": 38, "rotate_basis": 75, "synthesize_training_set": 84}
    for rule, jobs in found.items():
        seconds = sum(model.of(rule, wildcards).seconds for wildcards in jobs)
        assert 0.6 < seconds / measured[rule] < 1.5, (rule, seconds)


def test_a_training_that_waits_for_plateaus_is_not_expected_to_last_its_most_epochs():
    model = costs("thorough")
    seconds = model.of("train_network", job(network="repeat1")).seconds
    assert 0.6 < seconds / 620 < 1.5  # of 34 epochs on a core that others use, too


def test_sizes_of_a_finished_run(finished):
    model, results = costs("smoke"), finished / "results/smoke"
    assert model.images == 136
    for table in results.glob("dissection/*/*/units.csv"):
        network, layer = table.parts[-3:-1]
        units, height = model._size(job(network=network, layer=layer))
        there = len(table.read_text().splitlines()) - 1
        assert there / 1.6 < units < there * 1.6, table
        geometry = table.parent / "geometry.json"  # of networks that have pages
        assert not geometry.is_file() or height == json.loads(geometry.read_text())["height"]
    for folder, rule, wildcards in (
        ("dataset", "synthesize_broden", job()),
        ("training_set/scene", "synthesize_training_set", job(content="scene")),
        ("networks/alexnet", "train_network", job(network="alexnet")),
        ("units/alexnet", "make_unit_page", job(network="alexnet", layer="conv3")),
    ):
        files = [file for file in (results / folder).rglob("*") if file.is_file()]
        there = sum(file.stat().st_size for file in files)
        said = model.of(rule, wildcards).kept
        assert there / 4 < said < there * 4, (folder, there, said)


@pytest.mark.parametrize(
    ("config", "network", "layer", "values"),
    [
        ("broden", "alexnet", "features.1", 64 * 55 * 55),
        ("broden", "alexnet", "features.11", 256 * 13 * 13),
        ("broden", "resnet50", "layer4", 2048 * 7 * 7),
        ("camvid", "resnet18", "layer2", 128 * 28 * 28),
        ("paper", "caffe_reference_places205", "conv1", 96 * 55 * 55),
        ("paper", "vgg16_places365", "conv5_3", 512 * 14 * 14),
        ("paper", "googlenet_imagenet", "inception_5b-output", 1024 * 7 * 7),
        ("paper", "resnet-152-torch-places365", "caffe.Eltwise_510", 2048 * 7 * 7),
        ("paper", "gap_wide", "conv5", 768 * 13 * 13),
        ("paper", "alexnet_long@100", "conv5", 256 * 13 * 13),
        ("config", "gap_wide", "conv5", 288 * 8 * 8),
    ],
)
def test_maps_of_known_networks(config, network, layer, values):
    assert costs(config)._of_layer(job(network=network, layer=layer)) == values


@pytest.mark.parametrize(
    ("config", "images", "archive", "gigabytes"),
    [
        ("paper", 63_305, "broden1_227", 0.975),
        ("broden", 37_953, "ADEChallengeData2016.zip", 0.97),
        ("camvid", 701, "camvid", 0.16),
        ("paper", 63_305, "not_listed", 0),
    ],
)
def test_images_and_downloads(config, images, archive, gigabytes):
    model = costs(config)
    assert model.images == images
    assert model.of("download_file", job(file=archive)).fetched == pytest.approx(gigabytes * 1e9)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("train_network", "train_network"),
        ("dissection_train_network", "train_network"),  # of a module
        ("a_slide08_layers", "slide08_layers"),
        ("mytrain_network", None),
        ("theirs", None),
        ("all", None),
        ("list_layers", None),
    ],
)
def test_rules_by_their_names(name, rule):
    model = costs("smoke")
    assert model.rule(name) == rule
    assert (model.of(name, job(network="gap")).seconds > 0) == (rule is not None)


def test_a_core_has_a_speed():
    assert 0.2 <= core_speed() <= 5
