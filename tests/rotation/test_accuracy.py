"""Accuracy in a rotated basis, and linear probes, each against a plain reckoning."""

import numpy as np
import pytest
import torch
from broden_folder import Sample, write_broden
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from dissection.datasets.broden import Broden
from dissection.errors import InputError
from dissection.labels.pack import pack_labels
from dissection.labels.store import LabelStore
from dissection.rotation.accuracy import (
    linear_probe,
    pooled_features,
    rotated_accuracy,
    scene_of_images,
)
from dissection.rotation.matrices import random_rotation
from dissection.training.architectures import PUBLISHED, build

IMAGES = 150  # more than are run at a time
CLASSES = 6


@pytest.fixture(scope="module")
def inputs():
    """Noise of different contrast on different colours."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(IMAGES, 3, 64, 64, generator=generator)
    contrast = torch.rand(IMAGES, 1, 1, 1, generator=generator)
    return contrast * noise + 2 * torch.randn(IMAGES, 3, 1, 1, generator=generator)


@pytest.fixture(scope="module")
def network(inputs):
    torch.manual_seed(0)
    made = build(PUBLISHED | {"architecture": "alexnet"}, CLASSES).eval()
    with torch.no_grad():  # an untrained network would give nearly all images one answer
        made.fc8.bias -= made(inputs).mean(0)
        assert made(inputs).argmax(1).unique().tolist() == list(range(CLASSES))
    return made


@pytest.fixture(scope="module")
def targets(network, inputs):
    """Right for every third image, wrong for the others."""
    with torch.inference_mode():
        answers = network(inputs).argmax(1)
    wrong = (answers + 1) % CLASSES
    return torch.where(torch.arange(IMAGES) % 3 == 0, answers, wrong)


def units_of(network, layer):
    return network.until(layer, torch.zeros(1, 3, 64, 64)).shape[1]


@pytest.mark.parametrize("layer", ["conv1", "conv3", "conv5"])
def test_a_rotation_that_is_undone_changes_no_answer(network, inputs, targets, layer):
    n = units_of(network, layer)
    rotations = [np.eye(n), random_rotation(n, 1), random_rotation(n, 2)]
    batches = zip(inputs.split(64), targets.split(64), strict=True)
    accuracies = rotated_accuracy(network, layer, batches, rotations)
    assert accuracies == [pytest.approx(1 / 3)] * 3


def test_any_matrix_is_applied_and_its_transpose_after_it(network, inputs, targets):
    """With matrices that are no rotations, so that leaving out a step would be noticed."""
    rng = np.random.default_rng(0)
    n = units_of(network, "conv4")
    matrices = [rng.normal(size=(n, n)) for _ in range(2)]
    expected = []
    with torch.inference_mode():
        maps = network.until("conv4", inputs).double()
        for R in matrices:
            columns = maps.permute(0, 2, 3, 1)  # (n, h, w, units)
            undone = (columns @ torch.from_numpy(R.T @ R).T).permute(0, 3, 1, 2)
            answers = network.after("conv4", undone.float()).argmax(1)
            expected.append(float((answers == targets).double().mean()))
    accuracies = rotated_accuracy(network, "conv4", [(inputs, targets)], matrices)
    assert accuracies == [pytest.approx(value, abs=1.5 / IMAGES) for value in expected]
    assert all(abs(value - 1 / 3) > 3 / IMAGES for value in accuracies), "the matrices matter"


@pytest.mark.parametrize(
    ("architecture", "layer"),
    [
        ("alexnet", "conv1.0"),
        ("alexnet", "conv4.0"),
        ("vgg", "conv6.0"),
        ("googlenet", "conv1.bn"),
        ("googlenet", "inception_b.branch2.0"),
        ("resnet", "layer3.downsample.0"),
        ("resnet", "layer2.bn2"),
    ],
)
def test_a_layer_inside_of_a_block_is_rotated_in_its_place(inputs, architecture, layer):
    torch.manual_seed(1)
    network = build(PUBLISHED | {"architecture": architecture}, CLASSES).eval()
    batch = inputs[:40]
    widths = []
    handle = network.get_submodule(layer).register_forward_hook(
        lambda module, inputs, output: widths.append(output.shape[1])
    )
    with torch.inference_mode():
        answers = network(batch).argmax(1)
    handle.remove()
    (n,) = widths
    rng = np.random.default_rng(0)
    matrices = [np.eye(n), random_rotation(n, 1), rng.normal(size=(n, n))]

    def expected(R):
        """Fold R^T R into what the layer gives."""
        product = torch.from_numpy((R.T @ R).astype(np.float32))
        changed = network.get_submodule(layer).register_forward_hook(
            lambda module, inputs, output: (output.movedim(1, -1) @ product.T).movedim(-1, 1)
        )
        with torch.inference_mode():
            found = network(batch).argmax(1)
        changed.remove()
        return float((found == answers).double().mean())

    accuracies = rotated_accuracy(network, layer, [(batch, answers)], matrices)
    assert accuracies[:2] == [1, 1]
    assert accuracies[2] == pytest.approx(expected(matrices[2]), abs=1.5 / len(batch))
    assert not network.get_submodule(layer)._forward_hooks


def test_pooled_features_are_means_of_maps():
    rng = np.random.default_rng(0)
    activations = rng.random((7, 3, 4, 5)).astype(np.float16)
    features = pooled_features([activations[:2], activations[2:]])
    assert features.shape == (7, 3)
    assert features.dtype == np.float64
    for image in range(7):
        for unit in range(3):
            total = sum(float(value) for value in activations[image, unit].ravel())
            assert features[image, unit] == pytest.approx(total / 20, rel=1e-12)


def test_scene_of_images(tmp_path):
    labels = {
        1: ("sky", {"object": 1.0}),
        2: ("street-s", {"scene": 1.0}),
        3: ("park-s", {"scene": 1.0}),
        4: ("striped", {"texture": 2.0, "scene": 1.0}),
    }
    sky = {"object": np.array([[1, 0]])}
    samples = [
        Sample((1, 2), sky, {"scene": [3]}),
        Sample((1, 2), sky, {"scene": [2], "texture": [4]}),
        Sample((1, 2), sky, {"scene": [2, 3]}),  # two scenes: which one?
        Sample((1, 2), sky),
        Sample((1, 2), sky, {"scene": [0]}),
        Sample((1, 2), {}, {"object": [1]}),
        Sample((1, 2), sky, {"scene": [4]}),  # a texture, by its primary category
        Sample((1, 2), {}, {"scene": [2]}),
    ]
    pack_labels(Broden(write_broden(tmp_path / "data", labels, samples)), tmp_path / "labels")
    scenes = scene_of_images(LabelStore(tmp_path / "labels"))
    assert scenes.tolist() == [3, 2, 0, 0, 0, 0, 0, 2]
    assert scenes.dtype == np.int64


def clouds(distance, images=60, units=4, classes=3, seed=0):
    """Points around one centre a class, that far apart."""
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % classes + 1
    centres = np.eye(classes, units) * distance
    return centres[labels - 1] + rng.normal(size=(images, units)), labels


def test_separable_classes_are_told_apart():
    assert linear_probe(*clouds(50), splits=5, seed=0) == (1.0, 0.0)


def test_labels_without_meaning_are_guessed():
    features, labels = clouds(0, images=600)
    mean, spread = linear_probe(features, labels, splits=5, seed=0)
    assert abs(mean - 1 / 3) < 5 * (1 / 3 * 2 / 3 / 600) ** 0.5
    assert 0 < spread < 0.1


def test_equal_to_the_cross_validation_of_scikit_learn():
    features, labels = clouds(1.0, images=90, seed=3)
    mean, spread = linear_probe(features, labels, splits=5, seed=7)
    scores = cross_val_score(
        make_pipeline(StandardScaler(), LinearSVC(C=0.001, dual=False)),
        features,
        labels,
        cv=StratifiedKFold(5, shuffle=True, random_state=7),
    )
    assert 1 / 3 < mean < 1
    assert mean == pytest.approx(sum(scores) / 5)
    squares = sum((score - mean) ** 2 for score in scores)
    assert spread == pytest.approx((squares / 4 / 5) ** 0.5)
    assert linear_probe(features, labels, splits=5, seed=7) == (mean, spread)
    assert linear_probe(features, labels, splits=5, seed=8) != (mean, spread)


def test_scale_and_shift_of_a_unit_do_not_matter():
    features, labels = clouds(1.0, images=90, seed=3)
    stretched = features * np.array([1, 1e4, 1e-4, -3]) + np.array([0, 100, -1, 5])
    assert linear_probe(stretched, labels, 5, 0) == pytest.approx(
        linear_probe(features, labels, 5, 0)
    )


def test_unlabelled_and_rare_images_are_left_out():
    features, labels = clouds(1.0, images=60)
    rng = np.random.default_rng(9)
    more = np.concatenate([features, rng.normal(size=(14, 4)) * 100])
    extra = [0] * 10 + [9] * 4  # no label, and one label too few for five parts
    order = np.concatenate([np.arange(60), np.arange(60, 74)])
    mixed = np.concatenate([labels, extra])[order]
    assert linear_probe(more[order], mixed, 5, 0) == linear_probe(features, labels, 5, 0)
    # Five images are enough.
    assert linear_probe(more, np.concatenate([labels, [0] * 9, [9] * 5]), 5, 0) != linear_probe(
        features, labels, 5, 0
    )


@pytest.mark.parametrize("labels", [[0] * 12, [1] * 12, [1] * 9 + [2] * 3, [0] * 6 + [1] * 6])
def test_fewer_than_two_classes(labels):
    with pytest.raises(InputError, match=r"two scenes with at least 4 images.*probe_splits"):
        linear_probe(np.zeros((12, 2)), np.array(labels), 4, 0)
