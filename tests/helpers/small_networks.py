"""Small networks for tests, and what tests ask of networks."""

import warnings
from collections import OrderedDict

import numpy as np
import torch
from receptive_fields import receptive_field
from torch import nn

from dissection.networks.load import Network, find_layer


def random_image(seed, height, width):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def same_weights(model, other):
    pairs = zip(model.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def small_model():
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 4, 3, stride=2),
            norm1=nn.BatchNorm2d(4),
            relu1=nn.ReLU(inplace=True),
            block=nn.Sequential(nn.Conv2d(4, 5, 3, padding=1), nn.ReLU(inplace=True)),
        )
    )


def as_network(model, aliases=()):
    """A model as what `load_network` returns, with a preprocessing of no use."""
    return Network(model, (8, 8), np.asarray, dict(aliases))


class Shared(nn.Module):
    """Blocks of one type, one module used twice, a list of tensors, in-place operations."""

    class Block(nn.Module):
        def __init__(self, units):
            super().__init__()
            self.conv = nn.Conv2d(units, units, 3, padding=1)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x):
            return self.relu(self.relu(self.conv(x)) - x)

    class Join(nn.Module):
        def forward(self, maps: list[torch.Tensor]):
            return torch.cat(maps, 1)

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2)
        self.blocks = nn.ModuleList([self.Block(4), self.Block(4)])
        self.join = self.Join()
        self.end = nn.Sequential(self.Block(8), nn.MaxPool2d(2))

    def inner(self, x):
        maps = [x]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return self.end(self.join(maps[1:]))

    def forward(self, x):
        return self.inner(self.stem(x))


def record(network, layers, images):
    """Run a network; return its output and a copy of each layer's."""
    found = {}
    handles = [
        find_layer(network, name)
        .modules[0]
        .register_forward_hook(
            lambda module, inputs, output, name=name: found.update({name: output.clone()})
        )
        for name in layers
    ]
    with torch.inference_mode():
        result = network.model(images)
    for handle in handles:
        handle.remove()
    return result, found


# Of `Shared`.
LAYERS = ["stem", "blocks.0", "blocks.1", "blocks.1.conv", "end.0", "end.1", "end"]


def assert_same_layers(network, model, layers):
    """Assert that a saved `Shared` gives in its layers what the model that was saved gives."""
    images = torch.randn(3, 3, 20, 20)
    expected, maps = record(as_network(model), layers, images)
    for _ in range(3):  # a scripted network is optimised after its first runs
        result, found = record(network, layers, images)
        assert torch.equal(result, expected)
        assert found.keys() == maps.keys()
        for layer in layers:
            assert torch.equal(found[layer], maps[layer]), layer
    for layer in layers:
        assert receptive_field(
            network.model, find_layer(network, layer), network.input_size
        ) == receptive_field(model, find_layer(as_network(model), layer), (20, 20))


class WithConstants(nn.Module):
    """A network that makes tensors while it runs."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.rectified = nn.ReLU()

    def forward(self, images):
        x = self.convolution(images)
        ramp = torch.arange(x.shape[-1], dtype=x.dtype, device=x.device)
        return self.rectified(x + ramp * torch.tensor([2.0], device=x.device))


def save_with_constants(file, kind):
    """Write a network that makes tensors, of layer "rectified", for inputs of 20 x 20 pixels.

    ``kind`` is the source that reads it, "exported" or "torchscript".
    """
    torch.manual_seed(0)
    model, images = WithConstants().eval(), torch.zeros(2, 3, 20, 20)
    if kind == "exported":
        free = ({0: torch.export.Dim("images")},)
        torch.export.save(torch.export.export(model, (images,), dynamic_shapes=free), file)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated, but there are such files
            torch.jit.save(torch.jit.trace(model, images), file)
    return file
