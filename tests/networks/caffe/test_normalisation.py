"""Normalisations of Caffe and its forks, and factors and summands, against their definitions."""

import numpy as np
import pytest
import torch
from caffe_layers import apply, apply_weighted, close, draw

torch.set_num_threads(1)

X = draw(0, 2, 4, 5, 6).astype(np.float64)
MEAN, VARIANCE = draw(1, 4), np.abs(draw(2, 4)) + np.float32(0.5)
FACTOR, SUMMAND = draw(3, 4), draw(4, 4)


def normalised(eps=1e-5, factor=None, summand=None):
    def each(values):
        return values.astype(np.float64)[:, None, None]

    x = (X - each(MEAN)) / np.sqrt(each(VARIANCE) + float(np.float32(eps)))
    return x if factor is None else x * each(factor) + each(summand)


def four(array):
    return array.reshape(1, -1, 1, 1)


@pytest.mark.parametrize(
    ("text", "blobs", "expected"),
    [
        ("", [MEAN, VARIANCE], normalised()),
        ("", [MEAN * 8, VARIANCE * 8, np.full(1, 8)], normalised()),
        ("", [four(MEAN), four(VARIANCE), np.ones((1, 1, 1, 1))], normalised()),
        (
            "",
            [MEAN * 8, VARIANCE * 8, np.full(1, 8), FACTOR, SUMMAND],
            normalised(1e-5, FACTOR, SUMMAND),
        ),
        (
            "batch_norm_param { scale_bias: true eps: 0.5 }",
            [MEAN, VARIANCE, np.ones(1), FACTOR, SUMMAND],
            normalised(0.5, FACTOR, SUMMAND),
        ),
        (
            "batch_norm_param { scale_filler { type: 'constant' value: 1 } }",
            # To NVIDIA's fork the third is of no concern.
            [MEAN, VARIANCE, np.full(1, 8), FACTOR, SUMMAND],
            normalised(1e-5, FACTOR, SUMMAND),
        ),
    ],
)
def test_forms_of_batch_norm(text, blobs, expected):
    found = apply_weighted(f'type: "BatchNorm" {text}', X, [np.float32(blob) for blob in blobs])
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [four, lambda array: array])
@pytest.mark.parametrize("eps", [None, 0.25])
def test_bn_of_the_forks(shape, eps):
    text = 'type: "BN"' + (f" bn_param {{ eps: {eps} frozen: true }}" if eps else "")
    blobs = [shape(blob) for blob in (FACTOR, SUMMAND, MEAN, VARIANCE)]
    expected = normalised(eps or 1e-5, FACTOR, SUMMAND)
    np.testing.assert_allclose(apply_weighted(text, X, blobs), expected, rtol=1e-6, atol=1e-6)


def test_bn_whose_statistics_are_in_its_factors():
    text = 'type: "BN" bn_param { bn_mode: INFERENCE scale_filler { type: "constant" } }'
    found = apply_weighted(text, X, [four(FACTOR), four(SUMMAND)])
    close(found, X * FACTOR[:, None, None] + SUMMAND[:, None, None])


@pytest.mark.parametrize(
    ("axes", "shape", "seen"),
    [
        ("", (4,), (4, 1, 1)),
        ("axis: 2", (5,), (5, 1)),
        ("axis: -1", (6,), (6,)),
        ("axis: 1 num_axes: 2", (4, 5), (4, 5, 1)),
        ("axis: 1 num_axes: -1", (4, 5, 6), (4, 5, 6)),
        ("num_axes: 0", (), ()),
    ],
)
@pytest.mark.parametrize("kind", ["Scale", "Bias"])
def test_factors_and_summands_along_any_axes(axes, shape, seen, kind):
    weight, offset = draw(1, *shape), draw(2, *shape)
    if kind == "Bias":
        found = apply_weighted(f'type: "Bias" bias_param {{ {axes} }}', X, [offset])
        close(found, X + offset.reshape(seen))
        return
    text = f'type: "Scale" scale_param {{ {axes} bias_term: true }}'
    expected = X * weight.reshape(seen) + offset.reshape(seen)
    close(apply_weighted(text, X, [weight, offset]), expected)


def test_factors_and_summands_from_another_layer():
    values = draw(1, 2, 4).astype(np.float64)
    close(apply('type: "Scale" scale_param { axis: 0 }', X, values), X * values[:, :, None, None])
    close(apply('type: "Bias" bias_param { axis: -4 }', X, values), X + values[:, :, None, None])
    close(apply('type: "Scale" scale_param { axis: 0 }', X, X), X * X)


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_local_response_normalisation_within_a_unit(size):
    alpha, beta = 2.0, 0.75
    text = (
        'type: "LRN" lrn_param { norm_region: WITHIN_CHANNEL '
        f"local_size: {size} alpha: {alpha} beta: {beta} }}"
    )
    reach = size // 2
    expected = np.empty_like(X)
    for row in range(5):
        for column in range(6):
            window = X[
                :,
                :,
                max(0, row - reach) : row + reach + 1,
                max(0, column - reach) : column + reach + 1,
            ]
            mean = (window**2).sum((2, 3)) / size**2
            expected[:, :, row, column] = X[:, :, row, column] / (1 + alpha * mean) ** beta
    close(apply(text, X), expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('type: "BatchNorm" phase: TRAIN', "phase: TRAIN would run it as in training"),
        ('type: "BatchNorm" batch_norm_param { scale_bias: true eps: 1e-6 }', "at least 1e-5"),
        ('type: "BN" bn_param { bn_mode: LEARN }', "set it to INFERENCE"),
        ('type: "BN" phase: TRAIN', "phase: TRAIN would run it as in training"),
        ('type: "LRN" lrn_param { norm_region: WITHIN_CHANNEL local_size: 2 }', "must be odd"),
    ],
)
def test_what_cannot_be_done_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        apply(text, X)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('type: "Scale"', "so axis must be 0"),
        ('type: "Scale" scale_param { axis: 0 bias_term: true }', "bias_term is not supported"),
        ('type: "Bias"', "so axis must be 0"),
        ('type: "Bias" bias_param { axis: 0 }', "the beginning of the first"),
    ],
)
def test_second_bottoms_that_do_not_fit_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        apply(text, X, X[:, :3])
