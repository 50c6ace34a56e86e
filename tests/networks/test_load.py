"""What all sources share: layers by name, files of every kind, the line about preprocessing."""

import logging

import pytest
import torch
from small_networks import as_network, same_weights, small_model

from dissection.downloads.receipts import write_note
from dissection.errors import InputError
from dissection.networks.load import find_layer, load_network, open_network

SPEC = {"checkpoint": {"architecture": "alexnet", "classes": 3}}


def test_layers_by_dotted_name_and_by_alias():
    model = small_model()
    network = as_network(model, {"last": "block.1", "conv1": "norm1"})
    assert find_layer(network, "block.0").modules == (model.block[0],)
    assert find_layer(network, "block").modules == (model.block,)
    assert find_layer(network, "last").modules == (model.block[1],)
    assert find_layer(network, "conv1").modules == (model.norm1,)  # an alias comes first


def test_a_missing_layer_names_the_nearest_and_lists_all():
    with pytest.raises(InputError) as error:
        find_layer(as_network(small_model()), "blok.1")
    message = str(error.value)
    assert "no layer 'blok.1'" in message
    assert "Did you mean 'block.1'" in message
    assert "Its layers: conv1, norm1, relu1, block, block.0, block.1." in message


def test_exactly_one_source_is_needed():
    with pytest.raises(InputError, match="exactly one source out of trained, torchvision"):
        load_network({"layers": ["conv5"]})
    with pytest.raises(InputError, match="found torchvision, factory"):
        load_network({"torchvision": {}, "factory": {}})


def test_random_weights_are_the_same_every_time_and_disturb_no_others():
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    one, again = (load_network(SPEC).model for _ in range(2))
    assert same_weights(one, again)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not one.training
    assert not any(parameter.requires_grad for parameter in one.parameters())


def test_a_note_stands_for_its_file(tmp_path):
    model = load_network(SPEC).model.requires_grad_(False)
    model.classifier[-1].bias += 1
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    write_note(tmp_path / "checked.json", tmp_path / "weights.pth")
    network = open_network(SPEC, [tmp_path / "checked.json", "checkpoint.py"], "mine")
    assert same_weights(network.model, model)


def test_the_preprocessing_is_logged_in_a_line(caplog):
    caplog.set_level(logging.INFO)
    asked = {"input_size": [64, 96], "channels": "bgr", "value_range": 255}
    load_network({"checkpoint": SPEC["checkpoint"] | asked})
    (line,) = [text for text in caplog.messages if text.startswith("preprocessing")]
    assert line == (
        "preprocessing: 64 x 96, bilinear, bgr, 0-255, mean 103.53 116.28 123.675, "
        "std 57.375 57.12 58.395"
    )
