"""Cached activations, against a plain forward pass."""

import dataclasses
import json
import re
import shutil
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dissection.activations.cache import cache_activations
from dissection.activations.files import open_layer
from dissection.activations.geometry import Geometry
from dissection.activations.shards import shard_ranges
from dissection.errors import InputError
from dissection.jobs.files import layer_file_name
from dissection.networks.load import Network
from dissection.networks.preprocessing import Preprocessing

torch.set_num_threads(1)

SIZE = (12, 10)
NAMES = [f"scenes/{number}.jpg" for number in range(11)]
IMAGES = np.random.default_rng(7).integers(0, 256, (11, 14, 13, 3), dtype=np.uint8)


def load_image(number):
    return IMAGES[number]


def network(model):
    return Network(model.eval().requires_grad_(False), SIZE, Preprocessing(SIZE))


def small_network(seed=0):
    torch.manual_seed(seed)
    return network(
        nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Linear(8 * 4 * 3, 5),
        )
    )


def plain_forward(net, count):
    """Outputs of every module of a Sequential without in-place operations, an image at a time."""
    outputs = [[] for _ in net.model]
    with torch.no_grad():
        for number in range(count):
            x = net.preprocess(load_image(number))[None]
            for module, found in zip(net.model, outputs, strict=True):
                x = torch.relu(x) if isinstance(module, nn.ReLU) else module(x)
                found.append(x.numpy())
    return [np.concatenate(found) for found in outputs]


def cache(net, layers, folder, images=range(11), **options):
    settings = {"dtype": "float16", "batch_size": 4, "threads": 1, "image_names": NAMES}
    cache_activations(net, layers, load_image, images, folder, **settings | options)


def test_all_layers_come_from_the_forward_pass(tmp_path):
    net = small_network()
    layers = ["5", "0", "3", "1"]  # in any order; 0 and 4 are followed by in-place ReLU
    cache(net, layers, tmp_path / "out", dtype="float32")
    expected = plain_forward(net, 11)
    for layer in layers:
        activations, geometry = open_layer(tmp_path / "out", layer)
        assert activations.dtype == np.float32
        assert isinstance(activations, np.memmap)
        assert not activations.flags.writeable
        np.testing.assert_allclose(activations, expected[int(layer)], rtol=1e-5, atol=1e-6)
        assert activations.shape[2:] == (geometry.height, geometry.width)
        assert (geometry.input_height, geometry.input_width) == SIZE
    assert (open_layer(tmp_path / "out", "0")[0] < 0).any()  # before the ReLU that follows
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == sorted(f"{layer}.{end}" for layer in layers for end in ("npy", "json"))


def test_networks_whose_channels_come_last(tmp_path):
    net = small_network()
    cache(net, ["3", "5"], tmp_path / "first", dtype="float32")
    net.model.to(memory_format=torch.channels_last)
    cache(net, ["3", "5"], tmp_path / "last", dtype="float32")
    for layer in ("3", "5"):
        first, last = (open_layer(tmp_path / name, layer)[0] for name in ("first", "last"))
        np.testing.assert_allclose(first, last, rtol=1e-5, atol=1e-6)


def test_the_arithmetic_is_that_of_the_padded_batch(tmp_path):
    net = small_network()
    cache(net, ["3"], tmp_path / "out", dtype="float32")
    activations, _ = open_layer(tmp_path / "out", "3")
    inputs = [net.preprocess(load_image(number)) for number in (8, 9, 10, 10)]
    with torch.inference_mode():
        expected = net.model[:4](torch.stack(inputs)).numpy()
    assert np.array_equal(activations[8:], expected[:3])


def test_float16_is_rounded_float32(tmp_path):
    net = small_network()
    cache(net, ["3"], tmp_path / "half")
    cache(net, ["3"], tmp_path / "single", dtype="float32")
    half, single = (open_layer(tmp_path / name, "3")[0] for name in ("half", "single"))
    assert half.dtype == np.float16
    assert np.array_equal(half, single.astype(np.float16))


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_shards_have_the_bytes_of_the_whole(tmp_path, dtype):
    net = small_network()
    layers = ["0", "5"]
    cache(net, layers, tmp_path / "whole", dtype=dtype)
    for shards in (1, 2, 5):  # five shards of three batches: some are empty
        parts = {layer: [] for layer in layers}
        for number, images in enumerate(shard_ranges(11, shards, 4)):
            folder = tmp_path / f"{shards}-{number}"
            cache(net, layers, folder, images, dtype=dtype)
            for layer in layers:
                activations, geometry = open_layer(folder, layer)
                assert len(activations) == len(images)
                assert geometry == open_layer(tmp_path / "whole", layer)[1]
                parts[layer].append(activations)
        for layer in layers:
            whole, _ = open_layer(tmp_path / "whole", layer)
            assert np.concatenate(parts[layer]).tobytes() == whole.tobytes()
            assert parts[layer][0].dtype == whole.dtype


def test_two_runs_give_the_same_files(tmp_path):
    for name in ("one", "two"):
        cache(small_network(), ["5"], tmp_path / name, threads=2)
    for file in ("5.npy", "5.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(1, 12), st.integers(1, 50))
def test_shard_ranges_cover_the_images_in_whole_batches(images, shards, batch_size):
    ranges = shard_ranges(images, shards, batch_size)
    assert len(ranges) == shards
    assert [number for shard in ranges for number in shard] == list(range(images))
    assert all(shard.start % batch_size == 0 for shard in ranges if len(shard))
    batches = [-(-len(shard) // batch_size) for shard in ranges]
    assert max(batches) - min(batches) <= 1


def test_a_shard_within_a_batch_is_refused(tmp_path):
    with pytest.raises(ValueError, match="multiple of 4"):
        cache(small_network(), ["0"], tmp_path / "out", range(2, 6))


class Model(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3, padding=1)
        self.shared = nn.Conv2d(4, 4, 3, padding=1)
        self.unused = nn.Conv2d(4, 4, 3)
        self.late = nn.Conv2d(4, 4, 1)
        self.operation = forward

    def forward(self, x):
        return self.operation(self, x)


class Repeated(nn.Module):
    """One ReLU under two names, called three times; a block that is called in a loop."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3, padding=1)
        self.block = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU()
        self.same = self.relu

    def forward(self, x):
        x = self.relu(self.one(x) + 0.1)
        x = self.same(self.block(x) + 0.2)
        for _ in range(2):
            x = self.block(x)
        return self.relu(x + 0.3)


def outputs_of_calls(net):
    """Outputs of the calls of block and of the ReLU, for the first batch."""
    outputs = {"block": [], "relu": []}
    handles = [
        module.register_forward_hook(lambda m, i, output, name=name: outputs[name].append(output))
        for name, module in (("block", net.model.block), ("relu", net.model.relu))
    ]
    with torch.inference_mode():
        net.model(torch.stack([net.preprocess(load_image(number)) for number in range(4)]))
    for handle in handles:
        handle.remove()
    return outputs


def test_calls_of_a_module_that_is_used_several_times(tmp_path, caplog):
    torch.manual_seed(1)
    net = network(Repeated())
    expected = outputs_of_calls(net)
    sizes = {"block": (5, 7, 9), "relu": (3, 5, 9)}
    layers = {
        "relu": ("relu", 3),
        "same": ("relu", 3),
        "relu:1": ("relu", 1),
        "relu:2": ("relu", 2),
        "same:1": ("relu", 1),
        "block": ("block", 3),
        "block:1": ("block", 1),
        "block:3": ("block", 3),
    }
    with caplog.at_level("INFO", "dissection"):
        cache(net, list(layers), tmp_path / "all", dtype="float32")
    for layer, (name, number) in layers.items():
        activations, geometry = open_layer(tmp_path / "all", layer)
        assert np.array_equal(activations[:4], expected[name][number - 1])
        assert geometry.size == (sizes[name][number - 1],) * 2
        cache(net, [layer], tmp_path / "single", dtype="float32")
        assert np.array_equal(open_layer(tmp_path / "single", layer)[0], activations)
    assert "Layer 'same' is called 3 times on an image: the output of its last" in caplog.text
    assert "Write block:1 to block:3" in caplog.text
    assert "'one'" not in caplog.text
    assert "'relu:1' is called" not in caplog.text


def test_a_call_that_there_is_not(tmp_path):
    net = network(Repeated())
    with pytest.raises(InputError, match=r"'block:4': the network calls it only 3 times.*1 to 3"):
        cache(net, ["one", "block:4"], tmp_path / "out")
    for name in ("block:0", "block:", "blocks:1"):
        with pytest.raises(InputError, match=f"no layer '{name}'.*'block'"):
            cache(net, [name], tmp_path / "out")


def test_a_layer_whose_name_has_a_colon(tmp_path):
    net = replace(small_network(), layer_aliases={"conv:2": "3"})
    cache(net, ["conv:2", "conv:2:1"], tmp_path / "out")
    assert (tmp_path / "out/conv-2.npy").read_bytes() == (
        tmp_path / "out/conv-2-1.npy"
    ).read_bytes()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("8", "no layer '8'.*Its layers: 0, 1, 2, 3, 4, 5, 6, 7"),
        ("7", r"'7' cannot be dissected: its output has the shape \(1, 5\)"),
    ],
)
def test_layers_without_maps_are_refused(tmp_path, layer, message):
    with pytest.raises(InputError, match=message):
        cache(small_network(), ["0", layer], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_layer_that_is_not_used_is_refused(tmp_path):
    net = network(Model(lambda model, x: model.one(x)))
    with pytest.raises(InputError, match="'unused' is not used"):
        cache(net, ["unused"], tmp_path / "out")


def test_layers_with_the_same_file_name_are_refused(tmp_path):
    net = dataclasses.replace(small_network(), layer_aliases={"a/b": "0", "a-b": "3"})
    with pytest.raises(InputError, match="same file name"):
        cache(net, ["a/b", "a-b"], tmp_path / "out")


def test_names_with_slashes(tmp_path):
    net = dataclasses.replace(small_network(), layer_aliases={"inception_5b/output": "3"})
    cache(net, ["inception_5b/output"], tmp_path / "out")
    assert (tmp_path / "out" / "inception_5b-output.npy").is_file()
    by_name, _ = open_layer(tmp_path / "out", "inception_5b/output")
    by_file, _ = open_layer(tmp_path / "out", layer_file_name("inception_5b/output"))
    assert np.array_equal(by_name, by_file)


def spoiled_network(value):
    """Unit 3 of layer 0 becomes `value` in image 6 alone."""
    net = small_network()
    target = net.preprocess(load_image(6))

    def spoil(module, inputs, output):
        for row, image in enumerate(inputs[0]):
            if torch.equal(image, target):
                output[row, 2, 1, 1] = value

    net.model[0].register_forward_hook(spoil)
    return net


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        (float("nan"), "float16", "layer '0', unit 3: .* on scenes/6.jpg is not a number"),
        (float("nan"), "float32", "layer '0', unit 3: .* on scenes/6.jpg is not a number"),
        (float("inf"), "float32", "layer '0', unit 3: .* on scenes/6.jpg is infinite"),
        (-7e4, "float16", "unit 3: .* on scenes/6.jpg .* float16. Set precision: float32"),
    ],
)
def test_values_that_cannot_be_kept_are_refused(tmp_path, value, dtype, message):
    pattern = ".*".join(re.escape(part) for part in message.split(".*"))
    with pytest.raises(InputError, match=f"(?i){pattern}"):
        cache(spoiled_network(value), ["0", "5"], tmp_path / "out", dtype=dtype)
    assert list(tmp_path.iterdir()) == []  # nothing half written


def test_float32_keeps_what_float16_cannot(tmp_path):
    cache(spoiled_network(-7e4), ["0"], tmp_path / "out", dtype="float32")
    assert open_layer(tmp_path / "out", "0")[0][6, 2, 1, 1] == -7e4


def test_what_fills_up_the_last_batch_is_not_looked_at(tmp_path):
    # Image 10 is the last one and repeated; a message must not name an image 11.
    net = small_network()
    target = net.preprocess(load_image(10))

    def spoil(module, inputs, output):
        for row, image in enumerate(inputs[0]):
            if torch.equal(image, target):
                output[row] = float("nan")

    net.model[0].register_forward_hook(spoil)
    with pytest.raises(InputError, match=r"on scenes/10\.jpg is not a number"):
        cache(net, ["0"], tmp_path / "out")


def test_an_image_that_cannot_be_read_ends_it(tmp_path, monkeypatch):
    def load(number):
        if number == 5:
            raise InputError("images/5.jpg is damaged")
        return IMAGES[number]

    monkeypatch.setitem(globals(), "load_image", load)
    with pytest.raises(InputError, match=r"5\.jpg is damaged"):
        cache(small_network(), ["0"], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_noticed_beforehand(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    needed = 11 * 6 * 12 * 10 * 2
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, needed - 1))
    folder = tmp_path / "not" / "yet" / "there"
    with pytest.raises(InputError, match=r"Too little disk space.* 15\.8 kB"):
        cache(small_network(), ["0"], folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(0, 0, needed))
    cache(small_network(), ["0"], folder)


def test_settings_of_torch_are_as_before(tmp_path):
    before = torch.get_num_threads(), torch.backends.cudnn.allow_tf32
    cache(small_network(), ["0"], tmp_path / "out", threads=2)
    assert (torch.get_num_threads(), torch.backends.cudnn.allow_tf32) == before


def write_layer(folder, shape, dtype=np.float16):
    np.save(folder / "conv5.npy", np.zeros(shape, dtype))
    geometry = Geometry(3, 4, 12, 10, (0.0, 0.0), (4.0, 4.0), (5, 5))
    (folder / "conv5.json").write_text(json.dumps(geometry.to_json()))


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"'conv5' in .* cannot be read"):
        open_layer(tmp_path, "conv5")
    write_layer(tmp_path, (2, 5, 3, 4))
    assert open_layer(tmp_path, "conv5")[0].shape == (2, 5, 3, 4)
    for shape, dtype in (((2, 5, 4, 3), np.float16), ((2, 3, 4), np.float16), ((2, 5, 3, 4), int)):
        write_layer(tmp_path, shape, dtype)
        with pytest.raises(InputError, match="does not fit the geometry"):
            open_layer(tmp_path, "conv5")
    write_layer(tmp_path, (2, 5, 3, 4))
    content = (tmp_path / "conv5.npy").read_bytes()
    (tmp_path / "conv5.npy").write_bytes(content[:-8])
    with pytest.raises(InputError, match="cannot be read"):
        open_layer(tmp_path, "conv5")
    (tmp_path / "conv5.json").write_text("{}")
    with pytest.raises(InputError, match="cannot be read"):
        open_layer(tmp_path, "conv5")


def test_pickled_arrays_are_refused(tmp_path):
    write_layer(tmp_path, (1, 1, 3, 4))
    np.save(tmp_path / "conv5.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read"):
        open_layer(tmp_path, "conv5")
