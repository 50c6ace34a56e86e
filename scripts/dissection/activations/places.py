"""Which positions of a tensor stand for rows and columns of the image, and where these look.

A plain map has rows and columns in a dimension each. Tokens have both in one, behind a few that
have no place; networks that work in windows divide each among several dimensions.
"""

import math
from collections.abc import Callable, Collection
from typing import NamedTuple


class FollowError(Exception):
    """Says, after the name of an operation, what it does to the positions."""


class Part(NamedTuple):
    """Positions along one dimension of a tensor.

    Attributes
    ----------
    dim : int
    count : int
        How many there are.
    stride : float
        Distance of what neighbours look at, input pixels; negative in a mirrored map.
    step, offset : int
        Number i is at offset + i * step of the dimension, if others that share it are at their
        first.
    """

    dim: int
    count: int
    stride: float
    step: int = 1
    offset: int = 0


class Axis(NamedTuple):
    """Rows or columns of the image in a tensor.

    The position i, j, ... of its parts looks at the input pixels ``first`` to ``last``, at some or
    all of them, each moved by i, j, ... times the strides of its parts. It is not clipped at the
    border of the image.

    Attributes
    ----------
    parts : tuple of Part
        From the coarsest to the finest.
    first, last : float
    slack : float
        Pixels by which positions can be off, because sizes were rounded.
    rolled : int
        Positions by which all are moved, over the end to the start.
    """

    parts: tuple[Part, ...]
    first: float
    last: float
    slack: float = 0.0
    rolled: int = 0

    @property
    def centre(self) -> float:
        """Centre of what the first position looks at, input pixels."""
        return (self.first + self.last) / 2

    @property
    def stride(self) -> float:
        """Distance of what neighbouring positions look at, input pixels."""
        return self.parts[-1].stride

    @property
    def size(self) -> int:
        """Extent of what a position looks at, input pixels."""
        return math.ceil(self.last - self.first + 1 - 1e-9)

    @property
    def dims(self) -> set[int]:
        """Dimensions that have some of it."""
        return {part.dim for part in self.parts}

    def exchange(self, part: Part, other: Part, before: float = 0, after: float = 0) -> "Axis":
        """Return the axis with another part in the place of one.

        Parameters
        ----------
        part, other : Part
        before, after : float
            Pixels from the ends of what a position looked at to those of what it looks at now.
        """
        if self.rolled:
            raise FollowError("works on positions of a map that was rolled over its border")
        parts = tuple(other if own == part else own for own in self.parts)
        low, high = min(before, after), max(before, after)  # in a mirrored map they change places
        return self._replace(parts=parts, first=self.first + low, last=self.last + high)

    def window(
        self,
        part: Part,
        count: int,
        kernel: int = 1,
        stride: float = 1,
        before: float = 0,
        dilation: int = 1,
    ) -> "Axis":
        """Return the axis after an operation on windows of positions along one of its parts.

        Parameters
        ----------
        part : Part
        count : int
            Positions that there are then.
        kernel, stride, dilation : int
        before : int
            Positions of padding at the start.
        """
        return self.exchange(
            part,
            part._replace(count=count, stride=part.stride * stride),
            -part.stride * before,
            part.stride * (dilation * (kernel - 1) - before),
        )

    def without(self, dims: Collection[int]) -> "Axis | None":
        """Return the axis after what is along dimensions became one: None if nothing is left."""
        gone = [part for part in self.parts if part.dim in dims]
        axis: Axis | None = self
        if len(gone) == len(self.parts):
            return None
        for part in gone:
            # A position now looks at what all of these did.
            axis = axis.exchange(part, part, 0, part.stride * (part.count - 1))
        return axis._replace(parts=tuple(part for part in self.parts if part not in gone))

    def renumbered(self, number: Callable[[int], int]) -> "Axis":
        """Return the axis with other numbers of the dimensions."""
        return self._replace(
            parts=tuple(part._replace(dim=number(part.dim)) for part in self.parts)
        )

    def ordered(self) -> "Axis":
        """Return the axis with as few parts as can be: those that follow each other become one."""
        several = [part for part in self.parts if part.count > 1] or self.parts[:1]
        joined: list[Part] = []
        for part in sorted(several, key=lambda part: abs(part.stride)):
            finer = joined[-1] if joined else None
            if (
                finer
                and (part.dim, part.offset) == (finer.dim, finer.offset)
                and part.step == finer.step * finer.count
                and math.isclose(part.stride, finer.stride * finer.count)
            ):
                joined[-1] = finer._replace(count=finer.count * part.count)
            else:
                joined.append(part)
        return self._replace(parts=tuple(reversed(joined)))


Axes = tuple[Axis | None, Axis | None]  # rows, columns; None if it has no position


class Lost(NamedTuple):
    """Said of a tensor whose positions cannot be followed: why."""

    reason: str


def each(axes: Axes, rule: Callable[[Axis], Axis | None]) -> Axes:
    """Return what a rule makes of rows and of columns, where there are any."""
    rows, columns = (None if axis is None else rule(axis) for axis in axes)
    return rows, columns


def whole(part: Part, axes: Axes, shape: tuple[int, ...]) -> bool:
    """Whether a dimension is filled by one part and nothing else."""
    beside = [own for axis in axes if axis for own in axis.parts if own.dim == part.dim]
    return beside == [part] and (part.count, part.step) == (shape[part.dim], 1)


def require_whole(part: Part, axes: Axes, shape: tuple[int, ...]) -> None:
    """Refuse an operation along a dimension that has more than one thing."""
    if not whole(part, axes, shape):
        raise FollowError("mixes rows or columns with other dimensions")


def union(axes: list[Axis]) -> Axis | None:
    """Return the axis where maps meet, elementwise: the box around what each looks at.

    Maps whose strides differ because a size was rounded meet where the sharper one is.
    """
    if not axes:
        return None
    axes = [axis.ordered() for axis in axes]
    arranged = [
        tuple((part.dim, part.count, part.step, part.offset) for part in axis.parts)
        for axis in axes
    ]
    if len(set(arranged)) > 1:
        mixes = len({frozenset(axis.dims) for axis in axes}) > 1
        raise FollowError(
            "mixes rows with columns" if mixes else "joins maps whose positions are in other orders"
        )
    if len({axis.rolled for axis in axes}) > 1:
        raise FollowError("joins a map that was rolled over its border with one that was not")
    sharpest = min(axes, key=lambda axis: (axis.slack, axis.last - axis.first))
    first, last = sharpest.first, sharpest.last
    parts = list(sharpest.parts)
    for axis in axes:
        moved = 0.0  # the last position, against the sharpest map's
        for place, (part, own) in enumerate(zip(sharpest.parts, axis.parts, strict=True)):
            strides = part.stride, own.stride
            if part.count == 1 or abs(strides[1] - strides[0]) <= 1e-6 * max(map(abs, strides)):
                parts[place] = max(parts[place], own, key=lambda part: part.stride)
                continue
            moved += (part.count - 1) * (own.stride - part.stride)
            apart = axis.centre - sharpest.centre
            if max(abs(apart), abs(apart + moved)) > axis.slack + sharpest.slack:
                raise FollowError(
                    f"joins maps of different strides ({min(strides):g} and {max(strides):g} "
                    "pixels)"
                )
        first = min(first, axis.first, axis.first + moved)
        last = max(last, axis.last, axis.last + moved)
    slack = max(axis.slack for axis in axes)
    return sharpest._replace(parts=tuple(parts), first=first, last=last, slack=slack)
