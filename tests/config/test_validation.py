"""The configuration: defaults, unknown keys, and messages that a person can act on."""

import copy
import json
import re

import pytest
import yaml
from repository import ROOT

from dissection.config.validation import complete
from dissection.downloads.registry import read_registry
from dissection.errors import InputError
from dissection.networks.sources import SOURCES
from dissection.training.settings import last_iteration, own_settings

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
CONFIGS = sorted((ROOT / "config").glob("*.yaml"))
RUNS = [path for path in CONFIGS if "run" in yaml.safe_load(path.read_text())]


def read(name: str) -> dict:
    return yaml.safe_load((ROOT / "config" / name).read_text())


def registry() -> dict:
    return read_registry(ROOT / "config/downloads.yaml")


def message(config: dict) -> str:
    with pytest.raises(InputError) as caught:
        complete(config, SCHEMA, "config/some.yaml", registry)
    return str(caught.value)


def with_network(network: dict) -> dict:
    """A configuration of nothing but this network."""
    dataset = {"synthetic": {}}
    return {"run": "a", "dataset": dataset, "networks": {"mine": network}, "figures": {}}


def objects(schema: dict, path: str = ""):
    """Every schema of a group of keys, with its path."""
    if schema.get("type") == "object":
        yield path, schema
    for key, entry in schema.items():
        if isinstance(entry, dict):
            yield from objects(entry, f"{path}/{key}")


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.name)
def test_shipped_configurations_are_valid(path):
    config = yaml.safe_load(path.read_text())
    completed = complete(config, SCHEMA, str(path), registry)
    assert completed["dissection"]["quantile"] == 0.005
    assert complete(completed, SCHEMA, str(path)) == completed


def test_every_level_refuses_unknown_keys():
    for path, schema in objects(SCHEMA):
        assert "additionalProperties" in schema, path
        assert schema["additionalProperties"] is False or "properties" not in schema, path


def test_every_key_has_a_meaning():
    def keys(schema, path=""):
        for key, entry in schema.get("properties", {}).items():
            target = SCHEMA["$defs"][entry["$ref"].rpartition("/")[2]] if "$ref" in entry else {}
            yield f"{path}{key}", target | entry
            yield from keys(target | entry, f"{path}{key}.")
        if isinstance(schema.get("additionalProperties"), dict):
            yield from keys(SCHEMA["$defs"]["network"], f"{path}NAME.")

    found = dict(keys(SCHEMA))
    assert "networks.NAME.trained.training.epochs" in found
    for path, entry in found.items():
        assert entry.get("description"), path
        assert entry.keys() & {"type", "enum"}, path


def test_defaults_are_filled_at_every_level_and_input_is_left_alone():
    config = read("smoke.yaml")
    before = copy.deepcopy(config)
    completed = complete(config, SCHEMA, "x")
    assert config == before
    assert completed["networks"]["untrained"]["trained"]["dropout"] == 0.5
    assert completed["dissection"]["iou_threshold"] == 0.04


def test_unknown_key_names_its_path_the_nearest_key_and_the_file():
    config = read("smoke.yaml")
    config["dissection"]["quantil"] = 0.01
    text = message(config)
    assert "dissection.quantil: unknown key. Did you mean 'quantile'?" in text
    assert "config/some.yaml" in text
    assert len(text.splitlines()) == 2


def test_numbers_as_text():
    config = read("smoke.yaml")
    config["training"]["learning_rate"] = yaml.safe_load("1e-3")
    config["dissection"] = {"shards": "2", "quantile": "0.01"}  # as from --config
    completed = complete(config, SCHEMA, "x")
    assert completed["training"]["learning_rate"] == 0.001
    assert completed["dissection"]["shards"] == 2
    assert completed["dissection"]["quantile"] == 0.01
    config["training"]["learning_rate"] = "fast"
    assert "training.learning_rate: 'fast' should be a number" in message(config)


def test_value_outside_the_allowed_ones_lists_them():
    config = read("smoke.yaml")
    config["networks"]["alexnet"]["trained"]["task"] = "scenes"
    assert "networks.alexnet.trained.task: 'scenes' is not one of scene, object" in message(config)
    assert "Did you mean 'scene'?" in message(config)


def test_figure_of_a_network_that_does_not_exist():
    config = read("smoke.yaml")
    config["figures"]["slide08_layers"]["network"] = "alxnet"
    assert (
        "figures.slide08_layers.network: there is no network 'alxnet'. Did you mean 'alexnet'?"
        in (message(config))
    )


def test_network_to_list_that_does_not_exist():
    config = read("smoke.yaml")
    complete(config | {"network": "gap"}, SCHEMA, "x")
    assert "network: there is no network 'gapp'. Did you mean 'gap'?" in (
        message(config | {"network": "gapp"})
    )


def test_figure_of_a_layer_that_is_not_listed():
    config = read("smoke.yaml")
    config["figures"]["slide05_activation_map"]["layer"] = "conv6"
    assert "figures.slide05_activation_map.layer" in message(config)
    assert f"Layers: {', '.join(config['networks']['alexnet']['layers'])}." in message(config)


@pytest.mark.parametrize("figure", ["slide05_activation_map", "slide06_unit_detectors"])
@pytest.mark.parametrize(
    ("layer", "units", "problem"),
    [
        ("conv5", [96], None),
        (
            "conv5",
            [1, 97, 9999],
            "'conv5' of 'mine' has 96 units, numbered from 1: there is no 97, ",
        ),
        ("conv1.0", [25], "'conv1.0' of 'mine' has 24 units"),
        ("fc8", [5], None),  # as many as there are classes, which the training learns
    ],
)
def test_units_that_a_layer_lacks(figure, layer, units, problem):
    config = with_network({"layers": [layer], "trained": {}})
    config["figures"] = {figure: {"network": "mine", "layer": layer, "units": units}}
    if problem is None:
        complete(config, SCHEMA, "x", registry)
    else:
        assert f"figures.{figure}.units: layer {problem}" in message(config)


@pytest.mark.parametrize(
    ("released", "problem"),
    [
        ({"download": "caffe_reference_places205"}, None),
        ({"file": "results/a/units.csv"}, None),
        (None, "networks.mine.released: figures.slide06_agreement needs the released table"),
        ({}, "released: give exactly one of download, file"),
        ({"download": "a", "file": "b"}, "released: give exactly one of download, file"),
        (
            {"download": "cafe_reference_places205"},
            "networks.mine.released.download: there is no 'cafe_reference_places205' in "
            "config/downloads.yaml. Did you mean 'caffe_reference_places205'",
        ),
    ],
)
def test_released_tables(released, problem):
    config = with_network({"layers": ["conv5"], "trained": {}})
    if released is not None:
        config["networks"]["mine"]["released"] = released
    config["figures"] = {"slide06_agreement": {"networks": ["mine"]}}
    if problem is None:
        complete(config, SCHEMA, "x", registry)
    else:
        assert problem in message(config)


def test_two_data_sets_are_refused():
    config = read("smoke.yaml")
    config["dataset"]["folder"] = "somewhere"
    assert "dataset: give exactly one of" in message(config)


def test_missing_key_is_named():
    config = read("smoke.yaml")
    del config["networks"]
    assert "the key 'networks' is missing" in message(config)


def test_snapshot_beyond_the_end_of_the_training():
    config = read("config.yaml")
    config["networks"]["alexnet"]["trained"]["snapshots"] = [0, 1800]  # 6 epochs of 9600 // 32
    complete(config, SCHEMA, "config/some.yaml")
    config["networks"]["alexnet"]["trained"]["snapshots"] = [0, 1801, 2000]
    assert (
        "networks.alexnet.trained.snapshots: 1801 lies beyond the last iteration, 1800. "
        "There are 300 iterations in an epoch."
    ) in message(config)
    config["networks"]["alexnet"]["trained"]["training"] = {"iterations": 2000}
    complete(config, SCHEMA, "config/some.yaml")
    config["networks"]["alexnet"]["trained"]["training"] = {}
    config["training_set"] = {"folder": "photographs"}  # with who knows how many images
    complete(config, SCHEMA, "config/some.yaml")


def test_snapshots_that_a_plateau_may_forestall():
    config = read("thorough.yaml")
    config["networks"]["alexnet"]["trained"]["snapshots"] = [4800]
    complete(config, SCHEMA, "config/some.yaml")
    config["networks"]["alexnet"]["trained"]["snapshots"] = [4801]
    assert "4801 lies beyond the last iteration that is certain, 4800." in message(config)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("repeat9", "repeats: there is no network 'repeat9'. Did you mean 'repeat"),
        ("vgg", "layer: network 'vgg' does not list the layer 'conv5'."),
    ],
)
def test_repeats_of_a_rotation_have_the_layer(name, problem):
    config = read("config.yaml")
    config["figures"]["slide09_rotation"]["repeats"] = ["repeat1", name]
    assert f"figures.slide09_rotation.{problem}" in message(config)


def test_too_few_images_for_a_batch():
    config = read("smoke.yaml")
    config["training_set"] = {"images": 31}
    assert "training_set.images: 31 images are fewer than one batch of 32" in message(config)
    config["training"]["epochs"] = 0
    config["networks"]["alexnet"]["trained"]["snapshots"] = [0]
    complete(config, SCHEMA, "config/some.yaml")


def test_a_network_s_own_settings():
    shared = {"epochs": 6, "iterations": 900, "batch_size": 32}
    assert own_settings(shared, {"epochs": 2}) == {"epochs": 2, "batch_size": 32}
    assert own_settings(shared, {"batch_size": 8}) == shared | {"batch_size": 8}
    both = {"epochs": 2, "iterations": 5}
    assert own_settings(shared, both) == both | {"batch_size": 32}
    assert last_iteration(own_settings(shared, both), images=320) == 5
    assert last_iteration(own_settings(shared, {"epochs": 2}), images=330) == 20


SIZE = {"input_size": [8, 8]}


@pytest.mark.parametrize(
    "network",
    [
        {"caffe": {"download": "vgg16_imagenet"}},
        {"caffe": {"prototxt": "a", "caffemodel": "b"}},
        {"checkpoint": {"architecture": "caffenet", "file": "a"}},
        {"checkpoint": {"architecture": "vgg16", "download": "dissect-vgg16_places365.pth"}},
        {"torchvision": {"name": "resnet18"}},
        {"timm": {"name": "resnet18.a1_in1k", "revision": "ab12", "interpolation": "bicubic"}},
        {"timm": {"name": "resnet18", "file": "a"}},
        {"factory": {"function": "json:loads", **SIZE}},
        {"factory": {"function": "json:loads", "file": "a", **SIZE}},
        {"torchscript": {"file": "a", **SIZE}},
        {"exported": {"file": "a", **SIZE}},
    ],
)
def test_sources_of_weights_that_are_taken(network):
    preprocessing = {"input_size": [9, 7], "mean": [1, 2, 3], "std": [1, 2, 3]}
    complete(with_network({"layers": ["x"], **network}), SCHEMA, "x", registry)
    (key,) = network
    options = {**network[key], **preprocessing, "channels": "bgr", "value_range": 255}
    complete(with_network({"layers": ["x"], key: options}), SCHEMA, "x", registry)


ONE = "networks.mine: give exactly one of trained, torchvision, timm, caffe, checkpoint, factory, "


@pytest.mark.parametrize(
    ("network", "text"),
    [
        ({}, ONE),
        ({"trained": {}, "torchvision": {"name": "resnet18"}}, ONE),
        ({"caffe": {}}, "mine.caffe: give download or caffemodel and prototxt."),
        ({"caffe": {"prototxt": "a"}}, "mine.caffe: give download or caffemodel and prototxt."),
        ({"caffe": {"prototxt": "a", "download": "vgg16_imagenet"}}, "caffe: give download or"),
        ({"checkpoint": {"architecture": "vgg16"}}, "mine.checkpoint: give download or file."),
        (
            {"checkpoint": {"architecture": "vgg16", "download": "a", "file": "b"}},
            "mine.checkpoint: give download or file.",
        ),
        # Names of downloads, and of others' kinds.
        (
            {"caffe": {"download": "cafe_reference_imagenet"}},
            "mine.caffe.download: there is no 'cafe_reference_imagenet' for it in "
            "config/downloads.yaml. Did you mean 'caffe_reference_imagenet'? There are caffe_ref",
        ),
        (
            {"caffe": {"download": "vgg16_imagenet.caffemodel"}},
            "no 'vgg16_imagenet.caffemodel' for it in config/downloads.yaml. Did you mean 'vgg16_",
        ),
        (
            {"checkpoint": {"architecture": "resnet18",
                            "download": "places365-resnet18_places365.pth"}},
            "Did you mean 'places365-resnet18_places365.pth.tar'",
        ),
        (
            {"checkpoint": {"architecture": "resnet18", "download": "broden1_227"}},
            "mine.checkpoint.download: there is no 'broden1_227' for it",
        ),
        # Names of torchvision's.
        (
            {"torchvision": {"name": "resnet19"}},
            "mine.torchvision: torchvision has no network 'resnet19'. Did you mean 'resnet",
        ),
        (
            {"torchvision": {"name": "resnet18", "weights": "V9"}},
            "mine.torchvision: torchvision has no weights 'V9' for resnet18; it has IMAGENET1K",
        ),
        (
            {"torchvision": {"name": "fcn_resnet50"}},
            "mine.torchvision: torchvision's 'fcn_resnet50' is not one of its classifiers",
        ),
        (
            {"checkpoint": {"architecture": "resnet19", "file": "a"}},
            "mine.checkpoint: torchvision has no network 'resnet19'. Did you mean 'resnet",
        ),
        # A user's own network.
        (
            {"factory": {"function": "no_such_module.at:all", **SIZE}},
            "mine.factory: The function no_such_module.at:all cannot be found",
        ),
        ({"factory": {"function": "json:loads"}}, "mine.factory: the key 'input_size' is missing"),
        ({"torchscript": {"file": "a"}}, "mine.torchscript: the key 'input_size' is missing."),
        ({"exported": {"file": "a"}}, "mine.exported: the key 'input_size' is missing."),
        # Networks trained here see what they learned from.
        ({"trained": {"mean": [1, 2, 3]}}, "mine.trained.mean: unknown key."),
    ],
)  # fmt: skip
def test_mistakes_in_a_source_of_weights(network, text):
    assert text in message(with_network({"layers": ["x"], **network}))


def test_what_is_outside_is_looked_at_only_where_it_can_be():
    """Jobs read the configuration too, after it was checked."""
    network = {"layers": ["x"], "torchvision": {"name": "resnet19"}}
    complete(with_network(network), SCHEMA, "x")

    def unread():
        raise AssertionError("read")

    network = {"layers": ["x"], "torchvision": {"name": "resnet18"}}
    complete(with_network(network), SCHEMA, "x", unread)


@pytest.mark.parametrize(
    ("options", "layer", "nearest"),
    [
        ({}, "conv6", "conv5"),
        ({}, "conv5.2", "conv5.1"),
        ({"architecture": "resnet"}, "layer4", "layer3"),
        ({"architecture": "resnet"}, "layer3.conv3", "layer3.conv2"),
        ({"architecture": "googlenet"}, "inception_d", "inception_"),
        ({"head": "gap"}, "fc6", "fc8"),
        ({"dropout": 0}, "drop6", None),
    ],
)
def test_layers_of_trained_networks_are_known_before_anything_runs(options, layer, nearest):
    text = message(with_network({"layers": ["conv1", layer], "trained": options}))
    assert f"networks.mine.layers: this network has no layer '{layer}'." in text
    assert nearest is None or f"Did you mean '{nearest}" in text
    assert "Layers: conv1, pool1, " in text


@pytest.mark.parametrize("layer", ["conv5", "conv5.0", "conv5.2", "pool5"])
def test_layers_inside_of_blocks_are_layers(layer):
    network = {"layers": [layer], "trained": {"batch_norm": True}}
    config = with_network(network)
    config["figures"] = {"slide09_rotation": {"network": "mine", "layer": layer}}
    complete(config, SCHEMA, "x", registry)


@pytest.mark.parametrize(
    "figure", ["slide10_regularization", "slide12_initialization", "slide12_width"]
)
@pytest.mark.parametrize("key", [key for key in SOURCES if key != "trained"])
def test_figures_with_accuracies_are_of_trained_networks(figure, key):
    options = {
        "torchvision": {"name": "resnet18"},
        "timm": {"name": "resnet18"},
        "caffe": {"download": "vgg16_imagenet"},
        "checkpoint": {"architecture": "caffenet", "file": "a"},
        "factory": {"function": "json:loads", **SIZE},
    }
    other = {"layers": ["x"], key: options.get(key, {"file": "a", **SIZE})}
    config = with_network({"layers": ["conv5"], "trained": {}})
    config["networks"]["other"] = other
    config["figures"] = {
        figure: {"networks": ["mine"]},
        "slide08_networks": {"networks": ["other"]},
    }
    complete(config, SCHEMA, "x", registry)
    config["figures"][figure]["networks"].append("other")
    assert f"figures.{figure}.networks: 'other' is not trained by the workflow" in message(config)


PATHS = {
    "dataset": ["folder: {}", "masks: {{images: {}, masks: [m], labels: l}}",
                "masks: {{images: i, masks: [m, {}], labels: l}}",
                "masks: {{images: i, masks: [m], labels: {}}}"],
    "training_set": ["folder: {}"],
}  # fmt: skip


@pytest.mark.parametrize("path", ["a{1}/b", "{name}", "", "  ", "a\nb", "a\0"])
@pytest.mark.parametrize(("key", "text"), [(k, t) for k, texts in PATHS.items() for t in texts])
def test_paths_that_snakemake_cannot_take(path, key, text):
    config = read("smoke.yaml") | {key: yaml.safe_load(text.format(json.dumps(path)))}
    assert "should be a path, without braces" in message(config)


def test_layers_with_one_name_for_files():
    config = read("smoke.yaml")
    config["networks"]["own"] = {
        "layers": ["a.b", "a/b", "a-b"],
        "torchvision": {"name": "alexnet"},
    }
    assert "networks.own.layers: the files of 'a-b' would have the names of those of 'a/b'." in (
        message(config)
    )


def test_networks_with_one_title_for_figures():
    config = read("smoke.yaml")
    config["networks"]["gap"]["title"] = "AlexNet"
    assert "networks.gap.title: networks.alexnet is called the same in figures." in message(config)
    config["networks"]["gap"]["title"] = "repeat1"  # whose own title is another
    complete(config, SCHEMA, "x")
    del config["networks"]["gap"]["title"]
    config["networks"]["repeat1"]["title"] = "gap"
    assert "networks.gap.title" in message(config)


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        (
            {"synthetic": {}, "broden": 224},
            "dataset: give exactly one of synthetic, broden",
        ),
        (
            {"categories": {"organ": "#332288"}},
            "dataset: give exactly one of synthetic, broden",
        ),
        (
            {"synthetic": {}, "categories": {"organ": "#0072b2"}},
            "organ: object has the same colour",
        ),
        ({"synthetic": {}, "categories": {"a": "#111111", "b": "#111111"}}, "b: a has the same"),
        ({"synthetic": {}, "categories": {"organ": "blue"}}, "organ.*a colour such as"),
        ({"synthetic": {}, "categories": {"Organ": "#332288"}}, "up to 20 lower-case letters"),
        ({"synthetic": {}, "categories": {"total": "#332288"}}, "none of total, image"),
        ({"synthetic": {}, "categories": {"a-b": "#332288"}}, "up to 20 lower-case letters"),
        ({"masks": {"images": "i", "masks": ["m"], "labels": "l", "mask_name": "x"}}, "{image}"),
        ({"masks": {"images": "i", "masks": ["m"], "labels": "l", "mask_name": "{x}"}}, "{image}"),
        ({"masks": {"images": "i", "masks": ["m"], "labels": "l", "void": [-1]}}, "void"),
        (
            {"masks": {"images": "i", "masks": ["m"], "labels": "l", "archive": "no"}},
            "no archive 'no'",
        ),
        ({"coco": {"images": "i"}}, "annotations"),
        ({"voc": {}}, "folder"),
    ],
)
def test_data_sets_that_cannot_be(dataset, expected):
    text = message(read("smoke.yaml") | {"dataset": dataset})
    assert re.search(re.escape(expected) if "{" in expected else expected, text), text


def test_own_categories():
    config = read("smoke.yaml")
    config["dataset"]["categories"] = {"organ": "#332288", "part": "#117733"}
    completed = complete(config, SCHEMA, "x", registry)
    assert completed["dataset"]["categories"] == {"organ": "#332288", "part": "#117733"}
