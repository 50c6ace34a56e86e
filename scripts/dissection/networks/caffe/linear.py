"""Caffe's convolutions and inner products."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from dissection.networks.caffe.parameters import Shape, counted, need, pair
from dissection.networks.caffe.weighted import Weighted


class Convolution(Weighted, nn.Conv2d):
    """Blobs: weight (outputs, inputs / groups, height, width), bias (outputs,)."""


class Deconvolution(Weighted, nn.ConvTranspose2d):
    """Blobs: weight (inputs, outputs / groups, height, width), bias (outputs,)."""


class InnerProduct(Weighted, nn.Linear):
    """A linear map of all dimensions from ``axis`` on. Blobs: weight (outputs, inputs), bias."""

    def __init__(self, inputs: int, outputs: int, bias: bool, axis: int, transposed: bool) -> None:
        super().__init__(inputs, outputs, bias)
        self.axis = axis
        self.transposed = transposed  # in the file

    def blob_shapes(self) -> list[Shape]:
        weight, *bias = super().blob_shapes()
        return [weight[::-1] if self.transposed else weight, *bias]

    def load(self, blobs: Sequence[torch.Tensor]) -> None:
        weight, *bias = blobs
        super().load([weight.T if self.transposed else weight, *bias])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.flatten(self.axis))


def _windows(layer: Any, shape: Shape) -> dict[str, Any]:
    """Return what convolutions forwards and backwards have in common, as PyTorch calls it."""
    parameters = layer.convolution_param
    need(len(shape) == 4, "it needs maps")
    need(counted(parameters.axis, shape) == 1, f"axis {parameters.axis} is not supported, only 1")
    need(parameters.num_output > 0, "num_output must be above 0")
    dilation = list(parameters.dilation) or [1]
    need(len(dilation) <= 2 and min(dilation) > 0, "dilation must be one or two numbers above 0")
    return {
        "in_channels": shape[1],
        "out_channels": parameters.num_output,
        "kernel_size": pair(parameters, "kernel_size", "kernel"),
        "stride": pair(parameters, "stride", "stride", 1),
        "padding": pair(parameters, "pad", "pad", 0),
        "dilation": (dilation[0], dilation[-1]),
        "groups": parameters.group,
        "bias": parameters.bias_term,
    }


def convolution(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    return Convolution(**_windows(layer, shapes[0]))


def deconvolution(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    return Deconvolution(**_windows(layer, shapes[0]))


def depthwise_convolution(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    """A type of two forks: each unit has its own input, with or without ``group``."""
    options, units = _windows(layer, shapes[0]), shapes[0][1]
    need(
        options["out_channels"] == units and options["groups"] in (1, units),
        f"num_output, and group if it is given, must be {units}, the units of its input",
    )
    return Convolution(**options | {"groups": units})


def inner_product(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    parameters, (shape,) = layer.inner_product_param, shapes
    axis = counted(parameters.axis, shape)
    need(parameters.num_output > 0, "num_output must be above 0")
    return InnerProduct(
        math.prod(shape[axis:]),
        parameters.num_output,
        parameters.bias_term,
        axis,
        parameters.transpose,
    )
