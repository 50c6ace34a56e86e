"""Thresholds are the order statistic itself, whatever the values and however they arrive."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dissection.activations.float_keys import BLOCK, greatest_activations
from dissection.errors import InputError
from dissection.scoring.notes import CONSTANT, FEW, SATURATED, firing_note
from dissection.scoring.thresholds import (
    ThresholdCounter,
    compute_thresholds,
    find_silent_units,
    threshold_rank,
)

quick = settings(max_examples=60, deadline=None)
DTYPES = [np.float16, np.float32]
QUANTILES = [0, 0.005, 0.02, 0.1, 0.29, 0.5, 0.75, 0.99, 0.9999]


def brute_force(activations: np.ndarray, quantile: float) -> np.ndarray:
    """Return the smallest value T of each unit with P(a > T) <= quantile, from the definition."""
    thresholds = []
    for unit in range(activations.shape[1]):
        values = activations[:, unit].ravel()
        allowed = Fraction(str(quantile)) * len(values)
        thresholds.append(min(T for T in values if (values > T).sum() <= allowed))
    return np.array(thresholds, np.float32)


def finite_numbers(dtype: type) -> st.SearchStrategy:
    """Any finite number, with many ties among some, and both zeros."""
    width = np.dtype(dtype).itemsize * 8
    any_number = st.floats(width=width, allow_nan=False, allow_infinity=False)
    return st.one_of(st.sampled_from([0.0, -0.0, 1.0, 1.5, -2.0]), any_number)


@st.composite
def activation_arrays(draw: st.DrawFn) -> np.ndarray:
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(hnp.array_shapes(min_dims=4, max_dims=4, min_side=1, max_side=5))
    return draw(hnp.arrays(dtype, shape, elements=finite_numbers(dtype)))


@quick
@given(activation_arrays(), st.sampled_from(QUANTILES), st.integers(0, 5), st.integers(1, 3))
def test_equals_the_definition_for_any_shards_and_threads(activations, quantile, cut, threads):
    shards = [activations[:cut], activations[cut:]]
    found = compute_thresholds(shards, quantile, threads)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, brute_force(activations, quantile))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("quantile", QUANTILES)
@pytest.mark.parametrize("shift", [-1.5, 0, 3])
@pytest.mark.parametrize("relu", [True, False])
def test_equals_a_full_sort(dtype, quantile, shift, relu):
    generator = np.random.default_rng(5)
    activations = generator.normal(shift, 1, (80, 3, 30, 31)).astype(dtype)
    activations[:, 2] = activations[0, 2, 0, 0]
    assert BLOCK < 30 * 31  # a map is compared in several blocks
    if relu:
        activations = np.maximum(activations, 0)
    falling = np.sort(activations.transpose(1, 0, 2, 3).reshape(3, -1), axis=1)[:, ::-1]
    rank = threshold_rank(falling.shape[1], quantile)
    expected = falling[:, rank].astype(np.float32)
    np.testing.assert_array_equal(compute_thresholds([activations], quantile), expected)


def test_values_that_differ_in_their_lower_bits_only():
    bits = np.arange(1000, dtype=np.int32) + np.array(1.0, np.float32).view(np.int32)
    values = np.random.default_rng(0).permutation(bits).view(np.float32)
    for sign in (1, -1):
        activations = (sign * values).reshape(100, 1, 2, 5)
        expected = brute_force(activations, 0.005)
        np.testing.assert_array_equal(compute_thresholds([activations], 0.005), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [0.0, -0.0, 2.5, -2.5, 6e-8, 65504.0, -65504.0])
def test_a_constant_unit_never_fires(dtype, value):
    activations = np.full((3, 2, 4, 4), value, dtype)
    thresholds = compute_thresholds([activations], 0.005)
    np.testing.assert_array_equal(thresholds, np.full(2, activations.flat[0], np.float32))
    assert not (activations > thresholds[:, None, None]).any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("positions", [131_069, 131_070, 131_071, 140_000])
def test_counts_beyond_sixteen_bits(dtype, positions):
    """Just below, at and above the rank from which wider counters are used."""
    activations = np.full((positions, 1, 1, 1), 0.5, dtype)
    assert compute_thresholds([activations], 0.5) == 0.5
    activations[: positions // 2] = 2
    assert compute_thresholds([activations], 0.5) == 0.5
    activations[: positions // 2 + 1] = 2
    assert compute_thresholds([activations], 0.5) == 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_both_zeros_are_one_value(dtype):
    activations = np.array([0.0, -0.0, 1.0, -0.0], dtype).reshape(1, 1, 2, 2)
    threshold = compute_thresholds([activations], 0.25)  # one value may lie above
    assert threshold[0] == 0
    assert not np.signbit(threshold[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_position_and_tiny_quantile_give_the_maximum(dtype):
    one = np.full((1, 1, 1, 1), -3, dtype)
    assert compute_thresholds([one], 0.005) == -3
    few = np.arange(199, dtype=dtype).reshape(199, 1, 1, 1)
    assert threshold_rank(199, 0.005) == 0
    assert compute_thresholds([few], 0.005) == 198
    assert threshold_rank(200, 0.005) == 1


def test_rank_is_exact_where_floating_point_is_not():
    for positions in range(1, 500):
        for percent in range(100):
            assert threshold_rank(positions, percent / 100) == percent * positions // 100


@pytest.mark.parametrize("quantile", [-0.1, 1, 1.5, float("nan")])
def test_quantile_out_of_range(quantile):
    with pytest.raises(InputError, match="quantile"):
        threshold_rank(10, quantile)


def test_ranks_beyond_the_counters_are_refused():
    with pytest.raises(InputError, match="smaller quantile"):
        threshold_rank(2**33, 0.9)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, -np.nan])
def test_a_value_that_is_not_finite_is_named(dtype, value, threads):
    generator = np.random.default_rng(0)
    activations = generator.random((50, 4, 5, 5)).astype(dtype)
    activations[41, 2, 3, 3] = value
    activations[47, 0, 0, 0] = value  # a later image, in another thread's units
    activations[48, 3, 0, 0] = value
    with pytest.raises(InputError, match=r"Unit 3 .* image 41 "):
        compute_thresholds([activations[:30], activations[30:]], 0.02, threads)
    with pytest.raises(InputError, match=r"Unit 1 .* image 5 "):
        compute_thresholds([activations[42:]], 0.02, threads)
    with pytest.raises(InputError, match=r"Unit 3 .* image 141 "):
        greatest_activations(activations, first_image=100)


@quick
@given(activation_arrays())
def test_greatest_activations(activations):
    expected = activations.max(axis=(2, 3)).astype(np.float32)
    np.testing.assert_array_equal(greatest_activations(activations), expected)


def test_a_view_with_gaps_is_read_correctly():
    activations = np.random.default_rng(1).normal(size=(20, 6, 4, 4)).astype(np.float32)
    every_second = activations[::2, ::2, :, ::-1]
    expected = brute_force(every_second, 0.1)
    np.testing.assert_array_equal(compute_thresholds([every_second], 0.1), expected)


def test_a_counter_notices_missing_or_repeated_images():
    chunk = np.ones((2, 1, 1, 1), np.float16)
    for given_chunks in (1, 3):
        counter = ThresholdCounter(1, 4, 0.005, np.float16)
        for _ in range(given_chunks):
            counter.update(chunk)
        with pytest.raises(InputError, match=f"4 positions .* {2 * given_chunks} were given"):
            counter.end_pass()


def test_a_counter_refuses_what_does_not_fit():
    counter = ThresholdCounter(2, 4, 0.005, np.float32)
    with pytest.raises(InputError, match="was expected"):
        counter.update(np.ones((2, 3, 1, 1), np.float32))
    with pytest.raises(InputError, match="was expected"):
        counter.update(np.ones((2, 2, 1, 1), np.float16))
    counter.update(np.ones((4, 2, 1, 1), np.float32))
    counter.end_pass()
    with pytest.raises(InputError, match="1 of 2 passes"):
        counter.thresholds()
    counter.update(np.ones((4, 2, 1, 1), np.float32))
    counter.end_pass()
    assert counter.thresholds().tolist() == [1, 1]
    with pytest.raises(InputError, match="All passes are done"):
        counter.update(np.ones((4, 2, 1, 1), np.float32))
    with pytest.raises(InputError, match="float64"):
        ThresholdCounter(2, 4, 0.005, np.float64)
    with pytest.raises(InputError, match="0 threads"):
        ThresholdCounter(2, 4, 0.005, np.float32, threads=0)


def silent_by_definition(activations, quantile):
    """No value is above the one that at most the quantile of all values lie above."""
    found = {}
    for unit in range(activations.shape[1]):
        values = np.sort(activations[:, unit].ravel())[::-1]
        rank = threshold_rank(len(values), quantile)
        if values[0] > values[rank]:
            continue
        reason = SATURATED if rank else FEW
        found[unit + 1] = CONSTANT if values[0] == values[-1] else reason
    return found


KINDS = {
    "ReLU": lambda rng, shape: np.maximum(rng.normal(size=shape), 0),
    "ReLU6, seldom": lambda rng, shape: np.clip(rng.normal(size=shape), 0, 3),
    "ReLU6, often": lambda rng, shape: np.clip(rng.normal(size=shape) * 9, 0, 6),
    "binary": lambda rng, shape: rng.random(shape) < 0.5,
    "negative, bounded": lambda rng, shape: -np.maximum(rng.normal(size=shape), 0),
    "dead": lambda rng, shape: np.zeros(shape),
    "constant": lambda rng, shape: np.full(shape, -2.5),
    "fires in the last image": lambda rng, shape: (
        np.arange(np.prod(shape)).reshape(shape) // 6 * 1.0
    ),
}


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=6),
    images=st.integers(1, 40),
    quantile=st.sampled_from([0, 0.005, 0.05, 0.3]),
    dtype=st.sampled_from([np.float16, np.float32]),
    seed=st.integers(0, 10**6),
)
def test_units_that_cannot_fire(kinds, images, quantile, dtype, seed):
    rng = np.random.default_rng(seed)
    maps = [KINDS[kind](rng, (images, 3, 2)) for kind in kinds]
    activations = np.stack(maps, axis=1).astype(dtype)
    shards = np.split(activations, np.sort(rng.integers(0, images + 1, 2)))
    thresholds = compute_thresholds(shards, quantile)
    found = find_silent_units(shards, thresholds, quantile)
    assert found == silent_by_definition(activations, quantile)
    for unit in range(len(kinds)):
        assert (unit + 1 in found) == (activations[:, unit].max() <= thresholds[unit])


def test_layers_whose_units_all_fire_are_not_read_to_their_end():
    first = np.arange(400, dtype=np.float16).reshape(100, 1, 2, 2)
    never_read = np.full((100, 1, 2, 2), np.nan, np.float16)
    assert find_silent_units([first, never_read], np.array([390.0]), 0.005) == {}


def test_note_on_units_that_cannot_fire():
    assert firing_note(["", "", ""]) == ""
    note = firing_note(["", SATURATED, CONSTANT, SATURATED, ""])
    assert note.startswith("3 of 5 units cannot fire: 1 constant (")
    assert "2 saturated (" in note
    assert "dissect the layer before the activation function" in note
    assert "pooled" not in note
    assert "pooled" in firing_note([FEW])
