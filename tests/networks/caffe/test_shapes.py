"""Layers that cut, crop, reorder and enlarge, against their definitions."""

import numpy as np
import pytest
import torch
from caffe_layers import apply, apply_weighted, close, draw
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from dissection.networks.caffe.layers import LAYERS
from dissection.networks.caffe.messages import LayerParameter

torch.set_num_threads(1)

X = draw(0, 2, 6, 5, 4).astype(np.float64)


def parts(text):
    parameters = text_format.Parse(text, LayerParameter())
    modules = LAYERS[parameters.type].build(parameters, [X.shape])
    return [module(torch.from_numpy(X)).numpy() for module in modules]


@pytest.mark.parametrize(
    ("text", "tops", "axis", "ends"),
    [
        ("", 3, 1, [2, 4]),
        ("slice_param { slice_point: 1 slice_point: 5 }", 3, 1, [1, 5]),
        ("slice_param { axis: -2 slice_point: 4 }", 2, 2, [4]),
        ("slice_param { slice_dim: 3 }", 4, 3, [1, 2, 3]),
        ("", 1, 1, []),
    ],
)
def test_slice(text, tops, axis, ends):
    tops = " ".join(f'top: "{k}"' for k in range(tops))
    found = parts(f'type: "Slice" {text} {tops}')
    for one, expected in zip(found, np.split(X, ends, axis), strict=True):
        close(one, expected)


def test_split():
    for one in parts('type: "Split" top: "a" top: "b"'):
        close(one, X)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", np.s_[:, :, :2, :3]),
        ("crop_param { offset: 1 }", np.s_[:, :, 1:3, 1:4]),
        ("crop_param { offset: 3 offset: 0 }", np.s_[:, :, 3:5, 0:3]),
        ("crop_param { axis: -3 offset: 1 offset: 2 offset: 1 }", np.s_[:, 1:5, 2:4, 1:4]),
    ],
)
def test_crop(text, places):
    other = np.zeros((2, 6 if "axis" not in text else 4, 2, 3))
    close(apply(f'type: "Crop" {text}', X, other), X[places])


@pytest.mark.parametrize(
    ("parameters", "shape"),
    [
        ("shape { dim: 0 dim: 0 dim: -1 }", (2, 6, 20)),
        ("shape { dim: -1 dim: 6 dim: 4 dim: 5 }", (2, 6, 4, 5)),
        ("shape { dim: 3 dim: -1 } axis: 1 num_axes: 1", (2, 3, 2, 5, 4)),
        ("shape { dim: 0 dim: 20 } axis: 1", (2, 6, 20)),
        ("shape { dim: 1 } axis: 1 num_axes: 0", (2, 1, 6, 5, 4)),
        ("shape { dim: 1 dim: 1 } axis: -1", (2, 6, 5, 4, 1, 1)),
        ("shape { dim: 120 } axis: -4", (2, 120)),
    ],
)
def test_reshape(parameters, shape):
    close(apply(f'type: "Reshape" reshape_param {{ {parameters} }}', X), X.reshape(shape))


def test_permute():
    close(
        apply('type: "Permute" permute_param { order: [0, 2, 3, 1] }', X), X.transpose(0, 2, 3, 1)
    )
    # What is not named follows.
    close(apply('type: "Permute" permute_param { order: 0 order: 3 }', X), X.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('type: "Slice" top: "a" top: "b" slice_param { axis: 2 }', "5 places .* 2 equal parts"),
        ('type: "Slice" top: "a" slice_param { slice_point: 2 }', "1 slice_point for 1 tops"),
        ('type: "Slice" top: "a" top: "b" slice_param { slice_point: 6 }', "must grow"),
        ('type: "Slice" top: "a" slice_param { axis: 0 }', "axis 0 would mix images"),
        ('type: "Slice" top: "a" slice_param { axis: 1 slice_dim: 1 }', "both axis and slice_dim"),
        ('type: "Concat" concat_param { axis: 1 concat_dim: 1 }', "both axis and concat_dim"),
        ('type: "Permute" permute_param { order: 1 order: 0 }', "must begin with 0"),
        ('type: "Permute" permute_param { order: 0 order: 4 }', "must name each of 0 to 3"),
    ],
)
def test_what_cannot_be_done_is_refused(text, message):
    parameters = text_format.Parse(text, LayerParameter())
    with pytest.raises(ValueError, match=message):
        LAYERS[parameters.type].build(parameters, [X.shape])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("offset: 4", "2 places from 4 on are more than 5"),
        ("offset: 1 offset: 1 offset: 1", "3 offset for 2 dimensions"),
        ("axis: 0", "axis 0 would mix images"),
    ],
)
def test_crops_that_do_not_fit_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        apply(f'type: "Crop" crop_param {{ {text} }}', X, X[:, :, :2, :2])


# ---- deconvolution, and convolution unit by unit ---------------------------------------------


def deconvolve(x, weight, bias, stride, pad, dilation, groups):
    """Every input adds its kernel to the output."""
    kernel, per_group = weight.shape[2:], weight.shape[1]
    size = [stride[k] * (x.shape[2 + k] - 1) + dilation[k] * (kernel[k] - 1) + 1 for k in (0, 1)]
    out = np.zeros((len(x), per_group * groups, *size))
    for i in range(x.shape[1]):
        first = i // (x.shape[1] // groups) * per_group
        for o in range(per_group):
            for row in range(x.shape[2]):
                for column in range(x.shape[3]):
                    for u in range(kernel[0]):
                        for v in range(kernel[1]):
                            place = (
                                row * stride[0] + u * dilation[0],
                                column * stride[1] + v * dilation[1],
                            )
                            added = x[:, i, row, column] * float(weight[i, o, u, v])
                            out[:, first + o, place[0], place[1]] += added
    rows, columns = (slice(pad[k], size[k] - pad[k]) for k in (0, 1))
    return out[:, :, rows, columns] + (0 if bias is None else bias.astype(float)[:, None, None])


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(deadline=None, max_examples=40)
@given(pairs, pairs, pairs, st.booleans(), st.sampled_from([1, 2, 4]), st.integers(0, 99))
def test_deconvolution(kernel, stride, dilation, bias, groups, seed):
    x = draw(seed, 2, 4, 3, 2).astype(np.float64)
    pad = tuple(dilation[k] * (kernel[k] - 1) // 2 for k in (0, 1))
    weight, offset = draw(seed + 1, 4, 8 // groups, *kernel), draw(seed + 2, 8)
    text = (
        f'type: "Deconvolution" convolution_param {{ num_output: 8 group: {groups} '
        f"bias_term: {str(bias).lower()} kernel_h: {kernel[0]} kernel_w: {kernel[1]} "
        f"stride_h: {stride[0]} stride_w: {stride[1]} pad_h: {pad[0]} pad_w: {pad[1]} "
        f"dilation: {dilation[0]} dilation: {dilation[1]} }}"
    )
    found = apply_weighted(text, x, [weight, offset] if bias else [weight])
    offset = offset if bias else None
    close(found, deconvolve(x, weight, offset, stride, pad, dilation, groups))


@pytest.mark.parametrize("kind", ["DepthwiseConvolution", "ConvolutionDepthwise"])
@pytest.mark.parametrize("group", ["", "group: 6"])
def test_depthwise_convolution_is_a_convolution_in_groups_of_one(kind, group):
    blobs = [draw(1, 6, 1, 3, 3), draw(2, 6)]
    parameters = "num_output: 6 kernel_size: 3 stride: 2 pad: 1"
    expected = f'type: "Convolution" convolution_param {{ {parameters} group: 6 }}'
    found = f'type: "{kind}" convolution_param {{ {parameters} {group} }}'
    close(apply_weighted(found, X, blobs), apply_weighted(expected, X, blobs))
    with pytest.raises(ValueError, match="must be 6, the units of its input"):
        apply(f'type: "{kind}" convolution_param {{ num_output: 12 kernel_size: 3 }}', X)
