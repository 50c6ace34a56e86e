"""A user's own function: where it is looked for, and what counts of the model that it gives."""

import sys

import numpy as np
import pytest
import torch
from small_networks import same_weights

from dissection.errors import InputError
from dissection.networks.factory import check
from dissection.networks.load import find_layer, load_network

PACKAGE = """
import torch
from torch import nn

def build(units=4):
    return nn.Sequential(nn.Conv2d(3, units, 3), nn.ReLU())

def with_attributes(**attributes):
    model = build()
    for name, value in attributes.items():
        setattr(model, name, value)
    return model

def with_buffers():
    model = build()
    model.register_buffer("mean", torch.full((3,), 0.5))
    model.register_buffer("std", torch.ones(3))
    return model

def nothing():
    return None
"""


@pytest.fixture(autouse=True)
def package(tmp_path, monkeypatch):
    """A package in the working directory."""
    folder = tmp_path / "my_networks"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise_if_run = 1\n")
    (folder / "small.py").write_text(PACKAGE)
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    yield tmp_path
    assert sys.path == path
    for name in [name for name in sys.modules if name.startswith("my_networks")]:
        del sys.modules[name]


def spec(function, **options):
    options = {"arguments": {}, "input_size": [9, 8]} | options
    return {"factory": {"function": f"my_networks.small:{function}", **options}}


def test_a_function_that_builds_a_network(package):
    network = load_network(spec("build", arguments={"units": 6}))
    assert network.model[0].out_channels == 6
    assert network.input_size == (9, 8)
    again = load_network(spec("build", arguments={"units": 6}))
    assert same_weights(again.model, network.model)  # drawn alike every time
    with torch.no_grad():
        again.model[0].weight += 1
    torch.save(again.model.state_dict(), package / "weights.pth")
    loaded = load_network(spec("build", arguments={"units": 6}), [package / "weights.pth"])
    assert same_weights(loaded.model, again.model)


@pytest.mark.parametrize(
    "attributes",
    [
        {"mean": [0.5, 0.5, 0.5], "std": [1, 1, 1]},
        {"mean": 0.5},
        {"channels": "bgr"},
        {"channels": 64},
        {"value_range": 255.0, "input_size": (3, 3)},
        {"input_size": 7, "std": "unit"},
        {"layer_aliases": {"0": "1"}},
        {"layer_aliases": ["0"]},
    ],
)
def test_attributes_of_a_model_are_no_settings(attributes):
    plain = load_network(spec("build"))
    named = load_network(spec("with_attributes", arguments=attributes))
    image = np.arange(9 * 8 * 3, dtype=np.uint8).reshape(9, 8, 3)
    assert named.input_size == (9, 8)
    assert torch.equal(named.preprocess(image), plain.preprocess(image))
    assert find_layer(named, "0").modules == (named.model[0],)
    with pytest.raises(InputError, match="input size is not known"):
        network = spec("with_attributes", arguments=attributes)
        del network["factory"]["input_size"]
        load_network(network)


def test_buffers_of_a_model_are_no_settings():
    image = np.full((9, 8, 3), 51, np.uint8)
    asked = {"mean": [0.1, 0.1, 0.1], "std": [1, 1, 1]}
    found = load_network(spec("with_buffers", **asked)).preprocess(image)
    assert found.unique().tolist() == [pytest.approx(0.1)]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("my_networks.none:build", "no module 'my_networks.none'"),
        ("my_networks.small.inner:build", r"no module 'my_networks\.small\.inner'"),
        ("no_networks.small:build", "no module 'no_networks.small'"),
        ("my_networks.small:bild", r"small\.py is called 'bild'\. Did you mean 'build'"),
        ("json:build", "nothing in .* is called 'build'"),
    ],
)
def test_what_is_nowhere_is_refused_before_anything_runs(function, message):
    with pytest.raises(InputError, match=message):
        check({"function": function})
    assert "my_networks" not in sys.modules


@pytest.mark.parametrize(
    "function",
    [
        *("my_networks.small:build", "my_networks:raise_if_run"),
        *("json.decoder:JSONDecoder", "json:loads", "json:codecs", "json.scanner:NUMBER_RE"),
        "torch:only_a_run_can_tell",
    ],
)
def test_modules_of_the_working_directory_and_installed_ones_are_found(function):
    check({"function": function})
    assert "my_networks" not in sys.modules


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("my_networks.none:build", "No module named 'my_networks.none'"),
        ("my_networks.small:bild", "no attribute 'bild'"),
        ("my_networks.small:nothing", "returned a NoneType"),
    ],
)
def test_mistakes_with_functions_are_explained(function, message):
    network = {"factory": {"function": function, "arguments": {}, "input_size": [8, 8]}}
    with pytest.raises(InputError, match=message):
        load_network(network)
