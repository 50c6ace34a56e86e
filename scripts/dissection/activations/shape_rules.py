"""What operations elementwise, on shapes and on products do to places.

The rules are like those of `dissection.activations.window_rules`.
"""

import math
from collections.abc import Collection, Sequence

from dissection.activations.places import Axes, Axis, FollowError, Part, each, union
from dissection.activations.window_rules import Arguments, Maps, Shape


def combine(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    """Elementwise: tensors of one shape meet, or ones that broadcast to it."""

    def meet(k: int) -> Axis | None:
        found = []
        for shape, axes in maps:
            # A single position that meets a whole map reaches all of it alike: it is no place.
            ahead = len(out) - len(shape)
            axis = axes[k]
            if axis and all(shape[dim] == out[dim + ahead] for dim in axis.dims):
                found.append(axis.renumbered(lambda dim, ahead=ahead: dim + ahead))
        return union(found)

    return meet(0), meet(1)


def same(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    """Every position stays where it is, whatever happens to units."""
    shape, axes = maps[0]
    if len(shape) != len(out) or any(
        axis and any(shape[dim] != out[dim] for dim in axis.dims) for axis in axes
    ):
        raise FollowError(f"changes the size from {shape} to {out}")
    return axes


def along(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    """Something happens along one dimension, which must be neither rows nor columns."""
    shape, axes = maps[0]
    if any(axis and arguments["dim"] % len(shape) in axis.dims for axis in axes):
        raise FollowError("takes the image apart")
    return axes


def index(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    shape, axes = maps[0]
    indexed = {dim for dim, numbers in enumerate(arguments["indices"]) if numbers is not None}
    if len(out) != len(shape) or any(axis and axis.dims & indexed for axis in axes):
        raise FollowError("takes the image apart")
    return axes


def index_put(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    masks = [mask for mask in arguments["indices"] if mask is not None]
    if len(masks) != 1 or masks[0].shape != out:
        raise FollowError("writes into a part of a map")
    return same(maps, arguments, out)


def _dims(dim: int | Sequence[int] | None, shape: Shape) -> set[int]:
    if dim is None or dim == []:
        return set(range(len(shape)))
    return {d % len(shape) for d in ([dim] if isinstance(dim, int) else dim)}


def _taken(axes: Axes, dims: Collection[int]) -> Axes:
    """Take dimensions away."""

    def rule(axis: Axis) -> Axis | None:
        left = axis.without(dims)
        return left and left.renumbered(lambda dim: dim - sum(gone < dim for gone in dims))

    return each(axes, rule)


def select(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    """Take one number along a dimension; ``unbind`` takes each."""
    shape, axes = maps[0]
    dims = _dims(arguments["dim"], shape)
    number = arguments.get("index")
    parts = [part for axis in axes if axis for part in axis.parts if part.dim in dims]
    if parts:
        first = min(part.offset for part in parts)
        last = first + sum((part.count - 1) * part.step for part in parts)
        (dim,) = dims
        if number is None or first <= number % shape[dim] <= last:
            raise FollowError("takes the image apart")
        return each(axes, lambda axis: None if axis.dims & dims else _taken((axis, None), dims)[0])
    return _taken(axes, dims)


def squeeze(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    shape, axes = maps[0]
    return _taken(axes, {d for d in _dims(arguments.get("dim"), shape) if shape[d] == 1})


def unsqueeze(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    new = arguments["dim"] % len(out)
    return each(maps[0][1], lambda axis: axis.renumbered(lambda dim: dim + (dim >= new)))


def reduce(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    if arguments.get("other") is not None:  # the maximum of two tensors
        return combine(maps, arguments, out)
    shape, axes = maps[0]
    dims = _dims(arguments.get("dim"), shape)
    if not arguments.get("keepdim", False):
        return _taken(axes, dims)

    def rule(axis: Axis) -> Axis | None:
        if len(axis.parts) > 1 or not axis.dims & dims:
            return axis.without(dims)
        (part,) = axis.parts
        return axis.window(part, 1, part.count, part.count)

    return each(axes, rule)


def concatenate(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    dim = arguments["dim"] % len(out)
    before, apart, met = 0, 0, []
    for shape, axes in arguments.places("tensors"):
        inside = any(axis and dim in axis.dims for axis in axes)
        apart += inside
        if inside and before:
            axes = each(axes, lambda axis, by=before: _moved(axis, dim, by))
        before += shape[dim] if len(shape) == len(out) else 0
        if inside or len(shape) == len(out):
            shape = (*shape[:dim], out[dim], *shape[dim + 1 :])
        met.append((shape, axes))
    if apart > 1:
        raise FollowError("puts maps side by side")
    return combine(met, arguments, out)


def _moved(axis: Axis, dim: int, by: int) -> Axis:
    """Put other things, which have no place, before the positions along a dimension."""
    parts = (
        part._replace(offset=part.offset + by) if part.dim == dim else part for part in axis.parts
    )
    return axis._replace(parts=tuple(parts))


def stack(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    dim = arguments["dim"] % len(out)
    wider = [
        ((*shape[:dim], 1, *shape[dim:]), unsqueeze([(shape, axes)], arguments, out))
        for shape, axes in maps
    ]
    return combine(wider, arguments, out)


def repeat(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    shape, axes = maps[0]
    ahead = len(out) - len(shape)
    if any(axis and arguments["repeats"][dim + ahead] != 1 for axis in axes if axis
           for dim in axis.dims):  # fmt: skip
        raise FollowError("puts maps side by side")
    return each(axes, lambda axis: axis.renumbered(lambda dim: dim + ahead))


def permute(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    dims = [dim % len(out) for dim in arguments["dims"]]
    return each(maps[0][1], lambda axis: axis.renumbered(dims.index))


def transpose(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    one, other = arguments.get("dim0", 0) % len(out), arguments.get("dim1", -1) % len(out)
    swapped = {one: other, other: one}
    return each(maps[0][1], lambda axis: axis.renumbered(lambda dim: swapped.get(dim, dim)))


def reshape(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    """Divide and join dimensions: rows and columns may be divided, and share a dimension."""
    shape, axes = maps[0]
    message = f"mixes rows or columns with other dimensions ({shape} to {out})"

    def single(axis: Axis) -> Axis | None:
        """One position alone: it stays where there is a dimension for it."""
        (part,) = axis.parts
        before = math.prod(shape[: part.dim])
        for dim in sorted(range(len(out)), key=lambda dim: abs(dim - part.dim)):
            if math.prod(out[:dim]) == before and out[dim] == 1:
                return axis._replace(parts=(part._replace(dim=dim),))
        return None

    def rule(axis: Axis) -> Axis | None:
        if len(axis.parts) == 1 and axis.parts[0].count == 1:
            return single(axis)
        parts = [new for part in axis.parts for new in _divided(part, shape, out, message)]
        return axis._replace(parts=tuple(parts)).ordered()

    return each(axes, rule)


def _divided(part: Part, shape: Shape, out: Shape, message: str) -> list[Part]:
    """Return where a part is after a change of shape: entries keep their order."""
    inner = math.prod(shape[part.dim + 1 :])  # entries from one number of the dimension to the next
    begin, end = part.step * inner, part.step * part.count * inner
    found = []
    for dim in range(len(out)):
        low = math.prod(out[dim + 1 :])
        high = low * out[dim]
        if part.offset:
            if (low, out[dim]) == (inner, shape[part.dim]):
                return [part._replace(dim=dim)]
            continue
        a, b = max(low, begin), min(high, end)
        if a < b:
            if a % begin or b % a or end % b or (a == begin and begin % low):
                raise FollowError(message)
            new = Part(dim, count=b // a, stride=part.stride * (a // begin), step=a // low)
            found.append(new)
    if not found:
        raise FollowError(message)
    return found


def linear(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    shape, axes = arguments.place("input")
    _, others = arguments.place("weight")
    if any(others):
        raise FollowError("takes its weights from positions")
    return each(axes, lambda axis: axis.without([len(shape) - 1]))


def product(
    maps: Maps, arguments: Arguments, out: Shape, left: str, right: str, plus: str = ""
) -> Axes:
    """Matrices: (..., n, k) times (..., k, m), with what is summed over losing its place."""
    axes = _multiplied(arguments.place(left)[1], arguments.place(right)[1], len(out))
    met = [(out, axes), *([arguments.place(plus)] if plus else [])]
    return combine(met, arguments, out)


def _multiplied(left: Axes, right: Axes, ndim: int) -> Axes:
    def meet(one: Axis | None, other: Axis | None) -> Axis | None:
        kept = one.dims - {ndim - 1} if one else set()
        others = other.dims - {ndim - 2} if other else set()
        if kept == others:
            return union([one.without([ndim - 1]), other.without([ndim - 2])]) if kept else None
        # Queries times keys: attention goes on to sum over the keys, so that the place of its
        # result is that of the query. One of windows alone says less than one within windows.
        if others > kept or not kept:
            return other.without([ndim - 2])
        return one.without([ndim - 1])

    return meet(left[0], right[0]), meet(left[1], right[1])


def attention(maps: Maps, arguments: Arguments, out: Shape) -> Axes:
    """Softmax(query key^T) value: the place is that of the query, which looks at all keys."""
    (_, query), (_, key), (_, value) = map(arguments.place, ("query", "key", "value"))
    last = len(out) - 1
    swapped = {last: last - 1, last - 1: last}
    turned = each(key, lambda axis: axis.renumbered(lambda dim: swapped.get(dim, dim)))
    return _multiplied(_multiplied(query, turned, len(out)), value, len(out))
