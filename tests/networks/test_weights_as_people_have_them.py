"""Files of weights as trainers and publishers leave them: nests, prefixes, precision, heads."""

import argparse

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from dissection.errors import InputError
from dissection.networks.load import load_network
from dissection.networks.state_dicts import load_weights, read_state_dict

torch.set_num_threads(1)


class Model(nn.Module):
    def __init__(self, classes=5):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.layer1 = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.fc = nn.Linear(4, classes)

    def forward(self, x):
        return self.fc(self.layer1(self.conv1(x)).mean((2, 3)))


def made(seed=0, **options):
    torch.manual_seed(seed)
    return Model(**options)


def loaded(path, layers=None, input_size=(9, 8), **options):
    model = made(1, **options)
    load_weights(model, path, layers, input_size)
    return model.state_dict()


def assert_same(state, other, but=()):
    for name, tensor in other.items():
        if name not in but and not name.endswith("tracked"):
            assert torch.equal(state[name], tensor), name


def prefixed(prefix):
    return {f"{prefix}{name}": tensor for name, tensor in made().state_dict().items()}


NESTS = {
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "model": lambda state: {"model": state, "optimizer": {"state": {}, "param_groups": []}},
    "model_state": lambda state: {"model_state": state, "epoch": 1},
    "ema": lambda state: {"ema": state},
    "model of two": lambda state: {"ema": {"x": torch.zeros(1)}, "model": state},
    "two nests": lambda state: {"model": {"state_dict": state}},
    "beside numbers": lambda state: {**state, "epoch": 7, "best": 0.5, "name": "mine"},
}


@pytest.mark.parametrize("nest", NESTS)
def test_nests_are_opened_and_said(tmp_path, caplog, nest):
    caplog.set_level("INFO", "dissection")
    torch.save(NESTS[nest](made().state_dict()), tmp_path / "w.pt")
    assert_same(loaded(tmp_path / "w.pt"), made().state_dict())
    said = {"two nests": "under 'model' are taken", "model of two": "those under ema are left",
            "beside numbers": "epoch, best, name, which is no tensor, is left"}  # fmt: skip
    assert said.get(nest, f"under '{nest}' are taken") in caplog.text


@pytest.mark.parametrize(
    "prefix",
    ["module.", "model.", "backbone.", "_orig_mod.", "module.model.", "model._orig_mod.",
     "_orig_mod.module.backbone.", "net.0.", "teacher.backbone."],
)  # fmt: skip
def test_prefixes_are_left_out_and_said(tmp_path, caplog, prefix):
    caplog.set_level("INFO", "dissection")
    torch.save(prefixed(prefix), tmp_path / "w.pt")
    assert_same(loaded(tmp_path / "w.pt"), made().state_dict())
    assert "matched by their names, without" in caplog.text


def test_a_backbone_beside_a_head_of_its_own(tmp_path, caplog):
    caplog.set_level("INFO", "dissection")
    state = {k: v for k, v in prefixed("module.backbone.").items() if "fc" not in k}
    state["module.head.mlp.weight"] = torch.zeros(7, 4)
    torch.save(state, tmp_path / "w.pt")
    found = loaded(tmp_path / "w.pt", layers=["layer1"])
    assert_same(found, made().state_dict(), but=("fc.weight", "fc.bias"))
    assert "left out, because no dissected layer needs it: 'fc.bias' is missing" in caplog.text
    assert "'module.head.mlp.weight' does not occur in the network" in caplog.text
    for layers in (None, ["fc"]):
        with pytest.raises(InputError, match=r"do not fit the network: .*'fc\.bias' is missing"):
            loaded(tmp_path / "w.pt", layers=layers)


@pytest.mark.parametrize("layers", [["layer1"], ["conv1", "layer1.2"], ["layer1.0:1"]])
def test_a_head_of_another_size_is_left_out_if_earlier_layers_are_dissected(
    tmp_path, caplog, layers
):
    caplog.set_level("INFO", "dissection")
    torch.save(made().state_dict(), tmp_path / "w.pt")
    found = loaded(tmp_path / "w.pt", layers, classes=9)
    assert_same(found, made().state_dict(), but=("fc.weight", "fc.bias"))
    assert found["fc.weight"].shape == (9, 4)
    assert "'fc.weight' has the shape (5, 4), the network (9, 4)" in caplog.text


@pytest.mark.parametrize("layers", [None, ["fc"], ["layer1", "fc"], ["nowhere"]])
def test_a_head_of_another_size_is_refused_if_it_is_needed(tmp_path, layers):
    torch.save(made().state_dict(), tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"'fc\.weight' has the shape \(5, 4\)"):
        loaded(tmp_path / "w.pt", layers, classes=9)


@pytest.mark.parametrize("change", ["layer1.1.weight", "conv1.bias"])
def test_what_is_needed_is_never_left_out(tmp_path, change):
    state = made().state_dict()
    del state[change]
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(InputError, match=f"'{change}' is missing"):
        loaded(tmp_path / "w.pt", ["layer1"])
    torch.save(made().state_dict() | {"bn1.weight": torch.ones(4)}, tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"'bn1\.weight' does not occur"):
        loaded(tmp_path / "w.pt", ["layer1"])


@pytest.mark.parametrize("kind", ["torch", "safetensors"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_files_of_both_formats_and_of_half_precision(tmp_path, caplog, kind, dtype):
    caplog.set_level("INFO", "dissection")
    state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in made().state_dict().items()}
    if kind == "torch":
        torch.save(state, tmp_path / "w")
    else:
        save_file(state, tmp_path / "w")
    found = loaded(tmp_path / "w")
    assert all(v.dtype == torch.float32 for v in found.values() if v.is_floating_point())
    assert_same(found, {k: v.float() for k, v in state.items()})
    assert (str(dtype)[6:] in caplog.text) == (dtype != torch.float32)


def test_a_damaged_file_of_safetensors_is_refused(tmp_path):
    save_file(made().state_dict(), tmp_path / "w")
    (tmp_path / "w").write_bytes((tmp_path / "w").read_bytes()[:-50])
    with pytest.raises(InputError, match="not a complete file of safetensors"):
        read_state_dict(tmp_path / "w")


@pytest.mark.parametrize(
    "content",
    [made(), {"state_dict": made().state_dict(), "args": argparse.Namespace(lr=0.1)}],
    ids=["a whole network", "arguments beside"],
)
def test_objects_are_refused_with_the_way_to_convert_them(tmp_path, content):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(InputError) as error:
        read_state_dict(tmp_path / "w.pt")
    for part in ("could run any code", "weights_only=False", "found.state_dict()",
                 "found['state_dict']", "if you trust it"):  # fmt: skip
        assert part in str(error.value)


def test_sources_say_which_layers_are_needed(tmp_path):
    from torchvision import models

    torch.save(models.resnet18(num_classes=7).state_dict(), tmp_path / "w.pt")
    for network in (
        {"torchvision": {"name": "resnet18", "weights": "DEFAULT"}},
        {"checkpoint": {"architecture": "resnet18", "classes": 365}},
        {"timm": {"name": "resnet18", "pretrained": False, "arguments": {}}},
        {"factory": {"function": "torchvision.models:resnet18", "arguments": {},
                     "input_size": [64, 64]}},
    ):  # fmt: skip
        load_network(network, [tmp_path / "w.pt"], ["layer4"])
        with pytest.raises(InputError, match="'fc"):
            load_network(network, [tmp_path / "w.pt"], ["fc"])
