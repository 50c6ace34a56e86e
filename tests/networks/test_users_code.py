"""Whatever is wrong in a user's function, network or file becomes one sentence."""

import sys
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from dissection.activations.cache import cache_activations
from dissection.errors import InputError
from dissection.networks.load import load_network, open_network

SIZE = (12, 10)
CODE = """
import sys
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, error=None, many=None, lazy=False, unused=False):
        super().__init__()
        self.conv = nn.LazyConv2d(4, 3) if lazy else nn.Conv2d(3, 4, 3)
        if unused:
            self.other = nn.LazyConv2d(4, 3)
        self.error, self.many = error, many

    def forward(self, x):
        if self.error and len(x) >= (self.many or 1):
            raise self.error
        return self.conv(x)


class Stubborn(Net):
    def train(self, mode=True):
        super().train(mode)


def failing(kind="AssertionError", text="", many=None):
    return Net(__builtins__[kind](*[text][: bool(text)]), many)


def asserting(units):
    assert units % 2 == 0
    return Net()


def odd():
    raise ValueError("the first line\\nthe second line")


def leaving():
    sys.exit("usage: user.py FILE")


def interrupted():
    raise KeyboardInterrupt


def importing():
    import no_such_package


def linear():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(7, 2))


def scripted():
    return torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3)))


NUMBER = 3
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "user_net.py").write_text(CODE)
    for name, text in {"bad_syntax": "def f(:\n", "bad_import": "import no_such_package\n"}.items():
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "bad_exit.py").write_text("raise SystemExit(2)\n")
    monkeypatch.chdir(tmp_path)
    yield
    for name in ("user_net", "bad_syntax", "bad_import", "bad_exit"):
        sys.modules.pop(name, None)


def factory(function, **arguments):
    place = function if ":" in function else f"user_net:{function}"
    return {"factory": {"function": place, "arguments": arguments, "input_size": SIZE}}


def dissect(network, layer, images, folder):
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    names = [f"{n}.jpg" for n in range(images)]
    cache_activations(
        network, [layer], lambda n: image, range(images), folder, "float32", images, 1, names
    )


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (factory("asserting"), r"missing 1 required positional argument: 'units'"),
        (factory("asserting", units=2, b=1), r"got an unexpected keyword argument 'b'"),
        (factory("asserting", units=3), r"makes no network \(AssertionError; user_net\.py, line"),
        (factory("odd"), r"\(ValueError: the first line; user_net\.py, line \d+\)\.$"),
        (factory("leaving"), r"SystemExit: usage: user\.py FILE"),
        (factory("importing"), r"ModuleNotFoundError: No module named 'no_such_package'; user_net"),
        (factory("NUMBER"), r"TypeError: 'int' object is not callable"),
        (factory("bad_syntax:f"), r"bad_syntax:f cannot be imported \(SyntaxError: .*line 1\)"),
        (factory("bad_import:f"), r"imported \(ModuleNotFoundError.*bad_import\.py, line 1"),
        (factory("bad_exit:f"), r"cannot be imported \(SystemExit: 2; bad_exit\.py, line 1\)"),
        (factory("scripted"), r"returned a network of TorchScript.*`torchscript`"),
        (factory("Net", lazy=True, unused=True), r"are not known: other\.weight, other\.bias"),
        (factory("Net", lazy=True, error=5), r"has lazy layers and does not run.*TypeError"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")  # of torch, about lazy layers and TorchScript
def test_functions(network, message):
    with pytest.raises(InputError, match=message) as error:
        open_network(network, [], "mine")
    text = str(error.value)
    assert text.startswith("Network 'mine': ")
    assert network["factory"]["function"] in text
    assert "\n" not in text and "input_size" not in text


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("network", "message"),
    [
        (factory("failing"), r"on 4 images of 12 x 10 .*\(AssertionError; user_net\.py, line 17\)"),
        (factory("failing", kind="KeyError", text="a"), r"\(KeyError: 'a'; user_net\.py"),
        (factory("failing", kind="ImportError", text="no x"), r"\(ImportError: no x; user"),
        (factory("failing", kind="SystemExit", text="no"), r"\(SystemExit: no; user"),
        (factory("failing", kind="MemoryError"), r"MemoryError.*lower dissection\.batch_size"),
        (factory("failing", kind="RuntimeError", text="CUDA out of memory. Tried"), "batch_size"),
        (factory("failing", kind="ValueError", text="few", many=5),
         r"on 6 images.*few.*runs on one image: set dissection\.batch_size"),
        (factory("linear"), r"mat1 and mat2 shapes.*three channels and of its input_size"),
    ],
)  # fmt: skip
def test_forward_passes(tmp_path, network, message):
    layer = "0" if "linear" in network["factory"]["function"] else "conv"
    opened = open_network(network, [], "mine")
    with pytest.raises(InputError, match=message) as error:
        dissect(opened, layer, 6, tmp_path / "out")
    assert "The network 'mine' does not run on" in str(error.value)
    assert ("Check that it is made" in str(error.value)) == (layer == "0")


def test_interrupts_pass():
    with pytest.raises(KeyboardInterrupt):
        open_network(factory("interrupted"), [], "mine")
    network = open_network(factory("failing", kind="KeyboardInterrupt"), [], "mine")
    with pytest.raises(KeyboardInterrupt):
        network.model(torch.zeros(1, 3, *SIZE))


def test_an_image_that_is_too_small(tmp_path):
    options = {"architecture": "alexnet", "classes": 3, "input_size": [20, 24]}
    network = load_network({"checkpoint": options})
    with pytest.raises(InputError, match=r"20 x 24 pixels .* input_size"):
        network.model(torch.zeros(1, 3, 20, 24))


@pytest.mark.filterwarnings("ignore")
def test_lazy_layers_get_their_sizes_and_then_their_weights(tmp_path):
    made = load_network(factory("Net", lazy=True)).model
    assert made.conv.weight.shape == (4, 3, 3, 3)
    state = {"model.conv.weight": torch.ones(4, 3, 3, 3), "model.conv.bias": torch.ones(4)}
    torch.save(state, tmp_path / "w.pt")
    again = load_network(factory("Net", lazy=True), [tmp_path / "w.pt"]).model
    assert (again.conv.weight == 1).all()
    again = load_network(factory("Net", lazy=True)).model
    assert torch.equal(made.conv.weight, again.conv.weight)


def test_a_method_train_that_returns_nothing():
    assert not load_network(factory("Stubborn")).model.training


@pytest.mark.parametrize(
    ("shape", "images", "message"),
    [
        ({"max": 4}, 6, r"on 6 images .*<= 4, but got 6.*set dissection\.batch_size"),
        ({"min": 4}, 2, r"\(s\d+, 3, 12, 10\) and at least 4 of them; it must .*any number"),
    ],
)
def test_exports_for_some_numbers_of_images(tmp_path, shape, images, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        images_dim = torch.export.Dim("images", **shape)
        made = nn.Sequential(nn.Conv2d(3, 4, 3)).eval()
        given = (torch.zeros(4, 3, *SIZE),)
        program = torch.export.export(made, given, dynamic_shapes=({0: images_dim},))
        torch.export.save(program, tmp_path / "net.pt2")
    with pytest.raises(InputError, match=message):
        opened = open_network({"exported": {"input_size": SIZE}}, [tmp_path / "net.pt2"], "mine")
        dissect(opened, "0", images, tmp_path / "out")


def saved(kind, path):
    made = nn.Sequential(nn.Conv2d(3, 4, 3)).eval()
    example = (torch.zeros(2, 3, *SIZE),)
    if kind == "weights":
        torch.save(made.state_dict(), path)
    elif kind == "old weights":
        torch.save(made.state_dict(), path, _use_new_zipfile_serialization=False)
    elif kind == "torchscript":
        torch.jit.trace(made, example).save(path)
    elif kind == "exported":
        torch.export.save(torch.export.export(made, example), path)
    else:
        path.write_bytes(kind)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("kind", "source", "message"),
    [
        ("weights", "torchscript", "weights. Give it to `factory`, `checkpoint` or `timm`"),
        ("old weights", "torchscript", "weights. Give it to `factory`, `checkpoint` or `timm`"),
        ("weights", "exported", "weights. Give it to `factory`, `checkpoint` or `timm`"),
        ("torchscript", "factory", r"torch\.jit\.save, .* Give it to `torchscript`"),
        ("torchscript", "exported", r"torch\.jit\.save, .* Give it to `torchscript`"),
        ("exported", "factory", r"torch\.export\.save, .* Give it to `exported`"),
        ("exported", "torchscript", r"torch\.export\.save, .* Give it to `exported`"),
        *(
            (content, source, message)
            for source in ("factory", "torchscript", "exported")
            for content, message in (
                (b"", "is empty"),
                (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
                (b"<!DOCTYPE html>", "page of the web"),
                (b"\x02\0\0\0\0\0\0\0{}", "no state dict|safetensors"),
                (b"\x89HDF\r\n", "HDF5"),
            )
        ),
    ],
)
def test_files_of_another_kind(tmp_path, kind, source, message):
    saved(kind, tmp_path / "file")
    network = factory("Net") if source == "factory" else {source: {"input_size": SIZE}}
    with pytest.raises(InputError, match=message) as error:
        open_network(network, [tmp_path / "file"], "mine")
    assert str(error.value).startswith("Network 'mine': ")
    assert str(tmp_path / "file") in str(error.value)
