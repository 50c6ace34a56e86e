"""Layers by name: every registered name, and calls of modules, in networks from files too."""

import numpy as np
import pytest
import torch
from small_networks import as_network
from torch import nn

from dissection.activations.cache import cache_activations
from dissection.activations.files import open_layer
from dissection.networks.layers import modules_by_name
from dissection.networks.load import find_layer, load_network

SIZE = (12, 10)
IMAGE = np.random.default_rng(7).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.conv(self.relu(x)))


class Model(nn.Module):
    """A ReLU under two names, a block in a loop; one of its calls has other code."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3, padding=1)
        self.block = Block()
        self.relu = nn.ReLU()
        self.same = self.relu

    def forward(self, x):
        x = self.relu(self.one(x)) - 0.1
        for _ in range(2):
            x = self.block(x) - 0.1
        x = self.same(x) - 0.1
        return self.relu(self.block(x[:, :, ::2]) - 0.1)


def expected():
    torch.manual_seed(2)
    model = Model().eval()
    calls = {"block.relu": [], "relu": [], "block": []}
    for name, found in calls.items():
        model.get_submodule(name).register_forward_hook(
            lambda m, i, o, found=found: found.append(o)
        )
    return model, calls


def test_every_name_is_found():
    model, _ = expected()
    network = as_network(model)
    assert modules_by_name(model)["same"] == (model.relu,)
    assert find_layer(network, "same") == find_layer(network, "relu") == ((model.relu,), None)
    assert find_layer(network, "block.relu:4") == ((model.block.relu,), 4)


@pytest.mark.filterwarnings("ignore")  # of torch, about TorchScript
@pytest.mark.parametrize("kind", ["exported", "traced", "scripted"])
def test_calls_in_networks_from_files(tmp_path, kind):
    model, calls = expected()
    plain = Model().eval()
    plain.load_state_dict(model.state_dict())
    example = (torch.randn(2, 3, *SIZE),)
    source = "exported" if kind == "exported" else "torchscript"
    if kind == "exported":
        images = torch.export.Dim("images")
        program = torch.export.export(plain, example, dynamic_shapes=({0: images},))
        torch.export.save(program, tmp_path / "net")
    elif kind == "traced":
        torch.jit.trace(plain, example).save(tmp_path / "net")
    else:
        torch.jit.script(plain).save(tmp_path / "net")
    net = load_network({source: {"input_size": SIZE}}, [tmp_path / "net"])
    layers = ["block.relu", "block.relu:1", "block.relu:4", "block.relu:6", "block:2", "block"]
    # Traced, it has one name; exported or scripted, each name has the calls that use it.
    layers += ["relu:3" if kind == "traced" else "relu:2", "relu"]
    folder = tmp_path / "out"
    cache_activations(net, layers, lambda n: IMAGE, range(1), folder, "float32", 2, 1, ["a.jpg"])
    with torch.inference_mode():
        model(net.preprocess(IMAGE)[None].repeat(2, 1, 1, 1))
    for layer in layers:
        name, _, number = layer.partition(":")
        number = 3 if name == "relu" else int(number or 0)
        activations, _ = open_layer(folder, layer)
        np.testing.assert_allclose(
            activations, calls[name][number - 1][:1].numpy(), rtol=1e-5, atol=1e-6, err_msg=layer
        )
