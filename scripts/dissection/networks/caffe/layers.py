"""Caffe's layers as PyTorch modules, each built from its parameters and its inputs' shapes.

A builder raises ValueError for what it cannot do; the message is the end of a sentence about the
layer.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from dissection.networks.caffe.pooling import Pooling

_Shape = tuple[int, ...]


class Weighted:
    """A module with weights, of which Caffe's files hold the blobs in a fixed order."""

    def blob_shapes(self) -> list[_Shape]:
        """Return the blobs' shapes; those of the module's parameters unless it says otherwise."""
        return [tuple(parameter.shape) for parameter in self.parameters()]

    def load(self, blobs: Sequence[torch.Tensor]) -> None:
        """Take the weights from blobs of these shapes."""
        with torch.no_grad():
            for parameter, blob in zip(self.parameters(), blobs, strict=True):
                parameter.copy_(blob)

    def draw(self) -> None:
        """Draw random weights."""
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class Convolution(Weighted, nn.Conv2d):
    """Blobs: weight (outputs, inputs / groups, height, width), bias (outputs,)."""


class InnerProduct(Weighted, nn.Linear):
    """A linear map of all dimensions from ``axis`` on. Blobs: weight (outputs, inputs), bias."""

    def __init__(self, inputs: int, outputs: int, bias: bool, axis: int, transposed: bool) -> None:
        super().__init__(inputs, outputs, bias)
        self.axis = axis
        self.transposed = transposed  # in the file

    def blob_shapes(self) -> list[_Shape]:
        weight, *bias = super().blob_shapes()
        return [weight[::-1] if self.transposed else weight, *bias]

    def load(self, blobs: Sequence[torch.Tensor]) -> None:
        weight, *bias = blobs
        super().load([weight.T if self.transposed else weight, *bias])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.flatten(self.axis))


class BatchNorm(Weighted, nn.Module):
    """Normalisation by fixed statistics. Blobs: sum of means, sum of variances, their weight."""

    def __init__(self, units: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("mean", torch.empty(units))
        self.register_buffer("variance", torch.empty(units))

    def blob_shapes(self) -> list[_Shape]:
        return [tuple(self.mean.shape), tuple(self.variance.shape), (1,)]

    def load(self, blobs: Sequence[torch.Tensor]) -> None:
        mean, variance, weight = blobs
        factor = 0.0 if weight.item() == 0 else 1 / weight.item()
        self.mean.copy_(mean * factor)
        self.variance.copy_(variance * factor)

    def draw(self) -> None:
        self.mean.zero_()
        self.variance.fill_(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.batch_norm(x, self.mean, self.variance, eps=self.eps)


class Scale(Weighted, nn.Module):
    """A factor and perhaps a summand for each unit. Blobs: weight (units,), bias (units,)."""

    def __init__(self, units: int, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(units))
        self.bias = nn.Parameter(torch.empty(units)) if bias else None

    def draw(self) -> None:
        nn.init.ones_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shape = (-1, *[1] * (x.ndim - 2))
        x = x * self.weight.view(shape)
        return x if self.bias is None else x + self.bias.view(shape)


class Eltwise(nn.Module):
    """Weighted sum, product or maximum of tensors of one shape."""

    def __init__(self, operation: str, coefficients: Sequence[float]) -> None:
        super().__init__()
        self.operation = operation
        self.coefficients = coefficients

    def forward(self, *xs: torch.Tensor) -> torch.Tensor:
        if self.operation == "SUM":
            xs = tuple(
                x if factor == 1 else x * factor
                for x, factor in zip(xs, self.coefficients, strict=True)
            )
        combine = {"SUM": torch.add, "PROD": torch.mul, "MAX": torch.maximum}[self.operation]
        result, *others = xs
        for x in others:
            result = combine(result, x)
        return result


class Concat(nn.Module):
    """Tensors one after the other along a dimension."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *xs: torch.Tensor) -> torch.Tensor:
        return torch.cat(xs, self.axis)


class Reshape(nn.Module):
    """A new shape; 0 keeps the size of that dimension, -1 is what is left."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape([size or x.shape[dim] for dim, size in enumerate(self.shape)])


def _need(condition: bool, problem: str) -> None:
    if not condition:
        raise ValueError(problem)


def _pair(parameters: Any, name: str, letter: str, default: int | None = None) -> tuple[int, int]:
    """Return a parameter for rows and columns: one number, two, or fields that end in _h, _w."""
    values = list(getattr(parameters, name))
    by_axis = [f"{letter}_h", f"{letter}_w"]
    if any(parameters.HasField(key) for key in by_axis):
        _need(not values, f"it has both {name} and {by_axis[0]} or {by_axis[1]}")
        values = [
            getattr(parameters, key) if parameters.HasField(key) else default for key in by_axis
        ]
    elif not values:
        values = [default, default]
    _need(None not in values, f"{name} is missing")
    _need(len(values) <= 2, f"{name} has {len(values)} values; only two dimensions are supported")
    _need(name == "pad" or min(values) > 0, f"{name} must be above 0")
    return values[0], values[-1]


def _axis(axis: int, shape: _Shape) -> int:
    """Return an axis counted from the front; the axis of images is none for a layer."""
    _need(-len(shape) <= axis < len(shape), f"axis {axis} does not exist")
    axis %= len(shape)
    _need(axis > 0, "axis 0 would mix images of a batch")
    return axis


def _convolution(layer: Any, shapes: Sequence[_Shape]) -> nn.Module:
    parameters, (shape,) = layer.convolution_param, shapes
    _need(len(shape) == 4, "it needs maps")
    _need(_axis(parameters.axis, shape) == 1, f"axis {parameters.axis} is not supported, only 1")
    _need(parameters.num_output > 0, "num_output must be above 0")
    dilation = list(parameters.dilation) or [1]
    _need(len(dilation) <= 2 and min(dilation) > 0, "dilation must be one or two numbers above 0")
    return Convolution(
        shape[1],
        parameters.num_output,
        _pair(parameters, "kernel_size", "kernel"),
        _pair(parameters, "stride", "stride", 1),
        _pair(parameters, "pad", "pad", 0),
        (dilation[0], dilation[-1]),
        parameters.group,
        parameters.bias_term,
    )


def _pooling(layer: Any, shapes: Sequence[_Shape]) -> nn.Module:
    parameters, (shape,) = layer.pooling_param, shapes
    _need(len(shape) == 4, "it needs maps")
    method = {0: "max", 1: "average"}.get(parameters.pool)
    _need(method is not None, "stochastic pooling is not supported")
    kernel = None if parameters.global_pooling else _pair(parameters, "kernel_size", "kernel")
    stride = _pair(parameters, "stride", "stride", 1)
    pad = _pair(parameters, "pad", "pad", 0)
    if kernel is None:
        _need(pad == (0, 0) and stride == (1, 1), "global pooling has no pad and no stride")
    else:
        _need(
            all(before < size for before, size in zip(pad, kernel, strict=True)),
            "pad must be below kernel_size",
        )
    return Pooling(
        method, kernel, stride, pad, parameters.round_mode == 1 or not parameters.ceil_mode
    )


def _lrn(layer: Any, shapes: Sequence[_Shape]) -> nn.Module:
    parameters = layer.lrn_param
    _need(parameters.norm_region == 0, "only the norm_region ACROSS_CHANNELS is supported")
    _need(parameters.local_size % 2 == 1, "local_size must be odd")
    # Both divide alpha by the number of units, also at the ends where there are fewer.
    return nn.LocalResponseNorm(
        parameters.local_size, parameters.alpha, parameters.beta, parameters.k
    )


def _inner_product(layer: Any, shapes: Sequence[_Shape]) -> nn.Module:
    parameters, (shape,) = layer.inner_product_param, shapes
    axis = _axis(parameters.axis, shape)
    _need(parameters.num_output > 0, "num_output must be above 0")
    return InnerProduct(
        math.prod(shape[axis:]),
        parameters.num_output,
        parameters.bias_term,
        axis,
        parameters.transpose,
    )


def _batch_norm(layer: Any, shapes: Sequence[_Shape]) -> nn.Module:
    parameters = layer.batch_norm_param
    _need(
        parameters.use_global_stats,
        "use_global_stats: false would let every image change the units of the others in its "
        "batch; set it to true",
    )
    return BatchNorm(shapes[0][1], parameters.eps)


def _scale(layer: Any, shapes: Sequence[_Shape]) -> nn.Module:
    parameters, (shape,) = layer.scale_param, shapes
    _need(
        _axis(parameters.axis, shape) == 1 and parameters.num_axes == 1,
        "only axis 1 and num_axes 1 are supported",
    )
    return Scale(shape[1], parameters.bias_term)


def _relu(layer: Any, shapes: Sequence[_Shape]) -> nn.Module:
    slope = layer.relu_param.negative_slope
    return nn.LeakyReLU(slope) if slope else nn.ReLU()


def _dropout(layer: Any, shapes: Sequence[_Shape]) -> nn.Module:
    return nn.Dropout(layer.dropout_param.dropout_ratio)


def _concat(layer: Any, shapes: Sequence[_Shape]) -> nn.Module:
    parameters = layer.concat_param
    old = parameters.HasField("concat_dim")  # an old name of axis
    return Concat(_axis(parameters.concat_dim if old else parameters.axis, shapes[0]))


def _eltwise(layer: Any, shapes: Sequence[_Shape]) -> nn.Module:
    parameters = layer.eltwise_param
    _need(len(set(shapes)) == 1, "all its inputs must have the same shape")
    operation = ("PROD", "SUM", "MAX")[parameters.operation]
    factors = list(parameters.coeff)
    _need(not factors or operation == "SUM", "coeff is for the operation SUM alone")
    _need(len(factors) in (0, len(shapes)), f"it has {len(factors)} coeff for {len(shapes)} inputs")
    return Eltwise(operation, factors or [1.0] * len(shapes))


def _softmax(layer: Any, shapes: Sequence[_Shape]) -> nn.Module:
    return nn.Softmax(_axis(layer.softmax_param.axis, shapes[0]))


def _flatten(layer: Any, shapes: Sequence[_Shape]) -> nn.Module:
    parameters = layer.flatten_param
    return nn.Flatten(_axis(parameters.axis, shapes[0]), _axis(parameters.end_axis, shapes[0]))


def _reshape(layer: Any, shapes: Sequence[_Shape]) -> nn.Module:
    parameters = layer.reshape_param
    sizes = list(parameters.shape.dim)
    _need(
        parameters.axis == 0 and parameters.num_axes == -1,
        "only axis 0 and num_axes -1 are supported",
    )
    _need(
        bool(sizes) and sizes[0] <= 0,
        "its first dim must be 0 or -1, because the number of images is free",
    )
    return Reshape(sizes)


class _Kind(NamedTuple):
    build: Callable[[Any, Sequence[_Shape]], nn.Module]
    fewest: int = 1  # bottoms
    most: float = 1


# By the name of their type in Caffe.
LAYERS: dict[str, _Kind] = {
    "Convolution": _Kind(_convolution),
    "Pooling": _Kind(_pooling),
    "LRN": _Kind(_lrn),
    "InnerProduct": _Kind(_inner_product),
    "ReLU": _Kind(_relu),
    "Dropout": _Kind(_dropout),
    "Concat": _Kind(_concat, most=math.inf),
    "Eltwise": _Kind(_eltwise, fewest=2, most=math.inf),
    "BatchNorm": _Kind(_batch_norm),
    "Scale": _Kind(_scale),
    "Softmax": _Kind(_softmax),
    "Flatten": _Kind(_flatten),
    "Reshape": _Kind(_reshape),
}
