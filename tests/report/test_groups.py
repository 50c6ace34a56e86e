"""Differences of groups of networks, against loops over the definitions."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissection.report.groups import Accuracy, confounding, difference_of_means

values = st.lists(st.floats(0, 50), min_size=1, max_size=5)
variances = st.floats(0, 9)


def mean(numbers):
    return sum(numbers) / len(numbers)


def sample_variance(numbers):
    if len(numbers) < 2:
        return math.nan
    return sum((number - mean(numbers)) ** 2 for number in numbers) / (len(numbers) - 1)


def expected_difference(more, fewer, images, baseline):
    if len(more) > 1 and len(fewer) > 1:
        between = [sample_variance(more), sample_variance(fewer)]
    else:
        between = [sample_variance(baseline)] * 2
    squared = between[0] / len(more) + between[1] / len(fewer) + images[0] + images[1]
    return mean(more) - mean(fewer), squared**0.5


@given(values, values, st.tuples(variances, variances), values)
def test_difference_of_means(more, fewer, images, baseline):
    found = difference_of_means([more, fewer], images, baseline)
    expected = expected_difference(more, fewer, images, baseline)
    assert found == pytest.approx(expected, abs=1e-9, nan_ok=True)
    other = difference_of_means([fewer, more], images[::-1], baseline)
    assert other == pytest.approx((-found[0], found[1]), abs=1e-9, nan_ok=True)


shares = st.lists(st.floats(0, 1), min_size=1, max_size=4)


@given(shares, shares, shares, st.integers(10, 2000))
def test_confounding_is_more_than_two_standard_errors(more, fewer, baseline, images):
    groups = {"more": more, "fewer": fewer, "baseline": baseline}
    names = {group: [f"{group}{i}" for i in range(len(of))] for group, of in groups.items()}
    accuracies = {
        name: Accuracy("scene", share, images)
        for group in groups
        for name, share in zip(names[group], groups[group], strict=True)
    }
    found = confounding([names["more"], names["fewer"]], names["baseline"], accuracies)
    binomial = [mean([p * (1 - p) / images for p in group]) for group in (more, fewer)]
    size, spread = expected_difference(more, fewer, binomial, baseline)
    if math.isnan(spread):
        spread = sum(binomial) ** 0.5
    text = f"held-out accuracy {100 * mean(more):.1f} % against {100 * mean(fewer):.1f} %"
    if abs(abs(size) - 2 * spread) > 1e-9:  # else rounding decides
        assert found == (text if abs(size) > 2 * spread else "")


SCENES = {f"a{i}": Accuracy("scene", 0.50 + i / 100, 640) for i in range(4)}


def test_the_default_run_s_accuracies_are_confounded():
    accuracies = SCENES | {"b": Accuracy("scene", 0.627, 640)}
    found = confounding([list(SCENES), ["b"]], list(SCENES), accuracies)
    assert found == "held-out accuracy 51.5 % against 62.7 %"
    equal = accuracies | {"b": Accuracy("scene", 0.55, 640)}
    assert confounding([list(SCENES), ["b"]], list(SCENES), equal) == ""


@pytest.mark.parametrize(
    "other",
    [{}, {"b": Accuracy("object", 0.95, 640)}, {"c": Accuracy("scene", 0.95, 640)}],
    ids=["not trained", "another task", "another network"],
)
def test_accuracies_that_cannot_be_compared_say_nothing(other):
    assert confounding([list(SCENES), ["b"]], list(SCENES), SCENES | other) == ""


def test_more_held_out_images_tell_smaller_differences():
    def with_images(images):
        accuracies = {n: Accuracy("scene", p, images) for n, p in (("a", 0.5), ("b", 0.53))}
        return confounding([["a"], ["b"]], ["a"], accuracies)

    assert with_images(640) == ""
    assert with_images(36_500) == "held-out accuracy 50.0 % against 53.0 %"
