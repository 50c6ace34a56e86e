"""The overlap counts against the paper's definition, written plainly with NumPy."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from broden_folder import Sample, random_broden, write_broden
from hypothesis import given, settings
from hypothesis import strategies as st

from dissection.broden import CATEGORIES, Broden
from dissection.errors import InputError
from dissection.labels import LabelStore, pack_labels
from dissection.receptive_field import Geometry, map_coordinates
from dissection.tally import Tally, tally_overlaps


def upsampled(activation_map, geometry, sh, sw):
    """S_k, pixel by pixel: rows first, then columns."""
    rows, columns = map_coordinates(geometry, sh, sw)
    a = activation_map.astype(np.float64)
    S = np.empty((sh, sw))
    for y, u in enumerate(rows):
        r, w = int(np.floor(u)), u - np.floor(u)
        line = a[r] + w * (a[min(r + 1, len(a) - 1)] - a[r])
        for x, v in enumerate(columns):
            c, w = int(np.floor(v)), v - np.floor(v)
            S[y, x] = line[c] + w * (line[min(c + 1, len(line) - 1)] - line[c])
    return S


def masks_of(broden, i):
    """L_c of every label c: bool (L + 1, height, width)."""
    height, width = broden.sizes[i]
    masks = np.zeros((len(broden.names), height, width), bool)
    maps, whole = broden.load_labels(i)
    for channels in maps.values():
        for label_map in channels:
            for label in range(1, len(masks)):
                masks[label] |= label_map == label
    for numbers in whole.values():
        masks[numbers] = True
    return masks


def tally_by_definition(
    activations, thresholds, broden, geometry, first_image, blocks=1, label_images=None
):
    units, labels = activations.shape[1], len(broden.names)
    intersection = np.zeros((blocks, units, labels), np.int64)
    unit_area = np.zeros((blocks, units, len(CATEGORIES)), np.int64)
    label_area = np.zeros((blocks, labels), np.int64)
    for n, maps in enumerate(activations):
        i = first_image + n
        L = masks_of(broden, i if label_images is None else label_images[i])
        label_area[i % blocks] += L.sum(axis=(1, 2))
        present = [(L.any(axis=(1, 2)) & (broden.primary == c)).any() for c in range(6)]
        for k in range(units):
            M = upsampled(maps[k], geometry, *L.shape[1:]) > thresholds[k]
            intersection[i % blocks, k] += (M & L).sum(axis=(1, 2))
            unit_area[i % blocks, k] += M.sum() * np.array(present)
    return Tally(intersection, unit_area, label_area)


def assert_equal(tally, expected):
    for name in ("intersection", "unit_area", "label_area"):
        got, want = getattr(tally, name), getattr(expected, name)
        assert got.dtype == want.dtype == np.int64
        np.testing.assert_array_equal(got, want, err_msg=name)


def random_geometry(rng):
    height, width = (int(n) for n in rng.integers(1, 6, 2))
    return Geometry(
        height,
        width,
        input_height=int(rng.integers(1, 30)),
        input_width=int(rng.integers(1, 30)),
        centre=tuple(rng.uniform(-3, 6, 2)),
        stride=tuple(rng.choice([1.0, 2.0, 4.5, 8.0], 2)),
        size=(5, 5),
    )


def random_activations(rng, images, units, geometry, dtype):
    """Few distinct values, so that ties are common; some units constant, some maps zero."""
    shape = (images, units, geometry.height, geometry.width)
    kind = rng.integers(5)
    if kind == 0:
        a = rng.integers(-2, 3, shape)
    elif kind == 1:
        a = np.maximum(rng.normal(size=shape), 0)
    elif kind == 2:
        a = rng.choice([-60000, -1e-7, 0, 1e-7, 0.1, 1, 60000], shape)
    elif kind == 3:
        a = rng.normal(size=shape)
    else:
        a = np.zeros(shape)
    a = a.astype(dtype)
    a[:, rng.random(units) < 0.2] = rng.choice([0, 1, -1])
    a[rng.random((images, units)) < 0.2] = 0
    values = np.concatenate([a.reshape(-1), [0]])  # thresholds are activations, or 0
    return a, rng.choice(values, units).astype(np.float32)


@pytest.fixture(scope="module")
def data_sets(tmp_path_factory):
    """A few data sets and their packed labels."""
    made = []
    for seed in range(4):
        folder = tmp_path_factory.mktemp("broden")
        broden = Broden(random_broden(folder / "data", np.random.default_rng(seed)))
        pack_labels(broden, folder / "labels")
        made.append((broden, LabelStore(folder / "labels")))
    return made


@given(seed=st.integers(0, 2**32), dtype=st.sampled_from([np.float16, np.float32]))
@settings(max_examples=150, deadline=None)
def test_equal_to_the_definition(data_sets, seed, dtype):
    rng = np.random.default_rng(seed)
    broden, store = data_sets[rng.integers(len(data_sets))]
    geometry = random_geometry(rng)
    first = int(rng.integers(len(broden)))
    images = int(rng.integers(1, len(broden) - first + 1))
    a, thresholds = random_activations(rng, images, int(rng.integers(1, 5)), geometry, dtype)
    options = {"first_image": first, "blocks": int(rng.integers(1, 4))}
    if rng.random() < 0.5:
        options["label_images"] = rng.permutation(len(broden))
    assert_equal(
        tally_overlaps(a, thresholds, store, geometry, **options),
        tally_by_definition(a, thresholds, broden, geometry, **options),
    )
