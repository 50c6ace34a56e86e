"""Distributions of activations against NumPy's own histogram."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissection.activations.histograms import activation_histograms
from dissection.errors import InputError


@settings(max_examples=30, deadline=None)
@given(
    images=st.integers(1, 9),
    units=st.integers(1, 4),
    bins=st.integers(1, 12),
    dtype=st.sampled_from([np.float16, np.float32]),
    seed=st.integers(0, 10**6),
)
def test_equals_numpy(images, units, bins, dtype, seed):
    rng = np.random.default_rng(seed)
    # Powers of two as maxima: bin edges are exact, so that both agree on values at an edge.
    values = rng.integers(-8, 17, (images, units, 3, 2)).astype(dtype)
    values[:, 0] = 0
    values[0, 1:, 0, 0] = 16
    cut = int(rng.integers(0, images + 1))
    counts, edges = activation_histograms(
        [values[:cut], values[cut:]], values.max(axis=(0, 2, 3)).astype(np.float32), bins
    )
    for unit in range(units):
        top = 1 if unit == 0 else 16
        positive = values[:, unit][values[:, unit] > 0].astype(np.float64)
        # A value belongs to the bin of the part of the range that it lies in.
        expected = np.bincount(
            np.minimum(positive * (bins / top), bins - 1).astype(int), minlength=bins
        )
        expected[0] += values[:, unit].size - len(positive)
        assert counts[unit].tolist() == expected.tolist()
        assert edges[unit][0] == 0
        assert edges[unit][-1] == top
    assert counts.sum() == values.size


def test_maxima_of_another_layer_are_refused():
    with pytest.raises(InputError, match="do not fit"):
        activation_histograms([np.zeros((1, 2, 1, 1), np.float16)], np.ones(3, np.float32), 4)
