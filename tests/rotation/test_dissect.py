"""Dissecting in a rotated basis equals dissecting activations that were rotated beforehand."""

import numpy as np
import pytest
import torch
from broden_folder import random_broden
from hypothesis import given, settings
from hypothesis import strategies as st
from tally_oracle import assert_equal, random_geometry, tally_by_definition

import dissection.rotation.dissect
from dissection.activations.geometry import Geometry
from dissection.datasets.broden import Broden
from dissection.errors import InputError
from dissection.labels.pack import pack_labels
from dissection.labels.store import LabelStore
from dissection.rotation.dissect import dissect_rotated
from dissection.rotation.matrices import Basis, RotationPath, random_rotation, rotate
from dissection.scoring.counting import tally_overlaps
from dissection.scoring.thresholds import compute_thresholds

UNITS = 4
# A rotation of four units without any rounding: a half of Hadamard's matrix, determinant 1.
HADAMARD = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
SWAPS = np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, -1], [0, 0, -1, 0.0]])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("broden")
    broden = Broden(random_broden(folder / "data", np.random.default_rng(2), n_images=8))
    pack_labels(broden, folder / "labels")
    return broden, LabelStore(folder / "labels")


def bases_of(*rotations):
    return [Basis(i, 0.25 * i, R) for i, R in enumerate(rotations, start=1)]


def thresholds_by_full_sort(activations, quantile):
    """The value of which no more than the quantile lie above: P(a > T) <= quantile."""
    values = np.sort(np.moveaxis(activations, 1, 0).reshape(activations.shape[1], -1), axis=1)
    above = int(np.floor(quantile * values.shape[1] + 1e-9))
    return values[:, values.shape[1] - 1 - above].astype(np.float32)


def shards_of(rng, activations):
    cuts = np.sort(rng.integers(0, len(activations) + 1, 2))
    return np.split(activations, cuts)


@given(
    seed=st.integers(0, 2**32),
    dtype=st.sampled_from([np.float16, np.float32]),
    quantile=st.sampled_from([0, 0.01, 0.1, 0.5]),
)
@settings(max_examples=25, deadline=None)
def test_equal_to_rotating_beforehand(data, seed, dtype, quantile):
    broden, store = data
    rng = np.random.default_rng(seed)
    geometry = random_geometry(rng)
    shape = (len(broden), UNITS, geometry.height, geometry.width)
    # Whole numbers: sums of them, and halves of sums, are exact in float16 in any order.
    activations = np.maximum(rng.integers(-9, 10, shape), 0).astype(dtype)
    path = RotationPath(random_rotation(UNITS, seed=seed))
    rotations = [HADAMARD, SWAPS, path.power(rng.choice([0.3, 1]))]
    shards, threads = shards_of(rng, activations), int(rng.integers(1, 4))
    found = dissect_rotated(shards, bases_of(*rotations), quantile, store, geometry, threads)
    assert len(found) == len(rotations)
    for i, (R, tally) in enumerate(zip(rotations, found, strict=True)):
        if i < 2:
            exact = np.einsum("jk,nkyx->njyx", R, activations.astype(np.float64))
            rotated = exact.astype(dtype)
            np.testing.assert_array_equal(rotated, exact)
        else:  # the rounding of float32 sums is that of `rotate`, which has its own tests
            rotated = rotate(activations, R, dtype)
        thresholds = thresholds_by_full_sort(rotated, quantile)
        assert_equal(tally, tally_by_definition(rotated, thresholds, broden, geometry, 0))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_no_rotation_is_plain_dissection(data, dtype):
    _, store = data
    rng = np.random.default_rng(0)
    geometry = Geometry(5, 5, 8, 8, centre=(0.5, 0.5), stride=(1.5, 1.5), size=(2, 2))
    activations = np.maximum(rng.normal(size=(len(store), 7, 5, 5)), 0).astype(dtype)
    activations[:, 3] = 0  # a dead unit stays dead
    shards = [activations[:3], activations[3:]]
    no_rotation = RotationPath(random_rotation(7, 1)).power(0)
    (tally,) = dissect_rotated(shards, bases_of(no_rotation), 0.1, store, geometry)
    thresholds = compute_thresholds(shards, 0.1)
    assert_equal(tally, tally_overlaps(activations, thresholds, store, geometry, 0))
    areas = tally.unit_area.sum(axis=(0, 2))
    assert areas[3] == 0
    assert (np.delete(areas, 3) > 0).all()


def test_products_are_computed_where_they_are_asked_for(data, monkeypatch):
    _, store = data
    asked = []

    def rotate_here(activations, R, dtype, device):
        asked.append(device)
        return rotate(activations, R, dtype)

    monkeypatch.setattr(dissection.rotation.dissect, "rotate", rotate_here)
    geometry = Geometry(2, 2, 8, 8, centre=(1.0, 1.0), stride=(4.0, 4.0), size=(2, 2))
    activations = np.ones((len(store), UNITS, 2, 2), np.float16)
    gpu = torch.device("cuda")
    dissect_rotated([activations], bases_of(SWAPS, HADAMARD), 0.1, store, geometry, 2, gpu)
    assert asked == [gpu] * 4  # thresholds and tallies of both


def test_activations_that_are_not_finite_and_wrong_shapes(data):
    _, store = data
    geometry = Geometry(2, 2, 8, 8, centre=(1.0, 1.0), stride=(4.0, 4.0), size=(2, 2))
    activations = np.ones((len(store), UNITS, 2, 2), np.float16)
    with pytest.raises(InputError, match="does not rotate 4 units"):
        dissect_rotated([activations], bases_of(np.eye(3)), 0.1, store, geometry)
    # Four times 60,000, halved, is more than a float16 holds.
    activations[5, :, 0, 1] = 60000
    with pytest.raises(InputError) as caught:
        dissect_rotated([activations], bases_of(np.eye(UNITS), HADAMARD), 0.1, store, geometry)
    words = ("seed 2", "alpha 0.5", "unit 1", "image 5", "65504", "dissection.precision: float32")
    assert [word for word in words if word not in str(caught.value)] == []
    wide = activations.astype(np.float32)
    assert len(dissect_rotated([wide], bases_of(HADAMARD), 0.1, store, geometry)) == 1
    with pytest.raises(InputError, match=r"seed 1 to alpha 0\.25, unit 1") as caught:
        dissect_rotated([wide * 5e33], bases_of(HADAMARD), 0.1, store, geometry)
    assert "precision" not in str(caught.value)
