"""What operations on neighbouring positions do to places: convolutions, pools, resizing, padding.

Each rule gets the shapes and axes of the tensors that come from the image, the operation's
arguments and the shape of its output, and returns the output's axes.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from dissection.activations.places import (
    Axes,
    Axis,
    FollowError,
    Part,
    each,
    require_whole,
    whole,
)

Shape = tuple[int, ...]
Maps = list[tuple[Shape, Axes]]


class Arguments(Protocol):
    """Arguments of an operation by name, defaults included."""

    def __getitem__(self, name: str) -> Any: ...

    def get(self, name: str, default: Any = None) -> Any: ...

    def place(self, name: str) -> Any:
        """Return the shape and the axes of a tensor; axes of None if it is no map."""

    def places(self, name: str) -> list[Any]:
        """Return the same of every tensor of a list."""


Rule = Callable[[Maps, Arguments, Shape], Axes]


def entry(values: Any, place: int, default: Any = None) -> Any:
    """Return the entry of a list over dimensions, which may be one for all of them."""
    if isinstance(values, (int, float)):
        return values
    if not values:
        return default
    return values[place] if len(values) > 1 else values[0]


def over_windows(
    maps: Maps, count: int, rule: Callable[[Axis, Part, int], Axis | None], joined: int = 0
) -> Axes:
    """Apply a rule to what is along the last ``count`` dimensions.

    Parameters
    ----------
    maps : the operation's
    count : int
    rule : callable
        From an axis, its part along a dimension, and which of the ``count`` that is.
    joined : int
        Dimensions before these whose entries the operation sums.
    """
    shape, axes = maps[0]
    begin = len(shape) - count
    summed = range(begin - joined, begin)

    def along(axis: Axis) -> Axis | None:
        left: Axis | None = axis.without(summed)
        for part in left.parts if left else ():
            if part.dim >= begin:
                require_whole(part, axes, shape)
                left = rule(left, part, part.dim - begin)
                if left is None:
                    return None
        return left

    return each(axes, along)


def convolution(maps: Maps, arguments: Arguments, out: Shape, transposed: bool = False) -> Axes:
    kernels = tuple(arguments["weight"].shape[2:])

    def rule(axis: Axis, part: Part, place: int) -> Axis:
        kernel, stride = entry(kernels, place), entry(arguments["stride"], place)
        dilation, padding = entry(arguments["dilation"], place), arguments["padding"]
        reach, count = dilation * (kernel - 1), out[part.dim]
        if isinstance(padding, str):
            before = reach // 2 if padding == "same" else 0
        else:
            before = entry(padding, place)
        if not arguments.get("transposed", transposed):
            return axis.window(part, count, kernel, stride, before, dilation)
        # Output i is made from the inputs (i + padding - dilation * (0 ... kernel - 1)) / stride.
        return axis.exchange(
            part,
            part._replace(count=count, stride=part.stride / stride),
            part.stride * (before - reach) / stride,
            part.stride * before / stride,
        )

    return over_windows(maps, len(kernels), rule, joined=1)


def pool(maps: Maps, arguments: Arguments, out: Shape, count: int) -> Axes:
    def rule(axis: Axis, part: Part, place: int) -> Axis:
        kernel = entry(arguments["kernel_size"], place)
        return axis.window(
            part,
            out[part.dim],
            kernel,
            entry(arguments["stride"], place, default=kernel),
            entry(arguments["padding"], place),
            entry(arguments.get("dilation", 1), place),
        )

    return over_windows(maps, count, rule)


def adaptive_pool(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    def rule(axis: Axis, part: Part, place: int) -> Axis:
        positions, bins = part.count, out[part.dim]
        # Bin i has the positions floor(i * positions / bins) to ceil((i + 1) * positions / bins)
        # - 1. Where the division leaves a rest, the centre is right on average.
        widest = max(-(-(i + 1) * positions // bins) - i * positions // bins for i in range(bins))
        ratio = positions / bins
        return axis.window(part, bins, widest, ratio, before=(widest - ratio) / 2)

    return over_windows(maps, 2, rule)


def interpolate(maps: Maps, arguments: Arguments, out: Shape, nearest: bool = False) -> Axes:
    def rule(axis: Axis, part: Part, place: int) -> Axis | None:
        old, new = part.count, out[part.dim]
        if old == 1:
            return axis.without([part.dim])  # every position sees the same
        factors = arguments.get("scale_factors")
        ratio = 1 / entry(factors, place) if factors else old / new
        shift, reach = (ratio - 1) / 2, 1.0
        if arguments.get("align_corners", False) and new > 1:
            ratio, shift = (old - 1) / (new - 1), 0.0
        elif nearest:
            # Position i takes floor(i * ratio): lower than i * ratio by this much on average.
            parts = new // math.gcd(old, new)
            shift = (1 / parts - 1) / 2
            reach = -shift
        found = axis.exchange(
            part,
            part._replace(count=new, stride=part.stride * ratio),
            part.stride * (shift - reach),
            part.stride * (shift + reach),
        )
        # The size asked for is what the rounded sizes of other maps came to.
        return found._replace(slack=max(axis.slack, abs(part.stride)))

    return over_windows(maps, 2, rule)


def pixel_shuffle(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    """Units become positions: those made from one position look at the same."""
    factor = arguments["upscale_factor"]

    def rule(axis: Axis, part: Part, place: int) -> Axis:
        other = part._replace(count=out[part.dim], stride=part.stride / factor)
        shift = part.stride * (1 / factor - 1)  # of the last of them; the first is in place
        return axis.exchange(part, other, shift, 0)

    return over_windows(maps, 2, rule)


def pixel_unshuffle(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    factor = arguments["downscale_factor"]

    def rule(axis: Axis, part: Part, place: int) -> Axis:
        return axis.window(part, out[part.dim], factor, factor)

    return over_windows(maps, 2, rule)


def unfolded_windows(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    """Windows become columns: (images, units, rows, columns) to (images, values, positions)."""
    shape = maps[0][0]
    counts = []
    for place in range(2):
        kernel, dilation, padding, stride = (
            entry(arguments[name], place)
            for name in ("kernel_size", "dilation", "padding", "stride")
        )
        reach = dilation * (kernel - 1)
        counts.append((shape[len(shape) - 2 + place] + 2 * padding - reach - 1) // stride + 1)

    def rule(axis: Axis, part: Part, place: int) -> Axis:
        found = axis.window(
            part, counts[place],
            *(entry(arguments[name], place)
              for name in ("kernel_size", "stride", "padding", "dilation")),
        )  # fmt: skip
        parts = tuple(
            own._replace(dim=len(out) - 1, step=counts[1] if place == 0 else 1)
            if own.dim == part.dim
            else own
            for own in found.parts
        )
        return found._replace(parts=parts)

    return over_windows(maps, 2, rule)


def unfolded_dimension(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    """Windows along one dimension go into a new one at the end."""
    shape, axes = maps[0]
    dim = arguments["dimension"] % len(shape)

    def along(axis: Axis) -> Axis:
        for part in axis.parts:
            if part.dim == dim:
                require_whole(part, axes, shape)
                axis = axis.window(part, out[dim], arguments["size"], arguments["step"])
        return axis

    return each(axes, along)


def pad(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    shape, axes = maps[0]
    padding = arguments.get("pad") or arguments["padding"]  # before, after; last dimension first

    def along(axis: Axis) -> Axis:
        for part in axis.parts:
            place = 2 * (len(shape) - 1 - part.dim)
            before, after = padding[place : place + 2] if place < len(padding) else (0, 0)
            if whole(part, axes, shape):
                axis = _resized(axis, part, out[part.dim], before=before)
            elif min(before, after) < 0:
                raise FollowError("mixes rows or columns with other dimensions")
            else:
                axis = axis._replace(parts=_at(axis.parts, part, part.offset + before))
        return axis

    return each(axes, along)


def cut(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    """Take a slice along a dimension."""
    shape, axes = maps[0]
    dim = arguments["dim"] % len(shape)
    start, step = arguments.get("start") or 0, arguments.get("step") or 1
    start = min(max(0, start + shape[dim] if start < 0 else start), shape[dim])
    stop = start + out[dim] * step
    beside = [part for axis in axes if axis for part in axis.parts if part.dim == dim]
    first = min((part.offset for part in beside), default=0)
    last = first + sum((part.count - 1) * part.step for part in beside)

    def along(axis: Axis) -> Axis | None:
        for part in axis.parts:
            if part.dim != dim:
                continue
            if whole(part, axes, shape):
                return _resized(axis, part, out[dim], step, -start)
            if start > last or stop <= first:
                return None  # what has no place, such as a class token
            if step > 1 or start > first or stop <= last:
                raise FollowError("takes the image apart")
            return axis._replace(parts=_at(axis.parts, part, part.offset - start))
        return axis

    return each(axes, along)


def _resized(axis: Axis, part: Part, count: int, step: int = 1, before: int = 0) -> Axis:
    if (before, step) == (0, 1):  # nothing moves
        parts = tuple(own._replace(count=count) if own == part else own for own in axis.parts)
        return axis._replace(parts=parts)
    return axis.window(part, count, stride=step, before=before)


def _at(parts: Sequence[Part], part: Part, offset: int) -> tuple[Part, ...]:
    return tuple(own._replace(offset=offset) if own == part else own for own in parts)


def mirror(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    shape, axes = maps[0]
    dims = {dim % len(shape) for dim in arguments["dims"]}

    def along(axis: Axis) -> Axis:
        for part in axis.parts:
            if part.dim in dims:
                require_whole(part, axes, shape)
                end = (part.count - 1) * part.stride
                axis = axis.exchange(part, part._replace(stride=-part.stride), end, end)
        return axis

    return each(axes, along)


def roll(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    shape, axes = maps[0]
    if not arguments["dims"]:
        raise FollowError("moves positions into other rows")
    dims = [dim % len(shape) for dim in arguments["dims"]]
    shifts = dict(zip(dims, arguments["shifts"], strict=True))

    def along(axis: Axis) -> Axis:
        for part in axis.parts:
            if part.dim in shifts:
                require_whole(part, axes, shape)
                if len(axis.parts) > 1:
                    raise FollowError("moves positions into other windows")
                axis = axis._replace(rolled=(axis.rolled + shifts[part.dim]) % part.count)
        return axis

    return each(axes, along)


nearest = functools.partial(interpolate, nearest=True)
