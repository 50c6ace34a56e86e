"""Networks in training mode are refused; others, whatever their layers, are not."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from dissection.activations.cache import cache_activations
from dissection.activations.shards import shard_ranges
from dissection.errors import InputError
from dissection.networks.load import Network, load_network
from dissection.networks.preprocessing import Preprocessing

SIZE = (12, 10)
IMAGES = np.random.default_rng(7).integers(0, 256, (9, *SIZE, 3), dtype=np.uint8)


class Model(nn.Module):
    """Between two convolutions something that the test chooses."""

    def __init__(self, between=None, batch_norm=True):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6) if batch_norm else nn.Identity()
        self.drop = nn.Dropout(0.2)
        self.last = nn.Conv2d(6, 8, 3)
        self.between = between

    def forward(self, x):
        x = self.drop(self.norm(self.first(x)))
        return self.last(self.between(x) if self.between else x)


def model(between=None, batch_norm=True):
    torch.manual_seed(0)
    made = Model(between, batch_norm)
    with torch.no_grad():  # statistics as of a training
        made.train()(torch.randn(32, 3, *SIZE) + 1)
    return made


def cache(net, folder, layers=("first", "last"), images=range(9), batch_size=4, load=IMAGES):
    names = [f"{number}.jpg" for number in range(9)]
    cache_activations(
        net, layers, load.__getitem__, images, folder, "float32", batch_size, 1, names
    )


def plain(made):
    return Network(made.eval().requires_grad_(False), SIZE, Preprocessing(SIZE))


def from_file(kind, made, folder):
    example = (torch.randn(4, 3, *SIZE),)
    if kind == "exported":
        images = torch.export.Dim("images")
        program = torch.export.export(made, example, dynamic_shapes=({0: images},))
        torch.export.save(program, folder / "net.pt2")
    else:
        torch.jit.trace(made, example, check_trace=False).save(folder / "net.pt2")
    return load_network({kind: {"input_size": SIZE}}, [folder / "net.pt2"])


def keep_row(x):
    """Stochastic depth: whole images lose the branch."""
    return x + x.abs() * (torch.rand(len(x), 1, 1, 1) < 0.5)


def no_statistics():
    made = model()
    made.norm = nn.BatchNorm2d(6, track_running_stats=False)
    return made


REFUSED = {
    "batch norm without running statistics": (no_statistics, "'norm' (BatchNorm2d); 'first'"),
    "dropout that is always on": (lambda: model(lambda x: functional.dropout(x, 0.05)), "'last'"),
    "stochastic depth": (lambda: model(keep_row), "'last' (Conv2d); 'drop'"),
    "scaled by the batch": (lambda: model(lambda x: x / x.std()), "'last' (Conv2d); 'drop'"),
    "less the batch's mean": (lambda: model(lambda x: x - x.mean(0, keepdim=True)), "'last'"),
    "quantised by the batch": (lambda: model(lambda x: (x / x.max() * 60).round()), "'last'"),
}


@pytest.mark.filterwarnings("ignore")  # of torch, about files of networks in training mode
@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("batch_size", [1, 4])
def test_what_depends_on_the_batch_or_on_chance_is_refused(tmp_path, case, batch_size):
    make, where = REFUSED[case]
    with pytest.raises(InputError) as caught:
        cache(plain(make()), tmp_path / "out", batch_size=batch_size)
    assert "Layer 'last' gives other activations for the same image" in str(caught.value)
    assert where in str(caught.value)
    assert "training mode" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["exported", "torchscript"])
@pytest.mark.parametrize("batch_norm", [True, False])  # else by its dropout alone
def test_files_made_in_training_mode_are_refused(tmp_path, kind, batch_norm):
    net = from_file(kind, model(batch_norm=batch_norm).train(), tmp_path)
    with pytest.raises(InputError, match=r"call model\.eval\(\) before that") as caught:
        cache(net, tmp_path / "out")
    assert f"differs is '{'norm' if batch_norm else 'drop'}'" in str(caught.value)
    cache(net, tmp_path / "out", layers=["first"])  # what comes after it may do what it likes


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["plain", "exported", "torchscript"])
def test_networks_in_evaluation_mode_have_the_same_bytes_in_any_shards(tmp_path, kind):
    made = model(lambda x: functional.instance_norm(x) * x.mean((2, 3), keepdim=True)).eval()
    net = plain(made) if kind == "plain" else from_file(kind, made, tmp_path)
    cache(net, tmp_path / "whole", ["last"])
    parts = []
    for number, images in enumerate(shard_ranges(9, 3, 2)):
        cache(net, tmp_path / f"{number}", ["last"], images, batch_size=2)
        parts.append(np.load(tmp_path / f"{number}/last.npy"))
    whole = np.load(tmp_path / "whole/last.npy")
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "between",
    [
        lambda x: x * 0,
        lambda x: x * 0 + 1e4 + x * 1e-3,  # hardly varies: the rest is rounding
        lambda x: torch.log(x - x),  # not finite: refused later, with the image's name
        lambda x: x.double().exp().float(),
    ],
)
def test_odd_values_are_no_reason(tmp_path, between):
    net = plain(model(between))
    try:
        cache(net, tmp_path / "out", images=range(1))
    except InputError as error:
        assert "infinite" in str(error) or "not a number" in str(error)


def test_grey_images_and_single_ones(tmp_path):
    for grey in (0, 127):
        images = np.full_like(IMAGES, grey)
        cache(plain(model()), tmp_path / "out", load=images)
        with pytest.raises(InputError, match="training mode"):
            cache(plain(no_statistics()), tmp_path / "out", images=range(1), load=images)
