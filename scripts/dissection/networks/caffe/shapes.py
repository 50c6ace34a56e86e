"""Caffe's layers that join, take apart and reorder tensors."""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from dissection.networks.caffe.parameters import Shape, counted, need


class Concat(nn.Module):
    """Tensors one after the other along a dimension."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *xs: torch.Tensor) -> torch.Tensor:
        return torch.cat(xs, self.axis)


class Part(nn.Module):
    """What lies from one place to another along a dimension."""

    def __init__(self, axis: int, start: int, stop: int) -> None:
        super().__init__()
        self.axis = axis
        self.start = start
        self.stop = stop

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.narrow(self.axis, self.start, self.stop - self.start)


class Crop(nn.Module):
    """As much of a tensor as another has, along the axes from one on."""

    def __init__(self, axis: int, offsets: Sequence[int]) -> None:
        super().__init__()
        self.axis = axis
        self.offsets = offsets

    def forward(self, x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        for dim, offset in enumerate(self.offsets, start=self.axis):
            x = x.narrow(dim, offset, other.shape[dim])
        return x


class Reshape(nn.Module):
    """A new shape for some dimensions; 0 keeps the size of one, -1 is what is left."""

    def __init__(self, start: int, end: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.start = start
        self.end = end
        self.sizes = sizes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        new = [size or x.shape[dim] for dim, size in enumerate(self.sizes, start=self.start)]
        return x.reshape([*x.shape[: self.start], *new, *x.shape[self.end :]])


class Permute(nn.Module):
    """Another order of dimensions."""

    def __init__(self, order: Sequence[int]) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(*self.order)


def concat(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    parameters = layer.concat_param
    old = parameters.HasField("concat_dim")  # an old name of axis
    need(not (old and parameters.HasField("axis")), "it has both axis and concat_dim")
    return Concat(counted(parameters.concat_dim if old else parameters.axis, shapes[0]))


def cut(layer: Any, shapes: Sequence[Shape]) -> list[nn.Module]:
    """Slice: one part for each top."""
    parameters, (shape,) = layer.slice_param, shapes
    old = parameters.HasField("slice_dim")
    need(not (old and parameters.HasField("axis")), "it has both axis and slice_dim")
    axis = counted(parameters.slice_dim if old else parameters.axis, shape)
    size, count = shape[axis], len(layer.top)
    points = list(parameters.slice_point)
    if not points:
        need(size % count == 0, f"{size} places cannot be cut into {count} equal parts")
        points = list(range(size // count, size, size // count))
    need(len(points) == count - 1, f"it has {len(points)} slice_point for {count} tops")
    ends = [0, *points, size]
    need(ends == sorted(set(ends)), f"slice_point must grow, from above 0 to below {size}")
    return [Part(axis, start, stop) for start, stop in itertools.pairwise(ends)]


def split(layer: Any, shapes: Sequence[Shape]) -> list[nn.Module]:
    return [nn.Identity() for _ in layer.top]


def crop(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    parameters, (shape, other) = layer.crop_param, shapes
    axis = counted(parameters.axis, shape)
    need(len(other) == len(shape), "its inputs must have the same number of dimensions")
    count = len(shape) - axis
    offsets = list(parameters.offset) or [0]
    need(len(offsets) in (1, count), f"it has {len(offsets)} offset for {count} dimensions")
    offsets = offsets * count if len(offsets) == 1 else offsets
    for offset, size, wanted in zip(offsets, shape[axis:], other[axis:], strict=True):
        need(offset + wanted <= size, f"{wanted} places from {offset} on are more than {size}")
    return Crop(axis, offsets)


def flatten(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    parameters = layer.flatten_param
    return nn.Flatten(counted(parameters.axis, shapes[0]), counted(parameters.end_axis, shapes[0]))


def reshape(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    parameters, (shape,) = layer.reshape_param, shapes
    sizes, count = list(parameters.shape.dim), parameters.num_axes
    # -1 is the place after the last axis.
    start = parameters.axis if parameters.axis >= 0 else len(shape) + 1 + parameters.axis
    end = len(shape) if count == -1 else start + count
    need(0 <= start <= end <= len(shape), f"axis {parameters.axis} and num_axes {count} do not fit")
    need(
        start > 0 or (bool(sizes) and sizes[0] <= 0),
        "its first dim must be 0 or -1, because the number of images is free",
    )
    return Reshape(start, end, sizes)


def permute(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    (shape,) = shapes
    order = list(layer.permute_param.order)
    order += [dim for dim in range(len(shape)) if dim not in order]
    need(sorted(order) == list(range(len(shape))), f"order must name each of 0 to {len(shape) - 1}")
    need(order[0] == 0, "order must begin with 0, the images")
    return Permute(order)
