"""Networks of torch.jit.save: their layers, on every device."""

import warnings

import pytest
import torch
from small_networks import LAYERS, Shared, as_network, assert_same_layers, small_model
from torch import nn

from dissection.errors import InputError
from dissection.networks import torchscript
from dissection.networks.layers import every_call
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


class Encoder(nn.Module):
    """Its helper calls a module of a name that its parent has too."""

    def __init__(self, inner=None):
        super().__init__()
        self.conv1 = nn.Conv2d(4, 4, 1)
        self.conv2 = nn.Conv2d(4, 4, 1)
        self.inner = inner or nn.Identity()

    @torch.jit.export
    def features(self, x):
        return self.more(self.conv1(x))

    @torch.jit.export
    def more(self, x):
        return self.inner(self.conv2(x) - 0.1)

    @torch.jit.export
    def forward1(self, x):
        return self.conv2(self.more(x))

    def forward(self, x):
        return self.features(x)


class Helped(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 1)
        self.conv2 = nn.Conv2d(4, 4, 1)
        self.encoder = Encoder(Encoder())

    def forward(self, x):
        return self.whole(self.conv1(x))

    def whole(self, x):
        x = self.encoder.features(self.conv2(x)) - 0.1
        x = self.encoder.forward1(self.encoder(x)) - 0.1
        return self.encoder.inner.features(self.encoder.forward1(x))


HELPED = [
    f"{parent}{name}"
    for parent in ("", "encoder.", "encoder.inner.")
    for name in ("conv1", "conv2")
]


def recorder(outputs):
    return lambda name, number, output: outputs.update({(name, number): output.clone()})


@pytest.mark.parametrize("save", [scripted, traced])
def test_modules_called_in_other_methods_have_their_own_names(tmp_path, save):
    torch.manual_seed(0)
    model = Helped().eval()
    save(model, tmp_path / "network.pt")
    network = load_network(SPEC, [tmp_path / "network.pt"])
    images = torch.randn(3, 3, 20, 20)
    found = []
    for net in (network, as_network(model)):
        layers = {name: find_layer(net, name) for name in [*HELPED, "encoder"]}
        if save is traced:
            del layers["encoder"]  # tracing keeps no call of what has only methods of its own
        outputs = {}
        with every_call(layers, recorder(outputs)), torch.inference_mode():
            net.model(images)
        found.append(outputs)
    assert found[0].keys() == found[1].keys()
    assert len(found[0]) > len(HELPED)
    for call, output in found[1].items():
        torch.testing.assert_close(found[0][call], output)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")

    @torch.jit.interface
    class Block(nn.Module):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            pass


class Indexed(nn.Module):
    """A list of modules, one of which is chosen while it runs."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.list = nn.ModuleList([nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)])

    def forward(self, x):
        x = self.conv(x)
        for i in range(2):
            block: Block = self.list[i]
            x = block.forward(x)
        return x


class Forked(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        return torch.jit.wait(torch.jit.fork(self.conv, x))


class Hooked(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.changed = nn.ReLU()
        self.changed.register_forward_hook(hook)

    def forward(self, x):
        return self.changed(self.conv(x))


def hook(self, input: tuple[torch.Tensor], output: torch.Tensor) -> torch.Tensor:
    return output + 1


@pytest.mark.parametrize(
    ("model", "layer", "certain"),
    [
        (Indexed, "list.1", "conv."),
        (Indexed, "list.0:1", "conv."),
        (Forked, "conv", "none."),
        (Hooked, "changed", "conv."),
    ],
)
def test_layers_whose_calls_cannot_be_told_are_refused(tmp_path, model, layer, certain):
    scripted(model().eval(), tmp_path / "network.pt")
    network = load_network(SPEC, [tmp_path / "network.pt"])
    with pytest.raises(InputError, match=rf"does not tell its calls.*can be told: {certain}"):
        find_layer(network, layer)
    if certain == "conv.":
        layers = {"conv": find_layer(network, "conv")}
        outputs = {}
        with every_call(layers, recorder(outputs)):
            network.model(torch.randn(2, 3, 20, 20))
        assert list(outputs) == [("conv", 1)]
    with pytest.raises(InputError, match="no layer 'other'"):
        find_layer(network, "other")


def test_other_files_are_refused(tmp_path):
    (tmp_path / "network.pt").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(InputError, match=r"network\.pt cannot be read"):
        load_network(SPEC, [tmp_path / "network.pt"])
    with pytest.raises(InputError, match=r"other\.pt does not exist"):
        load_network(SPEC, [tmp_path / "other.pt"])
