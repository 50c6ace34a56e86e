"""Layers that work on each value by itself, against their definitions."""

import numpy as np
import pytest
import torch
from caffe_layers import apply, apply_weighted, close, draw
from hypothesis import given, settings
from hypothesis import strategies as st

torch.set_num_threads(1)

X = draw(0, 2, 3, 4, 5).astype(np.float64) * 4


def single(number):
    """As the fields of messages hold it."""
    return float(np.float32(number))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('type: "Sigmoid"', 1 / (1 + np.exp(-X))),
        ('type: "TanH"', np.tanh(X)),
        ('type: "AbsVal"', np.abs(X)),
        ('type: "BNLL"', np.log(1 + np.exp(X))),
        ('type: "ReLU6"', np.minimum(np.maximum(X, 0), 6)),
        ('type: "ELU"', np.where(X > 0, X, np.exp(X) - 1)),
        ('type: "ELU" elu_param { alpha: 0.25 }', np.where(X > 0, X, 0.25 * (np.exp(X) - 1))),
        ('type: "Swish"', X / (1 + np.exp(-X))),
        ('type: "Swish" swish_param { beta: 0.5 }', X / (1 + np.exp(-X / 2))),
        ('type: "Clip" clip_param { min: -1 max: 0.5 }', np.minimum(np.maximum(X, -1), 0.5)),
        ('type: "Threshold"', (X > 0).astype(float)),
        ('type: "Threshold" threshold_param { threshold: 1.5 }', (X > 1.5).astype(float)),
        ('type: "Power"', X),
        ('type: "Power" power_param { power: 0 }', np.ones_like(X)),
        ('type: "Power" power_param { power: 3 scale: 0.5 shift: -2 }', (X / 2 - 2) ** 3),
        ('type: "Exp"', np.exp(X)),
        ('type: "Exp" exp_param { base: 2 scale: 0.5 shift: 1 }', 2 ** (X / 2 + 1)),
        ('type: "Dropout" dropout_param { scale_train: false }', X / 2),
        (
            'type: "Dropout" dropout_param { scale_train: false dropout_ratio: 0.3 }',
            X * (1 - single(0.3)),
        ),
    ],
)
def test_functions_of_each_value(text, expected):
    close(apply(text, X), expected)


@pytest.mark.parametrize("base", [None, 3])
def test_log(base):
    x = np.abs(X) + 0.1
    text = f'type: "Log" log_param {{ scale: 2 shift: 0.5 {f"base: {base}" if base else ""} }}'
    close(apply(text, x), np.log(2 * x + 0.5) / (np.log(base) if base else 1))


@settings(deadline=None, max_examples=50)
@given(st.sampled_from([0.5, 1, 2, 3.25]), st.floats(0.1, 4), st.floats(0, 4))
def test_power(power, scale, shift):
    x, scale, shift = np.abs(X), single(scale), single(shift)
    text = f'type: "Power" power_param {{ power: {power} scale: {scale!r} shift: {shift!r} }}'
    close(apply(text, x), (shift + scale * x) ** power)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("shape", [(1,), (1, 1, 1, 1), ()])
def test_prelu(shared, shape):
    slopes = draw(1, 1) if shared else draw(1, 3)
    text = f'type: "PReLU" prelu_param {{ channel_shared: {str(shared).lower()} }}'
    blob = slopes.reshape(shape) if shared else slopes
    each = slopes.astype(np.float64).reshape(-1, 1, 1)
    close(apply_weighted(text, X, [blob]), np.where(X > 0, X, each * X))


def test_axpy():
    a, x, y = draw(1, 2, 3, 1, 1).astype(float), X, draw(2, 2, 3, 4, 5).astype(float)
    close(apply('type: "Axpy"', a, x, y), a * x + y)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('type: "Clip" clip_param { min: 1 }', "it needs min and max"),
        ('type: "Clip" clip_param { min: 1 max: 1 }', "min must be below max"),
        ('type: "Exp" exp_param { base: 0 }', "base must be above 0"),
        ('type: "Log" log_param { base: -2 }', "base must be above 0"),
        ('type: "ReLU6" relu_param { negative_slope: 0.1 }', "negative_slope is not"),
        ('type: "Dropout" dropout_param { sample_weights_test: true }', "random results"),
        ('type: "Dropout" phase: TRAIN', "phase: TRAIN would run it as in training"),
    ],
)
def test_what_cannot_be_done_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        apply(text, X)
