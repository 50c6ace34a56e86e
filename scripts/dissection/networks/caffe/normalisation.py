"""Caffe's normalisations, and the factors and summands of units that follow them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from dissection.networks.caffe.parameters import Shape, counted, need, need_phase_test
from dissection.networks.caffe.pooling import Pooling
from dissection.networks.caffe.weighted import Weighted


class BatchNorm(Weighted, nn.Module):
    """Normalisation by fixed statistics.

    Blobs: sum of means, sum of variances, their weight. Where there is no weight the first two
    are the mean and the variance themselves. Forks have a factor and a summand of units after
    them; in NVIDIA's, which says so by ``scale_bias``, the weight is not looked at.
    """

    def __init__(self, units: int, eps: float, scaled: bool = False) -> None:
        super().__init__()
        self.eps = eps
        self.scaled = scaled
        self.register_buffer("mean", torch.empty(units))
        self.register_buffer("variance", torch.empty(units))
        self.register_buffer("weight", torch.empty(units) if scaled else None)
        self.register_buffer("bias", torch.empty(units) if scaled else None)

    def blob_shapes(self) -> list[Shape]:
        units = tuple(self.mean.shape)
        return [units, units, (1,)] + [units, units] * self.scaled

    def other_blob_shapes(self) -> list[list[Shape]]:
        units = tuple(self.mean.shape)
        return [] if self.scaled else [[units, units], [units, units, (1,), units, units]]

    def load(self, blobs: Sequence[torch.Tensor]) -> None:
        mean, variance, *more = blobs
        weight = more[0].item() if more and not self.scaled else 1.0
        factor = 0.0 if weight == 0 else 1 / weight
        self.mean.copy_(mean * factor)
        self.variance.copy_(variance * factor)
        if len(more) > 1:
            self.weight, self.bias = more[1].clone(), more[2].clone()

    def draw(self) -> None:
        self.mean.zero_()
        self.variance.fill_(1)
        if self.scaled:
            self.weight.fill_(1)
            self.bias.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.batch_norm(
            x, self.mean, self.variance, self.weight, self.bias, eps=self.eps
        )


class BN(BatchNorm):
    """A fork's normalisation. Blobs: factor, summand, mean, variance."""

    def __init__(self, units: int, eps: float) -> None:
        super().__init__(units, eps, scaled=True)

    def blob_shapes(self) -> list[Shape]:
        return [tuple(self.mean.shape)] * 4

    def load(self, blobs: Sequence[torch.Tensor]) -> None:
        weight, bias, mean, variance = blobs
        super().load([mean, variance, torch.ones(1), weight, bias])


class Scale(Weighted, nn.Module):
    """A factor, a summand or both for each place along some axes, mostly for each unit.

    Blobs: weight, bias; of the shape of these axes.
    """

    def __init__(self, shape: Shape, trailing: int, weight: bool, bias: bool) -> None:
        super().__init__()
        self.trailing = trailing  # axes after these
        self.weight = nn.Parameter(torch.empty(shape)) if weight else None
        self.bias = nn.Parameter(torch.empty(shape)) if bias else None

    def draw(self) -> None:
        if self.weight is not None:
            nn.init.ones_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for values, combine in ((self.weight, torch.mul), (self.bias, torch.add)):
            if values is not None:
                x = combine(x, values.reshape(*values.shape, *[1] * self.trailing))
        return x


class ScaleBy(nn.Module):
    """Factors or summands from another tensor, whose dimensions are the first of the input's."""

    def __init__(self, operation: str) -> None:
        super().__init__()
        self.operation = operation

    def forward(self, x: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        values = values.reshape(*values.shape, *[1] * (x.ndim - values.ndim))
        return x * values if self.operation == "factor" else x + values


class LRNWithinChannel(nn.Module):
    """Normalisation by the squares of a unit's neighbourhood on its map."""

    def __init__(self, size: int, alpha: float, beta: float) -> None:
        super().__init__()
        self.pooling = Pooling("average", (size, size), (1, 1), (size // 2, size // 2))
        self.alpha = alpha
        self.beta = beta

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (1 + self.alpha * self.pooling(x * x)) ** -self.beta


_OF_BATCH = "would let every image change the units of the others in its batch"


def batch_norm(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    parameters = layer.batch_norm_param
    need_phase_test(layer)
    need(parameters.use_global_stats, f"use_global_stats: false {_OF_BATCH}; set it to true")
    scaled = parameters.scale_bias or any(
        parameters.HasField(field) for field in ("scale_filler", "bias_filler")
    )
    # To NVIDIA's fork anything below is 1e-5, to others not. The field is of single precision.
    need(not scaled or parameters.eps > 0.999e-5, "with scale_bias eps must be at least 1e-5")
    return BatchNorm(shapes[0][1], parameters.eps, scaled)


def bn(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    parameters, (shape,) = layer.bn_param, shapes
    need_phase_test(layer)
    if parameters.bn_mode == 1:  # the statistics are in the factors already
        return Scale((shape[1],), len(shape) - 2, weight=True, bias=True)
    need(not parameters.HasField("bn_mode"), f"bn_mode: LEARN {_OF_BATCH}; set it to INFERENCE")
    return BN(shape[1], parameters.eps)


def scale(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    bias = layer.scale_param.bias_term
    if len(shapes) == 2:
        need(not bias, "bias_term is not supported beside a second bottom")
        return _from_other(layer.scale_param, shapes, "factor")
    return Scale(*_places(layer.scale_param, shapes[0]), weight=True, bias=bias)


def bias(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    if len(shapes) == 2:
        return _from_other(layer.bias_param, shapes, "summand")
    return Scale(*_places(layer.bias_param, shapes[0]), weight=False, bias=True)


def _places(parameters: Any, shape: Shape) -> tuple[Shape, int]:
    """Return the sizes of the axes that have weights, and how many axes follow them."""
    axis, count = counted(parameters.axis, shape), parameters.num_axes
    end = len(shape) if count == -1 else axis + count
    need(axis <= end <= len(shape), f"num_axes {count} goes beyond the {len(shape)} axes")
    return shape[axis:end], len(shape) - end


def _from_other(parameters: Any, shapes: Sequence[Shape], operation: str) -> nn.Module:
    shape, values = shapes
    # num_axes is that of the second bottom, whatever is given.
    need(
        parameters.axis in (0, -len(shape)),
        "its second bottom begins with the images, as its first does, so axis must be 0",
    )
    need(values == shape[: len(values)], "the second must be the beginning of the first")
    return ScaleBy(operation)


def lrn(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    parameters = layer.lrn_param
    need(parameters.local_size % 2 == 1, "local_size must be odd")
    if parameters.norm_region == 1:
        need(len(shapes[0]) == 4, "it needs maps")
        need(parameters.k == 1, "k is not supported in the norm_region WITHIN_CHANNEL, only 1")
        return LRNWithinChannel(parameters.local_size, parameters.alpha, parameters.beta)
    # Both divide alpha by the number of units, also at the ends where there are fewer.
    return nn.LocalResponseNorm(
        parameters.local_size, parameters.alpha, parameters.beta, parameters.k
    )
