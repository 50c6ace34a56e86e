"""The list of a network's layers: names that can be dissected, and why others cannot."""

import pytest
import torch
from torch import nn

from dissection.activations.layer_list import COLUMNS, layer_table, list_layers
from dissection.activations.receptive_field import trace_layers
from dissection.errors import InputError
from dissection.networks.load import Network, find_layer


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.unused = nn.Conv2d(3, 3, 1)
        self.late = nn.Conv2d(8, 4, 3, padding=1)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.MaxPool2d(2))
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(4, 10)
        self.parts = Parts()

    def forward(self, x):
        x = self.relu(self.stem(x))
        x = self.relu(self.late(x))
        self.parts(x)
        flipped = x.sort(dim=2).values
        return self.head(self.relu(flipped).mean((2, 3)))


class Parts(nn.Module):
    def forward(self, x):
        return [x, x]


@pytest.fixture(scope="module")
def network():
    model = Net().eval().requires_grad_(False)
    return Network(model, (32, 48), lambda image: image, {"first": "stem.0"}, {"parts"})


def test_every_name_is_listed_as_it_can_be_written(network):
    rows = {row[0]: row[1:] for row in list_layers(network)}
    assert set(rows) == {
        *("first", "stem", "stem.0", "stem.1", "relu", "late", "head", "unused", "parts")
    }
    assert rows["first"] == rows["stem.0"] == ("8 x 16 x 24", "8", "5 x 5", "2 x 2", "")
    assert rows["stem"][:4] == ("8 x 8 x 12", "8", "7 x 7", "4 x 4")
    assert rows["head"][0] == "10"
    for name, reason in {
        "head": "no: its output has the shape (1, 10)",
        "unused": "no: is not used when the network runs",
        "relu": "no: the receptive fields of its units cannot be found",
        "parts": "no: the network's file does not tell its calls",
    }.items():
        assert rows[name][-1].startswith(reason), rows[name]
        assert rows[name][1:4] == ("", "", "")


def test_layers_come_in_the_order_of_their_calls(network):
    names = [row[0] for row in list_layers(network)]
    order = ["stem.0", "stem.1", "stem", "relu", "late", "head"]
    assert [name for name in names if name in order] == order
    assert names[-2:] == ["unused", "parts"]


def test_the_list_says_what_dissection_says(network):
    """Whatever is listed with a field can be dissected with it, and nothing else can."""
    for name, _, units, size, stride, _ in list_layers(network):
        if name == "parts":
            continue
        layers = {name: find_layer(network, name)}
        if units:
            geometry = trace_layers(network.model, layers, network.input_size)[name].geometry
            assert size == f"{geometry.size[0]} x {geometry.size[1]}"
            assert stride == f"{geometry.stride[0]:g} x {geometry.stride[1]:g}"
        else:
            with pytest.raises(InputError):
                trace_layers(network.model, layers, network.input_size)


def test_a_module_that_is_called_several_times():
    relu = nn.ReLU()
    model = nn.Sequential(nn.Conv2d(3, 4, 1), relu, nn.Conv2d(4, 4, 1), relu)
    rows = {row[0]: row for row in list_layers(Network(model.eval(), (8, 8), torch.as_tensor))}
    assert rows["1"][-1] == "call 2 of 2; others: 1:1 ..."


def test_table():
    rows = [("a", "4 x 2 x 2", "4", "3 x 3", "1 x 1", ""), ("long name", "", "", "", "", "no: x")]
    lines = layer_table(rows).splitlines()
    assert [line.split("  ")[0].strip() for line in lines] == ["layer", "a", "long name"]
    assert lines[2].endswith("no: x")
    assert lines[0].index(COLUMNS[2]) == lines[1].index("4  ", 12)
    assert layer_table([]).split() == " ".join(COLUMNS).split()
