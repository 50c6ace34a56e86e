"""Permutation p-values, against loops over definitions and the labels themselves."""

from itertools import pairwise

import numpy as np
import pytest
from broden_folder import random_broden
from hypothesis import given, settings
from hypothesis import strategies as st
from tally_oracle import masks_of, random_geometry, upsampled

from dissection.categories import CATEGORIES
from dissection.datasets.broden import Broden
from dissection.labels.pack import pack_labels
from dissection.labels.store import LabelStore
from dissection.scoring.counting import tally_overlaps
from dissection.scoring.permutations import p_values, permuted_images
from dissection.scoring.tally import Tally


@pytest.fixture(scope="module")
def data_sets(tmp_path_factory):
    """A few data sets, with label maps of several sizes, and their packed labels."""
    made = []
    for seed in range(3):
        folder = tmp_path_factory.mktemp("broden")
        broden = Broden(random_broden(folder / "data", np.random.default_rng(seed)))
        pack_labels(broden, folder / "labels")
        made.append((broden, LabelStore(folder / "labels")))
    assert any(len({tuple(size) for size in broden.sizes}) > 1 for broden, _ in made)
    return made


def greatest_iou(maps, threshold, broden, geometry, label_of):
    """Of one unit over all concepts, where image i has the labels of image label_of[i]."""
    together, union = {}, {}
    for i, activation_map in enumerate(maps):
        L = masks_of(broden, label_of[i])
        M = upsampled(activation_map, geometry, *L.shape[1:]) > threshold
        present = {broden.primary[c] for c in range(1, len(L)) if L[c].any()}
        for c in range(1, len(L)):
            if broden.primary[c] in present:
                together[c] = together.get(c, 0) + int((M & L[c]).sum())
                union[c] = union.get(c, 0) + int((M | L[c]).sum())
    return max((together[c] / union[c] for c in union if union[c]), default=0)


@given(seed=st.integers(0, 2**32), permutations=st.integers(0, 4))
@settings(max_examples=12, deadline=None)
def test_equal_to_the_definition_in_any_shards(data_sets, seed, permutations):
    rng = np.random.default_rng(seed)
    broden, store = data_sets[rng.integers(len(data_sets))]
    geometry = random_geometry(rng)
    images = len(broden)
    a = rng.normal(size=(images, 3, geometry.height, geometry.width)).astype(np.float16)
    thresholds = np.array([0.5, 1.5, np.inf], np.float32).clip(max=60000)  # the last fires nowhere
    cuts = [0, *sorted(rng.integers(0, images + 1, 2)), images]  # a shard may be empty

    def in_shards(label_images=None):
        total = Tally.zeros(1, 3, store.n_labels)
        for begin, end in pairwise(cuts):
            some = a[begin:end], thresholds, store, geometry, int(begin)
            total += tally_overlaps(*some, label_images=label_images)
        return total

    drawn = [permuted_images(images, seed, number) for number in range(1, permutations + 1)]
    found = p_values(in_shards(), map(in_shards, drawn), store.primary)
    for unit, threshold in enumerate(thresholds):
        options = a[:, unit], threshold, broden, geometry
        observed = greatest_iou(*options, range(images))
        reached = sum(greatest_iou(*options, labels) >= observed for labels in drawn)
        assert found[unit] == (1 + reached) / (1 + permutations)
    assert found[2] == 1


@given(seed=st.integers(0, 2**32), images=st.integers(1, 50))
def test_a_permutation_depends_on_seed_and_number_alone(seed, images):
    first, again, other = (permuted_images(images, seed, number) for number in (1, 1, 2))
    assert sorted(first) == list(range(images))
    np.testing.assert_array_equal(first, again)
    assert images < 20 or (first != other).any()


def tally_of(intersection, unit_area=100, label_area=100):
    """One unit and one label, object."""
    return Tally(
        np.array([[[0, intersection]]]),
        np.full((1, 1, len(CATEGORIES)), unit_area),
        np.array([[0, label_area]]),
    )


def test_p_by_hand():
    primary = np.array([-1, 0], np.int8)
    permuted = [tally_of(n) for n in (10, 40, 50, 60)]
    assert p_values(tally_of(50), permuted, primary) == pytest.approx([3 / 5]), "ties count"
    assert p_values(tally_of(70), permuted, primary) == pytest.approx([1 / 5])
    assert p_values(tally_of(0), permuted, primary) == pytest.approx([1])
    assert p_values(tally_of(50), [], primary) == pytest.approx([1])


def test_p_of_units_that_see_nothing_is_spread_evenly():
    """Where there is no connection, P(p <= t) is at most t; here over 400 such units."""
    rng = np.random.default_rng(3)
    images, units, labels, permutations = 60, 400, 12, 19
    primary = np.concatenate([[-1], rng.integers(0, 6, labels)]).astype(np.int8)
    has = rng.random((images, labels)) < 0.3  # one pixel an image
    fires = rng.random((images, units)) < 0.2
    categories = np.stack([has[:, primary[1:] == c].any(axis=1) for c in range(6)], axis=1)

    def tally(order):
        both = (fires.T.astype(int) @ has[order].astype(int))[None]
        area = (fires.T.astype(int) @ categories[order].astype(int))[None]
        sizes = has.sum(axis=0)[None]
        with_0 = [
            np.pad(counts, [(0, 0)] * (counts.ndim - 1) + [(1, 0)]) for counts in (both, sizes)
        ]
        return Tally(with_0[0], area, with_0[1])

    permuted = (tally(permuted_images(images, 1, n)) for n in range(1, permutations + 1))
    p = p_values(tally(np.arange(images)), permuted, primary)
    for level in (0.05, 0.25, 0.5, 0.75):
        assert (p <= level).mean() < level + 4 * np.sqrt(level * (1 - level) / units) + 0.05
    fires[:, 0] = has[:, 0]
    permuted = (tally(permuted_images(images, 1, n)) for n in range(1, permutations + 1))
    assert p_values(tally(np.arange(images)), permuted, primary)[0] == 1 / 20
