"""Each kind of Caffe's layers against its definition, written out in NumPy."""

import math

import numpy as np
import pytest
import torch
from caffe_layers import apply, apply_weighted, close, draw
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from dissection.activations.position_tracing import ImageAxes
from dissection.networks.caffe.layers import LAYERS
from dissection.networks.caffe.messages import LayerParameter
from dissection.networks.caffe.shapes import Crop, Part

torch.set_num_threads(1)


# ---- convolution -----------------------------------------------------------------------------


def convolve(x, weight, bias, stride, pad, dilation, groups):
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (pad[0],) * 2, (pad[1],) * 2))
    kernel = weight.shape[2:]
    rows, columns = (
        (x.shape[2 + k] - dilation[k] * (kernel[k] - 1) - 1) // stride[k] + 1 for k in (0, 1)
    )
    out = np.zeros((len(x), len(weight), rows, columns))
    taken = weight.shape[1]
    for o in range(len(weight)):
        first = o // (len(weight) // groups) * taken
        for i in range(rows):
            for j in range(columns):
                for u in range(kernel[0]):
                    for v in range(kernel[1]):
                        row, column = (
                            i * stride[0] + u * dilation[0],
                            j * stride[1] + v * dilation[1],
                        )
                        part = x[:, first : first + taken, row, column]
                        out[:, o, i, j] += part @ weight[o, :, u, v].astype(np.float64)
    return out + (0 if bias is None else bias.astype(np.float64)[:, None, None])


def both_ways(name, letter, pair, separate):
    """A parameter for rows and columns as text, in one of the ways to say it."""
    if separate:
        return f"{letter}_h: {pair[0]} {letter}_w: {pair[1]}"
    return f"{name}: {pair[0]}" + (f" {name}: {pair[1]}" if pair[0] != pair[1] else "")


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(deadline=None, max_examples=60)
@given(st.data(), st.booleans(), st.booleans(), st.sampled_from([1, 2, 4]), st.integers(0, 999))
def test_convolution(data, bias, separate, groups, seed):
    kernel, stride, dilation = (data.draw(pairs) for _ in range(3))
    pad = tuple(size - 1 for size in data.draw(pairs))
    x = draw(seed, 2, 4, *(dilation[k] * (kernel[k] - 1) + 1 + data.draw(pairs)[k] for k in (0, 1)))
    weight, offset = draw(seed + 1, 8, 4 // groups, *kernel), draw(seed + 2, 8)
    text = (
        f'type: "Convolution" convolution_param {{ num_output: 8 group: {groups} '
        f"bias_term: {str(bias).lower()} {both_ways('kernel_size', 'kernel', kernel, separate)} "
        f"{both_ways('stride', 'stride', stride, separate)} "
        f"{both_ways('pad', 'pad', pad, separate)} dilation: {dilation[0]} "
        f"dilation: {dilation[1]} }}"
    )
    found = apply_weighted(text, x, [weight, offset] if bias else [weight])
    close(found, convolve(x, weight, offset if bias else None, stride, pad, dilation, groups))


# ---- pooling ---------------------------------------------------------------------------------


def pool(x, method, kernel, stride, pad, floor):
    """As Caffe's loops do it; None if there is no window."""
    rounded = math.floor if floor else math.ceil
    size = [rounded((x.shape[2 + k] + 2 * pad[k] - kernel[k]) / stride[k]) + 1 for k in (0, 1)]
    if any(pad):
        for k in (0, 1):
            if (size[k] - 1) * stride[k] >= x.shape[2 + k] + pad[k]:
                size[k] -= 1
    if min(size) < 1:
        return None
    out = np.empty((*x.shape[:2], *size))
    for i in range(size[0]):
        for j in range(size[1]):
            starts = [place * stride[k] - pad[k] for k, place in enumerate((i, j))]
            ends = [min(starts[k] + kernel[k], x.shape[2 + k] + pad[k]) for k in (0, 1)]
            count = (ends[0] - starts[0]) * (ends[1] - starts[1])
            inside = [
                slice(max(starts[k], 0), max(min(ends[k], x.shape[2 + k]), 0)) for k in (0, 1)
            ]
            window = x[:, :, inside[0], inside[1]].astype(np.float64)
            if method == "AVE":
                total = window.sum((2, 3))
                out[:, :, i, j] = total / count if count else np.nan  # 0 / 0
            else:
                out[:, :, i, j] = window.max((2, 3), initial=np.finfo(np.float32).min)
    return out


@settings(deadline=None, max_examples=400)
@given(
    st.tuples(*[st.integers(1, 9)] * 2),
    st.tuples(*[st.integers(1, 5)] * 2),
    st.tuples(*[st.integers(1, 6)] * 2),
    st.tuples(*[st.floats(0, 0.99)] * 2),
    st.sampled_from(["MAX", "AVE"]),
    st.sampled_from(["", "round_mode: CEIL", "round_mode: FLOOR", "ceil_mode: false"]),
    st.booleans(),
)
def test_pooling(size, kernel, stride, pad, method, rounding, separate):
    pad = tuple(int(kernel[k] * pad[k]) for k in (0, 1))
    x = draw(sum(size), 2, 3, *size)
    text = (
        f'type: "Pooling" pooling_param {{ pool: {method} {rounding} '
        f"{both_ways('kernel_size', 'kernel', kernel, separate)} "
        f"{both_ways('stride', 'stride', stride, separate)} "
        f"{both_ways('pad', 'pad', pad, separate)} }}"
    )
    expected = pool(x, method, kernel, stride, pad, "FLOOR" in rounding or "false" in rounding)
    if expected is None:
        with pytest.raises(ValueError, match=r"its window of \d is larger than the map"):
            apply(text, x)
        return
    found = apply(text, x)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_global_pooling():
    x = draw(0, 2, 3, 5, 4)
    for method, reduce in (("AVE", np.mean), ("MAX", np.max)):
        found = apply(f'type: "Pooling" pooling_param {{ pool: {method} global_pooling: true }}', x)
        np.testing.assert_allclose(found, reduce(x, (2, 3), keepdims=True), rtol=1e-6)


# ---- the others ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "n", "alpha", "beta", "k"),
    [
        ("local_size: 5 alpha: 0.0625 beta: 0.75", 5, 0.0625, 0.75, 1),
        ("local_size: 3 alpha: 2 beta: 0.5 k: 2", 3, 2, 0.5, 2),
        ("", 5, 1, 0.75, 1),
        ("local_size: 15", 15, 1, 0.75, 1),
    ],
)
def test_local_response_normalisation(parameters, n, alpha, beta, k):
    x = draw(0, 2, 7, 3, 4).astype(np.float64)
    expected = np.empty_like(x)
    for unit in range(7):
        neighbours = x[:, max(0, unit - n // 2) : unit + n // 2 + 1]
        scale = k + alpha / n * (neighbours**2).sum(1)
        expected[:, unit] = x[:, unit] / scale**beta
    close(apply(f'type: "LRN" lrn_param {{ {parameters} }}', x), expected)


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_inner_product(transpose, bias):
    x, weight, offset = draw(0, 2, 3, 4, 5), draw(1, 6, 60), draw(2, 6)
    text = (
        f'type: "InnerProduct" inner_product_param {{ num_output: 6 '
        f"bias_term: {str(bias).lower()} transpose: {str(transpose).lower()} }}"
    )
    blobs = [weight.T if transpose else weight, *([offset] if bias else [])]
    expected = x.reshape(2, 60).astype(np.float64) @ weight.T.astype(np.float64)
    close(apply_weighted(text, x, blobs), expected + (offset if bias else 0))
    text = text.replace("num_output", "axis: -1 num_output")
    expected = x.astype(np.float64) @ weight[:, :5].T.astype(np.float64)
    blobs[0] = weight[:, :5].T if transpose else weight[:, :5]
    close(apply_weighted(text, x, blobs), expected + (offset if bias else 0))


@pytest.mark.parametrize(("factor", "eps"), [(1, None), (999.5, 0.001), (0, 2)])
def test_batch_norm(factor, eps):
    x, mean = draw(0, 2, 4, 3, 3), draw(1, 4)
    variance = np.abs(draw(2, 4)) + 1
    text = 'type: "BatchNorm"' + (f" batch_norm_param {{ eps: {eps} }}" if eps else "")
    found = apply_weighted(text, x, [mean, variance, np.full(1, factor, np.float32)])
    m, v = (0 * mean, 0 * variance) if factor == 0 else (mean / factor, variance / factor)
    expected = (x - m[:, None, None]) / np.sqrt(v + np.float32(eps or 1e-5))[:, None, None]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(2, 4, 3, 5), (2, 4)])
def test_scale(bias, shape):
    x, weight, offset = draw(0, *shape).astype(np.float64), draw(1, 4), draw(2, 4)
    text = f'type: "Scale" scale_param {{ bias_term: {str(bias).lower()} }}'
    axes = (slice(None), *[None] * (len(shape) - 2))
    expected = x * weight[axes] + (offset[axes] if bias else 0)
    if len(shape) == 4:
        close(apply_weighted(text, x, [weight, offset][: 1 + bias]), expected)
    else:
        module = LAYERS["Scale"].build(text_format.Parse(text, LayerParameter()), [shape]).double()
        module.load([torch.from_numpy(blob) for blob in (weight, offset)[: 1 + bias]])
        close(module(torch.from_numpy(x)).detach().numpy(), expected)


def test_elementwise():
    a, b, c = (draw(seed, 2, 3, 4, 5).astype(np.float64) for seed in range(3))
    close(apply('type: "Eltwise"', a, b, c), a + b + c)
    coefficients = 'type: "Eltwise" eltwise_param { coeff: 1 coeff: -0.5 coeff: 2 }'
    close(apply(coefficients, a, b, c), a - 0.5 * b + 2 * c)
    close(apply('type: "Eltwise" eltwise_param { operation: PROD }', a, b, c), a * b * c)
    close(apply('type: "Eltwise" eltwise_param { operation: MAX }', a, b), np.maximum(a, b))


def test_layers_without_arithmetic_of_their_own():
    a, b = draw(0, 2, 3, 4, 5).astype(np.float64), draw(1, 2, 6, 4, 5).astype(np.float64)
    joined = np.concatenate([a, b], 1)
    for parameters in ("", "concat_param { axis: -3 }", "concat_param { concat_dim: 1 }"):
        close(apply(f'type: "Concat" {parameters}', a, b), joined)
    close(apply('type: "ReLU"', a), np.maximum(a, 0))
    slope = 'type: "ReLU" relu_param { negative_slope: 0.25 }'
    close(apply(slope, a), np.where(a > 0, a, 0.25 * a))
    close(apply('type: "Dropout" dropout_param { dropout_ratio: 0.9 }', a), a)
    close(apply('type: "Softmax"', a), np.exp(a) / np.exp(a).sum(1, keepdims=True))
    close(apply('type: "Flatten"', a), a.reshape(2, 60))
    close(apply('type: "Flatten" flatten_param { axis: 2 }', a), a.reshape(2, 3, 20))
    close(
        apply('type: "Reshape" reshape_param { shape { dim: 0 dim: 0 dim: -1 dim: 10 } }', a),
        a.reshape(2, 3, 2, 10),
    )


@pytest.mark.parametrize(
    "text",
    [
        'type: "Pooling" pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }',
        'type: "Pooling" pooling_param { kernel_size: 3 stride: 2 pad: 2 }',
        'type: "LRN"',
        'type: "ReLU" relu_param { negative_slope: 0.1 }',
        'type: "Eltwise" eltwise_param { coeff: 2 }',
        'type: "Concat"',
        'type: "BatchNorm"',
        'type: "Scale" scale_param { bias_term: true }',
        'type: "LRN" lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 }',
        'type: "BN"',
        'type: "Bias"',
        'type: "PReLU"',
        'type: "ELU"',
        'type: "BNLL"',
        'type: "Swish"',
        'type: "ReLU6"',
        'type: "Threshold"',
        'type: "Power" power_param { power: 2 shift: 1 }',
        'type: "Exp"',
        'type: "Dropout" dropout_param { scale_train: false }',
        'type: "Deconvolution" convolution_param { num_output: 3 kernel_size: 1 }',
        'type: "DepthwiseConvolution" convolution_param { num_output: 3 kernel_size: 3 pad: 1 }',
    ],
)
def test_receptive_fields_can_be_followed_through(text):
    parameters = text_format.Parse(text, LayerParameter())
    module = LAYERS[parameters.type].build(parameters, [(1, 3, 12, 12)]).eval()
    image = torch.zeros(1, 3, 12, 12)
    followed = ImageAxes(image)
    with torch.inference_mode(), followed:
        rows, columns = followed.notes[module(image)]
    pad = 2 if "pad: 2" in text else 1
    expected = (1 - pad, 2) if "Pooling" in text else (0, 1)
    assert (rows.centre, rows.stride) == (columns.centre, columns.stride) == expected


def test_receptive_fields_can_be_followed_through_parts():
    image = torch.zeros(1, 3, 12, 12)
    followed = ImageAxes(image)
    with torch.inference_mode(), followed:
        unit = followed.notes[Part(1, 1, 3)(image)]
        crop = followed.notes[Crop(2, [3, 4])(image, image[:, :, :5, :5])]
    assert [(axis.centre, axis.stride) for axis in unit] == [(0, 1), (0, 1)]
    assert [(axis.centre, axis.stride) for axis in crop] == [(3, 1), (4, 1)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('type: "Convolution" convolution_param { num_output: 2 }', "kernel_size is missing"),
        ('type: "Convolution" convolution_param { kernel_size: 2 }', "num_output must be above 0"),
        (
            'type: "Convolution" convolution_param { num_output: 2 kernel_size: 3 kernel_h: 3 }',
            "both kernel_size and kernel_h or kernel_w",
        ),
        (
            'type: "Convolution" convolution_param { num_output: 2 kernel_size: 3 stride: 0 }',
            "stride must be above 0",
        ),
        (
            'type: "Convolution" convolution_param { num_output: 2 kernel_size: [1, 2, 3] }',
            "only two dimensions",
        ),
        ('type: "Convolution" convolution_param { num_output: 2 axis: 2 }', "axis 2 is not"),
        ('type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 2 }', "stochastic"),
        ('type: "Pooling" pooling_param { kernel_size: 2 pad: 2 }', "pad must be below"),
        ('type: "Pooling" pooling_param { global_pooling: true pad: 1 }', "no pad and no stride"),
        ('type: "LRN" lrn_param { norm_region: WITHIN_CHANNEL k: 2 }', "k is not supported"),
        ('type: "Pooling" pooling_param { global_pooling: true kernel_h: 3 }', "no kernel_size"),
        ('type: "LRN" lrn_param { local_size: 4 }', "local_size must be odd"),
        ('type: "BatchNorm" batch_norm_param { use_global_stats: false }', "set it to true"),
        ('type: "Scale" scale_param { axis: 0 }', "axis 0 would mix images"),
        ('type: "Scale" scale_param { num_axes: 4 }', "goes beyond the 4 axes"),
        ('type: "Concat" concat_param { axis: 0 }', "axis 0 would mix images"),
        ('type: "Softmax" softmax_param { axis: 4 }', "axis 4 does not exist"),
        ('type: "Eltwise" eltwise_param { coeff: 1 coeff: 2 }', "2 coeff for 1 inputs"),
        ('type: "Eltwise" eltwise_param { operation: MAX coeff: 2 }', "SUM alone"),
        ('type: "Reshape" reshape_param { shape { dim: 10 dim: 3 } }', "number of images is free"),
        ('type: "Reshape" reshape_param { shape { dim: 0 } axis: 6 }', "do not fit"),
    ],
)
def test_what_cannot_be_done_is_refused(text, message):
    parameters = text_format.Parse(text, LayerParameter())
    with pytest.raises(ValueError, match=message):
        LAYERS[parameters.type].build(parameters, [(2, 4, 6, 6)])
