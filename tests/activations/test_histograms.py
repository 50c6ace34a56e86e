"""Distributions of activations against NumPy's own histogram."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissection.activations.histograms import activation_histograms
from dissection.errors import InputError

# Least and greatest value, a power of two apart: bin edges are exact, so that all agree on values
# at an edge.
RANGES = {
    "a ReLU's": (0, 16),
    "never 0": (3, 16),
    "dead": (0, 0),
    "a GELU's": (-2, 14),
    "mostly negative": (-15, 1),
    "negative": (-40, -8),
    "constant": (5, 5),
    "negative constant": (-3, -3),
}


@settings(max_examples=60, deadline=None)
@given(
    images=st.integers(2, 9),
    ranges=st.lists(st.sampled_from(list(RANGES.values())), min_size=1, max_size=4),
    bins=st.integers(1, 12),
    dtype=st.sampled_from([np.float16, np.float32]),
    seed=st.integers(0, 10**6),
)
def test_equals_numpy(images, ranges, bins, dtype, seed):
    rng = np.random.default_rng(seed)
    values = np.stack([rng.integers(a, b + 1, (images, 3, 2)) for a, b in ranges], 1).astype(dtype)
    values[0, :, 0, 0], values[-1, :, 2, 1] = zip(*ranges, strict=True)
    cut = int(rng.integers(0, images + 1))
    counts, edges = activation_histograms(
        [values[:cut], values[cut:]], values.max(axis=(0, 2, 3)).astype(np.float32), bins
    )
    assert counts.dtype == np.int64
    assert edges.dtype == np.float32
    for unit, (least, greatest) in enumerate(ranges):
        low = min(least, 0)
        width = greatest - low or 1
        assert (edges[unit][0], edges[unit][-1]) == (low, low + width)
        np.testing.assert_allclose(np.diff(edges[unit]), width / bins, rtol=1e-4)
        # A value belongs to the bin of the part of the range that it lies in.
        place = (values[:, unit].astype(np.float64) - low) * (bins / width)
        expected = np.bincount(np.minimum(place, bins - 1).astype(int).ravel(), minlength=bins)
        assert counts[unit].tolist() == expected.tolist()


def test_maxima_of_another_layer_are_refused():
    with pytest.raises(InputError, match="do not fit"):
        activation_histograms([np.zeros((1, 2, 1, 1), np.float16)], np.ones(3, np.float32), 4)
