"""Outputs of layers in a forward pass that ends as early as it can."""

import pytest
import torch
from torch import nn

from dissection.activations.outputs import LayerOutputs
from dissection.errors import InputError
from dissection.networks.layers import Layer


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.shared, self.late = (nn.Conv2d(3, 3, 1) for _ in range(3))
        self.times = 2

    def forward(self, x):
        x = self.one(x)
        for _ in range(self.times):
            x = self.shared(x)
        return self.late(x)


@pytest.mark.parametrize("call", [None, 2])
def test_the_pass_ends_after_the_last_layer_that_is_wanted(call):
    ran = []
    model = Model().eval()
    model.late.register_forward_hook(lambda *call: ran.append(True))
    batch = torch.rand(2, 3, 8, 8)
    layers = {"a": Layer((model.one,)), "b": Layer((model.shared,), call)}
    with LayerOutputs(layers, torch.float32) as outputs:
        first = outputs.run(model, batch)
        assert ran == [True]  # of "a" it is not known yet which call is its last
        second = outputs.run(model, batch)
        assert ran == [True]
    assert first.keys() == second.keys() == {"a", "b"}
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not model.one._forward_hooks


def test_a_layer_that_is_called_less_often_than_at_first_is_refused():
    model = Model().eval()
    layers = {"b": Layer((model.shared,))}
    with LayerOutputs(layers, torch.float32) as outputs:
        outputs.run(model, torch.rand(2, 3, 8, 8))
        model.times = 1
        with pytest.raises(InputError, match="'b' is called 1 times on some images and 2 times"):
            outputs.run(model, torch.rand(2, 3, 8, 8))
