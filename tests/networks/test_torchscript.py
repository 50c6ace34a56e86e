"""Networks of torch.jit.save: their layers, on every device."""

import warnings

import pytest
import torch
from small_networks import LAYERS, Shared, assert_same_layers, small_model
from torch import nn

from dissection.errors import InputError
from dissection.networks import torchscript
from dissection.networks.load import find_layer, load_network

SPEC = {"torchscript": {"input_size": [20, 20]}}


def scripted(model, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(model).save(path)


def traced(model, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(model, torch.zeros(2, 3, 20, 20)).save(path)


@pytest.mark.parametrize("save", [scripted, traced])
def test_layers_of_a_saved_network_give_what_they_gave_before(tmp_path, save):
    torch.manual_seed(0)
    model = Shared().eval()
    save(model, tmp_path / "network.pt")
    network = load_network(SPEC, [tmp_path / "network.pt"])
    inner = ["blocks.0.relu", "blocks.1.relu", "end.0.relu", "join"]
    assert_same_layers(network, model, LAYERS + inner)
    with pytest.raises(InputError, match=r"no layer 'blocks.2'.*Its layers: stem, "):
        find_layer(network, "blocks.2")


def test_a_scripted_network_moves_with_its_wrapper(tmp_path):
    scripted(small_model().eval(), tmp_path / "network.pt")
    model = load_network(SPEC, [tmp_path / "network.pt"]).model.to(torch.float64)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float64}
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert model(torch.zeros(1, 3, 20, 20, dtype=torch.float64)).dtype == torch.float64


class WithoutConvolution(nn.Module):
    """All of its operations run on the device "meta", which has shapes and no values."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(3, 1, 1))
        self.pool = nn.AvgPool2d(2)

    def forward(self, images):
        x = self.pool(self.factor * images)
        ramp = torch.arange(x.shape[-1], dtype=x.dtype, device=x.device)
        return x + ramp * torch.tensor([2.0, 3.0], device=x.device).sum()


def test_a_traced_network_moves_with_what_it_makes(tmp_path, monkeypatch):
    model = WithoutConvolution().eval()
    traced(model, tmp_path / "network.pt")
    images = torch.randn(4, 3, 20, 20)
    assert torch.equal(load_network(SPEC, [tmp_path / "network.pt"]).model(images), model(images))
    monkeypatch.setattr(torchscript, "best_device", lambda: torch.device("meta"))
    moved = load_network(SPEC, [tmp_path / "network.pt"]).model
    assert {parameter.device.type for parameter in moved.parameters()} == {"meta"}
    for _ in range(3):  # it is optimised after its first runs
        assert moved(images.to("meta")).device.type == "meta"


def test_other_files_are_refused(tmp_path):
    (tmp_path / "network.pt").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(InputError, match=r"network\.pt cannot be read"):
        load_network(SPEC, [tmp_path / "network.pt"])
    with pytest.raises(InputError, match=r"other\.pt does not exist"):
        load_network(SPEC, [tmp_path / "other.pt"])
