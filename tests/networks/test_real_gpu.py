"""On a machine with a GPU (`make test-gpu`): what it computes is what the CPU computes.

Where there is none, `test_gpu` looks with a pretended one that no tensor stays on the CPU.
"""

import re

import caffe_definitions
import numpy as np
import pandas as pd
import pytest
import torch
import trainings
from small_networks import save_with_constants
from workflow_runs import clone, snakemake

from dissection.activations.cache import cache_activations
from dissection.activations.files import open_layer
from dissection.jobs.devices import best_device
from dissection.networks.load import load_network
from dissection.rotation.accuracy import rotated_accuracy
from dissection.rotation.matrices import random_rotation, rotate
from dissection.training.architectures import ARCHITECTURES, PUBLISHED, build
from dissection.training.tasks import TASKS

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("torch_settings")]
BATCH, CLASSES, IMAGES = 8, 3, 5


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A training set of eight batches."""
    return trainings.draw_images(tmp_path_factory.mktemp("data"), 8 * BATCH, 32, CLASSES)


@pytest.fixture
def without_gpu(monkeypatch):
    """Call it, and from then on there is no GPU."""
    return lambda: monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def full_precision(monkeypatch):
    """A GPU's convolutions may leave out digits (TF32), except in the forward passes that count."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def spec(architecture="alexnet", task="scene", **training):
    return {
        **PUBLISHED,
        **{"architecture": architecture, "task": task, "seed": 3, "snapshots": [0, 4]},
        "training": trainings.SETTINGS | {"epochs": 3, "batch_size": BATCH, **training},
    }


def trained(settings, data, folder):
    folder.mkdir()
    return trainings.run(settings, data, folder)


def test_there_is_a_gpu():
    assert best_device().type == "cuda"


@pytest.mark.parametrize(
    ("architecture", "task"),
    [("alexnet", task) for task in TASKS]
    + [(name, "scene") for name in ARCHITECTURES if name not in ("alexnet", "caffenet")],
)
def test_a_training_gives_the_same_weights_every_time(data, tmp_path, architecture, task):
    settings = spec(architecture, task)
    weights, table = trained(settings, data, tmp_path / "one")
    again, table_again = trained(settings, data, tmp_path / "two")
    assert trainings.equal(weights, again)
    pd.testing.assert_frame_equal(table, table_again)
    assert np.isfinite(table["loss"][1:]).all()
    assert {values.device.type for values in weights.values()} == {"cpu"}


def test_a_first_iteration_is_that_of_the_cpu(data, tmp_path, without_gpu, full_precision):
    """Of longer trainings the rounding grows, and dropout draws other numbers."""
    settings = spec(iterations=1) | {"dropout": 0, "snapshots": [0]}
    weights, table = trained(settings, data, tmp_path / "gpu")
    without_gpu()
    expected, expected_table = trained(settings, data, tmp_path / "cpu")
    np.testing.assert_allclose(table["loss"], expected_table["loss"], rtol=1e-3)
    for name, values in expected.items():
        # An iteration of Adam moves every weight by the learning rate, whichever way it goes.
        ways = 2.1 * settings["training"]["learning_rate"]
        torch.testing.assert_close(weights[name], values, rtol=0, atol=ways, msg=name)
        assert (weights[name] - values).abs().median() < 1e-5


def test_an_interrupted_training_goes_on(data, tmp_path):
    often = spec(checkpoint_iterations=1)
    weights, _ = trained(often, data, tmp_path / "undisturbed")
    (tmp_path / "interrupted").mkdir()
    trainings.run_interrupted(often, data, tmp_path / "interrupted", stop=4)
    with trainings.iterations() as done:
        resumed, _ = trainings.run(often, data, tmp_path / "interrupted")
    assert len(done) == 3 * 8 - 3
    assert trainings.equal(resumed, weights)


@pytest.mark.parametrize("first", ["gpu", "cpu"])
def test_a_training_goes_on_on_the_other_device(data, tmp_path, monkeypatch, first):
    often, available = spec(checkpoint_iterations=1), torch.cuda.is_available
    monkeypatch.setattr(torch.cuda, "is_available", lambda: first == "gpu")
    trainings.run_interrupted(often, data, tmp_path, stop=4)
    monkeypatch.setattr(torch.cuda, "is_available", available if first == "cpu" else lambda: False)
    with trainings.iterations() as done:
        trainings.run(often, data, tmp_path)
    assert len(done) == 3 * 8 - 3


def test_mixed_precision_learns(data, tmp_path):
    settings = spec(epochs=12, mixed_precision=True) | {"dropout": 0}
    weights, table = trained(settings, data, tmp_path / "run")
    assert {values.dtype for values in weights.values()} <= {torch.float32, torch.int64}
    assert table["loss"].min() < 0.1
    assert table["accuracy"].iloc[-1] > 0.9


def image(number):
    return np.random.default_rng(number).integers(0, 256, (240, 260, 3), dtype=np.uint8)


def cached(network, layer, folder):
    names = [f"{number}.jpg" for number in range(IMAGES)]
    cache_activations(network, [layer], image, range(IMAGES), folder, "float32", 2, 1, names)
    return open_layer(folder, layer)


def assert_same_activations(load, layer, folder, without_gpu):
    maps, geometry = cached(load(), layer, folder / "gpu")
    again, _ = cached(load(), layer, folder / "again")
    np.testing.assert_array_equal(again, maps)
    without_gpu()
    expected, expected_geometry = cached(load(), layer, folder / "cpu")
    assert geometry == expected_geometry
    np.testing.assert_allclose(maps, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("architecture", "layer"),
    [
        ("caffenet", "conv5"),
        ("vgg16", "features.29"),
        ("resnet50", "layer4"),
        ("densenet121", "features.denseblock3"),
        ("convnext_tiny", "features.5"),
        ("vit_b_16", "encoder.layers.encoder_layer_5"),
    ],
)
def test_activations_are_those_of_the_cpu(tmp_path, without_gpu, architecture, layer):
    network = {"checkpoint": {"architecture": architecture, "classes": 365}}
    assert_same_activations(lambda: load_network(network), layer, tmp_path, without_gpu)


@pytest.mark.parametrize(
    ("definition", "layer"),
    [
        (caffe_definitions.caffenet, "conv5"),
        (caffe_definitions.googlenet, "inception_3a/output"),
        (lambda size: caffe_definitions.resnet152(size, blocks=(1, 1, 1, 1)), "caffe.Eltwise_50"),
    ],
)
def test_activations_of_caffe_networks(tmp_path, without_gpu, definition, layer):
    files = caffe_definitions.write_network(tmp_path, definition(size=64))
    network = {"caffe": {}, "layers": [layer]}
    assert_same_activations(lambda: load_network(network, files), layer, tmp_path, without_gpu)


@pytest.mark.parametrize("kind", ["exported", "torchscript"])
def test_activations_of_a_network_in_a_file(tmp_path, without_gpu, kind):
    file = save_with_constants(tmp_path / "network", kind)
    network = {kind: {"input_size": [20, 20]}, "layers": ["rectified"]}
    assert_same_activations(
        lambda: load_network(network, [file]), "rectified", tmp_path, without_gpu
    )


def test_accuracy_in_a_rotated_basis(full_precision):
    torch.manual_seed(0)
    model = build(PUBLISHED | {"architecture": "alexnet"}, CLASSES).eval()
    inputs, targets = torch.randn(200, 3, 64, 64), torch.arange(200) % CLASSES
    layer = "conv5"
    rotations = [random_rotation(model.until(layer, inputs).shape[1], seed) for seed in (1, 2)]
    expected = rotated_accuracy(model, layer, [(inputs, targets)], rotations)
    found = rotated_accuracy(model.to(best_device()), layer, [(inputs, targets)], rotations)
    np.testing.assert_allclose(found, expected, atol=0.011)  # two answers may be a tie


def test_rotated_activations():
    activations = np.random.default_rng(0).normal(size=(21, 256, 13, 13)).astype(np.float16)
    R = random_rotation(256, 1)
    expected = rotate(activations, R)
    found = rotate(activations, R, device=best_device())
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    some = rotate(activations[5:9], R, device=best_device())
    np.testing.assert_array_equal(some, found[5:9])


def devices(folder):
    """Where the run's forward passes were computed, by their logs."""
    logs = (folder / "results/smoke/logs/cache_activations").rglob("*.log")
    return {re.search(r"; on: (.+)$", log.read_text(), re.MULTILINE)[1] for log in logs}


@pytest.mark.workflow
def test_a_run_gives_the_tables_of_the_cpu(tmp_path, monkeypatch):
    """The smoke run, trained on the CPU; then everything from the activations on with the GPU."""
    folder = clone(tmp_path / "netdissect")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    result = snakemake(folder, cores=8)
    assert result.returncode == 0, result.stdout
    assert devices(folder) == {"CPU"}
    tables = sorted((folder / "results/smoke/dissection").rglob("units.csv"))
    expected = [pd.read_csv(table, index_col="unit") for table in tables]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    result = snakemake(
        folder, "--resources", "gpu=1", "--forcerun", "cache_activations", "rotate_basis", cores=8
    )
    assert result.returncode == 0, result.stdout
    assert devices(folder) == {torch.cuda.get_device_name()}
    for table, rows in zip(tables, expected, strict=True):
        found = pd.read_csv(table, index_col="unit").loc[rows.index]
        np.testing.assert_allclose(found["score"], rows["score"], rtol=0, atol=1e-3)
