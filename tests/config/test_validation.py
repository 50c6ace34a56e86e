"""The configuration: defaults, unknown keys, and messages that a person can act on."""

import copy

import pytest
import yaml
from repository import ROOT

from dissection.config.validation import complete
from dissection.errors import InputError
from dissection.training.settings import last_iteration, own_settings

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
CONFIGS = sorted((ROOT / "config").glob("*.yaml"))
RUNS = [path for path in CONFIGS if "run" in yaml.safe_load(path.read_text())]


def read(name: str) -> dict:
    return yaml.safe_load((ROOT / "config" / name).read_text())


def message(config: dict) -> str:
    with pytest.raises(InputError) as caught:
        complete(config, SCHEMA, "config/some.yaml")
    return str(caught.value)


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
    completed = complete(config, SCHEMA, str(path))
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


def test_figure_of_a_layer_that_is_not_listed():
    config = read("smoke.yaml")
    config["figures"]["slide05_activation_map"]["layer"] = "conv6"
    assert "figures.slide05_activation_map.layer" in message(config)
    assert f"Layers: {', '.join(config['networks']['alexnet']['layers'])}." in message(config)


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
