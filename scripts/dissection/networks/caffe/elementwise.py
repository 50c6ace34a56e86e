"""Caffe's layers that work on each value by itself, and those that combine tensors so."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from dissection.networks.caffe.parameters import Shape, counted, need, need_phase_test
from dissection.networks.caffe.weighted import Weighted


class Function(nn.Module):
    """A function of each value."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


class Power(nn.Module):
    """(shift + scale * x) ** power."""

    def __init__(self, power: float, scale: float, shift: float) -> None:
        super().__init__()
        self.power = power
        self.scale = scale
        self.shift = shift

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x * self.scale + self.shift
        return x if self.power == 1 else x**self.power


class PReLU(Weighted, nn.Module):
    """A slope for what is below 0. Blobs: the slopes (units,), or () if all have the same."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))

    def draw(self) -> None:
        nn.init.constant_(self.weight, 0.25)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        slopes = self.weight
        if slopes.ndim:
            slopes = slopes.reshape(-1, *[1] * (x.ndim - 2))
        return x.clamp(min=0) + slopes * x.clamp(max=0)


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


class Axpy(nn.Module):
    """A factor for each unit of each image, and a summand for each value."""

    def forward(self, a: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return a.reshape(*x.shape[:2], *[1] * (x.ndim - 2)) * x + y


def relu(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    slope = layer.relu_param.negative_slope
    return nn.LeakyReLU(slope) if slope else nn.ReLU()


def relu6(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    need(not layer.relu_param.negative_slope, "negative_slope is not supported")
    return nn.ReLU6()


def clip(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    parameters = layer.clip_param
    need(parameters.HasField("min") and parameters.HasField("max"), "it needs min and max")
    need(parameters.min < parameters.max, "min must be below max")
    return nn.Hardtanh(parameters.min, parameters.max)


def prelu(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    return PReLU(() if layer.prelu_param.channel_shared else (shapes[0][1],))


def elu(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    return nn.ELU(layer.elu_param.alpha)


def sigmoid(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    return nn.Sigmoid()


def tanh(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    return nn.Tanh()


def absval(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    return Function(torch.abs)


def bnll(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    # log(1 + exp(x)), without overflow.
    return Function(lambda x: x.clamp(min=0) + torch.log1p(torch.exp(-x.abs())))


def swish(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    beta = layer.swish_param.beta
    return Function(lambda x: x * torch.sigmoid(beta * x))


def threshold(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    limit = layer.threshold_param.threshold
    return Function(lambda x: (x > limit).to(x.dtype))


def power(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    parameters = layer.power_param
    return Power(parameters.power, parameters.scale, parameters.shift)


def exp(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    parameters = layer.exp_param
    factor, scale, shift = _log_of_base(parameters.base), parameters.scale, parameters.shift
    return Function(lambda x: torch.exp(factor * (x * scale + shift)))


def log(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    parameters = layer.log_param
    factor, scale, shift = _log_of_base(parameters.base), parameters.scale, parameters.shift
    return Function(lambda x: torch.log(x * scale + shift) / factor)


def _log_of_base(base: float) -> float:
    need(base > 0 or base == -1, "base must be above 0, or -1 for e")
    return 1.0 if base == -1 else math.log(base)


def dropout(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    parameters = layer.dropout_param
    need_phase_test(layer)
    need(not parameters.sample_weights_test, "sample_weights_test would give random results")
    if parameters.scale_train:
        return nn.Dropout(parameters.dropout_ratio)
    # What was not scaled in training is scaled when the network is used.
    return Power(1, 1 - parameters.dropout_ratio, 0)


def softmax(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    return nn.Softmax(counted(layer.softmax_param.axis, shapes[0]))


def eltwise(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    parameters = layer.eltwise_param
    need(len(set(shapes)) == 1, "all its inputs must have the same shape")
    operation = ("PROD", "SUM", "MAX")[parameters.operation]
    factors = list(parameters.coeff)
    need(not factors or operation == "SUM", "coeff is for the operation SUM alone")
    need(len(factors) in (0, len(shapes)), f"it has {len(factors)} coeff for {len(shapes)} inputs")
    return Eltwise(operation, factors or [1.0] * len(shapes))


def axpy(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    factors, x, y = shapes
    need(x == y and math.prod(factors) == math.prod(x[:2]), "it needs a factor for each unit")
    return Axpy()
