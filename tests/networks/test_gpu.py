"""With a GPU, here a pretended one, nothing stays on the CPU and tables are the same."""

from unittest.mock import patch

import caffe_definitions
import numpy as np
import pandas as pd
import pytest
import torch
import trainings
from pretended_gpu import GPU, OnGpu, pretended_gpu
from small_networks import save_with_constants
from torch import nn

import dissection.training.train
from dissection.activations.cache import cache_activations
from dissection.activations.files import open_layer
from dissection.jobs.devices import best_device
from dissection.networks.load import load_network
from dissection.rotation.accuracy import rotated_accuracy
from dissection.rotation.matrices import random_rotation, rotate
from dissection.training.architectures import ARCHITECTURES, PUBLISHED, build
from dissection.training.tasks import TASKS

pytestmark = pytest.mark.usefixtures("torch_settings")
BATCH, CLASSES = 4, 3


@pytest.fixture
def gpu():
    with pretended_gpu():
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A training set of two batches."""
    return trainings.draw_images(tmp_path_factory.mktemp("data"), 2 * BATCH, 5, CLASSES)


def spec(architecture="alexnet", task="scene", **training):
    return {
        **PUBLISHED,
        **{"architecture": architecture, "task": task, "seed": 3, "snapshots": [0, 1]},
        "batch_norm": architecture == "alexnet",
        "training": trainings.SETTINGS | {"epochs": 2, "batch_size": BATCH, **training},
    }


def test_the_pretended_gpu_finds_what_stays_on_the_cpu(gpu):
    here, there = torch.ones(3), torch.ones(3, device=best_device())
    assert isinstance(there, OnGpu)
    assert there.device == here.to("cuda").device == GPU
    for mixed in (
        lambda: here + there,
        lambda: here.add_(there),
        lambda: torch.stack([there, here]),
    ):
        with pytest.raises(RuntimeError, match="a tensor of the CPU meets one of the GPU"):
            mixed()
    for read in (there.numpy, lambda: np.asarray(there)):
        with pytest.raises(TypeError, match="cannot read a tensor of a GPU"):
            read()
    assert (there + 1).cpu().tolist() == [2, 2, 2]
    assert here.copy_(2 * there) is here
    assert here.tolist() == [2, 2, 2]


def long(*values):
    """A network that has, but for its size, what the others of the same test have."""
    return pytest.param(*values, marks=pytest.mark.long)


@pytest.mark.parametrize(
    ("architecture", "task"),
    [("alexnet", task) for task in TASKS if task != "object"]
    + [long(name, "scene") for name in ARCHITECTURES if name not in ("alexnet", "caffenet")],
)
def test_training_gives_the_weights_that_it_gives_on_the_cpu(data, tmp_path, architecture, task):
    (tmp_path / "cpu").mkdir()
    weights, table = trainings.run(spec(architecture, task), data, tmp_path / "cpu")
    (tmp_path / "gpu").mkdir()
    kept, save = {}, torch.save

    def noted(content, file):
        kept[file.name] = content
        save(content, file)

    with pretended_gpu(), patch.object(torch, "save", noted):
        found, found_table = trainings.run(spec(architecture, task), data, tmp_path / "gpu")
    files = [content for content in kept.values() if content.keys() == weights.keys()]
    assert len(files) == 3  # two snapshots, and the weights
    assert not any(isinstance(values, OnGpu) for file in files for values in file.values())
    assert found.keys() == weights.keys()
    for name, values in weights.items():
        torch.testing.assert_close(found[name], values, msg=name)
    pd.testing.assert_frame_equal(found_table, table)


def test_an_interrupted_training_goes_on(data, tmp_path, gpu):
    often = spec(checkpoint_iterations=1)
    (tmp_path / "undisturbed").mkdir()
    weights, _ = trainings.run(often, data, tmp_path / "undisturbed")
    (tmp_path / "interrupted").mkdir()
    trainings.run_interrupted(often, data, tmp_path / "interrupted", stop=4)
    with trainings.iterations() as done:
        resumed, _ = trainings.run(often, data, tmp_path / "interrupted")
    assert len(done) == 1
    assert trainings.equal(resumed, weights)


@pytest.mark.parametrize("bfloat16", [True, False])
def test_mixed_precision(data, tmp_path, monkeypatch, bfloat16):
    types, original = set(), nn.functional.cross_entropy

    def noted(outputs, targets):
        types.add(outputs.dtype)
        return original(outputs, targets)

    monkeypatch.setattr(dissection.training.train.nn.functional, "cross_entropy", noted)
    settings = spec(epochs=8, mixed_precision=True)
    settings["dropout"] = 0
    with pretended_gpu(bfloat16):
        weights, table = trainings.run(settings, data, tmp_path)
    assert types == {torch.bfloat16 if bfloat16 else torch.float16}
    assert {values.dtype for values in weights.values()} == {torch.float32, torch.int64}
    assert table["loss"].min() < 0.1


def image(number):
    return np.random.default_rng(number).integers(0, 256, (70, 60, 3), dtype=np.uint8)


def cached(network, layers, folder):
    names = [f"{number}.jpg" for number in range(3)]
    cache_activations(network, layers, image, range(3), folder, "float32", 2, 1, names)
    return {layer: open_layer(folder, layer) for layer in layers}


def assert_same_activations(make, layers, folder):
    expected = cached(make(), layers, folder / "cpu")
    with pretended_gpu():
        network = make()
        found = cached(network, layers, folder / "gpu")
        assert {parameter.device for parameter in network.model.parameters()} == {GPU}
    for layer in layers:
        np.testing.assert_allclose(found[layer][0], expected[layer][0], rtol=1e-5, atol=1e-6)
        assert found[layer][1] == expected[layer][1]


@pytest.mark.parametrize(
    ("definition", "layers"),
    [
        (caffe_definitions.caffenet, ["conv1", "conv5"]),
        long(caffe_definitions.vgg16, ["conv5_3"]),
        (caffe_definitions.googlenet, ["inception_3a/output"]),
        (lambda size: caffe_definitions.resnet152(size, blocks=(1, 1, 1, 1)), ["caffe.Eltwise_50"]),
    ],
)
def test_activations_of_caffe_networks(tmp_path, definition, layers):
    files = caffe_definitions.write_network(tmp_path, definition(size=64))
    assert_same_activations(
        lambda: load_network({"caffe": {}, "layers": layers}, files),
        layers,
        tmp_path,
    )


def test_activations_of_an_exported_network(tmp_path, caplog):
    file = save_with_constants(tmp_path / "network.pt2", "exported")
    spec = {"exported": {"input_size": [20, 20]}, "layers": ["rectified"]}
    with caplog.at_level("INFO", "dissection"):
        assert_same_activations(lambda: load_network(spec, [file]), ["rectified"], tmp_path)
    images = [message for message in caplog.messages if message.startswith("3 images")]
    assert [message.rpartition("; on: ")[2] for message in images] == ["CPU", "pretended GPU"]


def test_accuracy_in_a_rotated_basis():
    torch.manual_seed(0)
    model = build(PUBLISHED | {"architecture": "alexnet"}, CLASSES).eval()
    inputs, targets = torch.randn(20, 3, 64, 64), torch.arange(20) % CLASSES
    layer = "conv5"
    rotations = [random_rotation(model.until(layer, inputs).shape[1], seed) for seed in (1, 2)]
    expected = rotated_accuracy(model, layer, [(inputs, targets)], rotations)
    with pretended_gpu():
        found = rotated_accuracy(model.to(best_device()), layer, [(inputs, targets)], rotations)
    assert found == expected


@pytest.mark.parametrize("images", [0, 1, 20])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_rotated_activations(gpu, images, dtype):
    generator = np.random.default_rng(images)
    activations = generator.integers(0, 9, (images, 8, 3, 5)).astype(dtype)  # with exact sums
    R = generator.integers(-2, 3, (8, 8))
    found = rotate(activations, R, dtype, best_device())
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, np.einsum("jk,nkyx->njyx", R, activations))
    np.testing.assert_array_equal(found, rotate(activations, R, dtype))


def test_rotated_too_far_for_float16_is_infinite(gpu):
    activations = np.array([60000, -60000, 1], np.float16).reshape(3, 1, 1, 1)
    rotated = rotate(activations, np.array([[1.5]]), np.float16, best_device())
    np.testing.assert_array_equal(rotated.ravel(), [np.inf, -np.inf, 1.5])
