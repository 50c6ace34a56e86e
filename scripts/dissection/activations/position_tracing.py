"""Follow the rows and columns of an image through the operations of a forward pass.

Every tensor that depends on the image gets a note: which of its dimensions are rows and columns
of the image, and which input pixels each position along them looks at.
"""

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary


class Axis(NamedTuple):
    """Rows or columns of the image as one dimension of a tensor.

    Position i looks at the input pixels first + i * stride ... last + i * stride, at some or all
    of them. Positions are not clipped at the border of the image.
    """

    dim: int
    first: float
    last: float
    stride: float

    @property
    def centre(self) -> float:
        """Centre of what position 0 looks at, input pixels."""
        return (self.first + self.last) / 2

    @property
    def size(self) -> int:
        """Extent of what a position looks at, input pixels."""
        return math.ceil(self.last - self.first + 1 - 1e-9)

    def window(
        self, kernel: int, stride: float = 1, before: float = 0, dilation: int = 1
    ) -> "Axis":
        """Return the axis after an operation on windows of positions.

        Parameters
        ----------
        kernel, stride, dilation : int
        before : int
            Positions of padding at the start.
        """
        first = self.first - self.stride * before
        last = self.last + self.stride * (dilation * (kernel - 1) - before)
        return Axis(self.dim, first, last, self.stride * stride)


Axes = tuple[Axis | None, Axis | None]  # rows, columns; None if pooled away: it has no position


class Lost(NamedTuple):
    """Said of a tensor whose positions cannot be followed: why."""

    reason: str


class ImageAxes(TorchDispatchMode):
    """While it is active, every operation on what comes from the image is followed.

    Parameters
    ----------
    image : tensor (1, 3, height, width)

    Attributes
    ----------
    notes : mapping from tensors to Axes or Lost
        Tensors that do not depend on the image are not in it.
    """

    def __init__(self, image: torch.Tensor) -> None:
        super().__init__()
        self.notes = WeakTensorKeyDictionary()
        self.notes[image] = (Axis(2, 0.0, 0.0, 1.0), Axis(3, 0.0, 0.0, 1.0))

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Nothing is compiled here; to be skipped, torch's compiler is loaded first, for seconds.
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        # Taken before the operation, which may work in place.
        maps = [(tuple(x.shape), self.notes[x]) for x in tensors if x in self.notes]
        if not maps:
            return func(*args, **kwargs)
        name = func.name().split("::")[-1].split(".")[0].removesuffix("_")
        rule = _RULES.get(name)
        if rule is None and torch.Tag.pointwise in func.tags:
            rule = _combine
        if rule is None:
            # It may be made of simpler operations: then those are followed.
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        result = func(*args, **kwargs)
        outputs = [x for x in tree_leaves(result) if isinstance(x, torch.Tensor)]
        if outputs:
            note = _note(name, rule, maps, _Arguments(func, args, kwargs), outputs[0].shape)
            for output in outputs:
                self.notes[output] = note
        return result


_Shape = tuple[int, ...]
_Maps = list[tuple[_Shape, Axes]]
_Rule = Callable[[_Maps, "_Arguments", _Shape], Axes]


class _Arguments:
    """Arguments of an operation by name, defaults included."""

    def __init__(self, func: Any, args: tuple, kwargs: dict) -> None:
        schema = func._schema.arguments
        self._values = {a.name: a.default_value for a in schema if a.has_default_value()}
        self._values.update(zip((a.name for a in schema), args, strict=False))
        self._values.update(kwargs)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self._values.get(name, default)


class _FollowError(Exception):
    """Says, after the operation's name, what it does to the positions."""


def _note(
    name: str, rule: _Rule | None, maps: list, arguments: _Arguments, out: torch.Size
) -> Axes | Lost:
    for _, note in maps:
        if isinstance(note, Lost):
            return note
    if all(note == (None, None) for _, note in maps):
        return (None, None)
    if rule is None:
        return Lost(f"the operation '{name}' is not known to keep rows and columns apart")
    try:
        return rule(maps, arguments, tuple(out))
    except _FollowError as error:
        return Lost(f"the operation '{name}' {error}")


# The rules. Each gets the shapes and axes of the tensors that come from the image, the
# operation's arguments and the shape of its output, and returns the output's axes.


def _each(axes: Axes, rule: Callable[[Axis], Axis | None]) -> Axes:
    rows, columns = (None if axis is None else rule(axis) for axis in axes)
    return rows, columns


def _combine(maps: _Maps, arguments: _Arguments, out: _Shape) -> Axes:
    """Elementwise: tensors of one shape meet, or ones that broadcast to it."""

    def meet(k: int) -> Axis | None:
        found = [
            (shape[axes[k].dim], axes[k]._replace(dim=axes[k].dim + len(out) - len(shape)))
            for shape, axes in maps
            if axes[k] is not None
        ]
        # A single position that meets a whole map reaches all of it alike: it is no place.
        return _union([axis for positions, axis in found if positions == out[axis.dim]], out)

    return meet(0), meet(1)


def _union(axes: list[Axis], out: _Shape) -> Axis | None:
    if not axes:
        return None
    if len({axis.dim for axis in axes}) > 1:
        raise _FollowError("mixes rows with columns")
    strides = [axis.stride for axis in axes]
    if out[axes[0].dim] > 1 and max(strides) - min(strides) > 1e-6 * max(strides):
        raise _FollowError(
            f"joins maps of different strides ({min(strides):g} and {max(strides):g} pixels)"
        )
    first, last = min(axis.first for axis in axes), max(axis.last for axis in axes)
    return Axis(axes[0].dim, first, last, max(strides))


def _same(maps: _Maps, arguments: _Arguments, out: _Shape) -> Axes:
    """Every position stays where it is, whatever happens to units."""
    shape, axes = maps[0]
    if len(shape) != len(out) or any(axis and shape[axis.dim] != out[axis.dim] for axis in axes):
        raise _FollowError(f"changes the size from {shape} to {out}")
    return axes


def _entry(values: Any, axis: Axis, shape: _Shape, count: int, default: Any = None) -> Any:
    """Return the axis's entry of a list over the last ``count`` dimensions."""
    place = axis.dim - (len(shape) - count)
    if place < 0:
        raise _FollowError("mixes rows or columns with other dimensions")
    if isinstance(values, (int, float)):
        return values
    if not values:
        return default
    return values[place] if len(values) > 1 else values[0]


def _convolution(maps: _Maps, arguments: _Arguments, out: _Shape, transposed: bool = False) -> Axes:
    shape, axes = maps[0]
    kernels = tuple(arguments["weight"].shape[2:])

    def rule(axis: Axis) -> Axis:
        entry = functools.partial(_entry, axis=axis, shape=shape, count=len(kernels))
        kernel, stride = entry(kernels), entry(arguments["stride"])
        dilation, padding = entry(arguments["dilation"]), arguments["padding"]
        reach = dilation * (kernel - 1)
        if isinstance(padding, str):
            before = reach // 2 if padding == "same" else 0
        else:
            before = entry(padding)
        if not arguments.get("transposed", transposed):
            return axis.window(kernel, stride, before, dilation)
        # Output i is made from the inputs (i + padding - dilation * (0 ... kernel - 1)) / stride.
        first = axis.first + axis.stride * (before - reach) / stride
        last = axis.last + axis.stride * before / stride
        return Axis(axis.dim, first, last, axis.stride / stride)

    return _each(axes, rule)


def _pool(maps: _Maps, arguments: _Arguments, out: _Shape, count: int) -> Axes:
    shape, axes = maps[0]

    def rule(axis: Axis) -> Axis:
        entry = functools.partial(_entry, axis=axis, shape=shape, count=count)
        kernel = entry(arguments["kernel_size"])
        return axis.window(
            kernel,
            entry(arguments["stride"], default=kernel),
            entry(arguments["padding"]),
            entry(arguments.get("dilation", 1)),
        )

    return _each(axes, rule)


def _adaptive_pool(maps: _Maps, arguments: _Arguments, out: _Shape) -> Axes:
    shape, axes = maps[0]

    def rule(axis: Axis) -> Axis:
        positions, bins = shape[axis.dim], out[axis.dim]
        # Bin i has the positions floor(i * positions / bins) to ceil((i + 1) * positions / bins)
        # - 1. Where the division leaves a rest, the centre is right on average.
        widest = max(-(-(i + 1) * positions // bins) - i * positions // bins for i in range(bins))
        ratio = positions / bins
        return axis.window(widest, ratio, before=(widest - ratio) / 2)

    return _each(axes, rule)


def _interpolate(maps: _Maps, arguments: _Arguments, out: _Shape, nearest: bool = False) -> Axes:
    shape, axes = maps[0]

    def rule(axis: Axis) -> Axis | None:
        old, new = shape[axis.dim], out[axis.dim]
        if old == 1:
            return None  # every position sees the same
        factors = arguments.get("scale_factors")
        ratio = 1 / _entry(factors, axis, shape, 2) if factors else old / new
        shift, reach = (ratio - 1) / 2, 1.0
        if arguments.get("align_corners", False) and new > 1:
            ratio, shift = (old - 1) / (new - 1), 0.0
        elif nearest:
            # Position i takes floor(i * ratio): lower than i * ratio by this much on average.
            parts = new // math.gcd(old, new)
            shift = (1 / parts - 1) / 2
            reach = -shift
        first = axis.first + axis.stride * (shift - reach)
        last = axis.last + axis.stride * (shift + reach)
        return Axis(axis.dim, first, last, axis.stride * ratio)

    return _each(axes, rule)


def _pad(maps: _Maps, arguments: _Arguments, out: _Shape) -> Axes:
    shape, axes = maps[0]
    pad = arguments.get("pad") or arguments["padding"]  # before and after, last dimension first

    def rule(axis: Axis) -> Axis:
        place = 2 * (len(shape) - 1 - axis.dim)
        return axis.window(1, before=pad[place] if place < len(pad) else 0)

    return _each(axes, rule)


def _slice(maps: _Maps, arguments: _Arguments, out: _Shape) -> Axes:
    shape, axes = maps[0]
    dim = arguments["dim"] % len(shape)
    start, step = arguments.get("start") or 0, arguments.get("step") or 1
    start = max(0, start + shape[dim] if start < 0 else start)
    return _each(
        axes, lambda axis: axis.window(1, step, before=-start) if axis.dim == dim else axis
    )


def _along(maps: _Maps, arguments: _Arguments, out: _Shape) -> Axes:
    """Something happens along one dimension, which must be neither rows nor columns."""
    shape, axes = maps[0]
    if any(axis and axis.dim == arguments["dim"] % len(shape) for axis in axes):
        raise _FollowError("takes the image apart")
    return axes


def _index(maps: _Maps, arguments: _Arguments, out: _Shape) -> Axes:
    shape, axes = maps[0]
    indexed = [dim for dim, index in enumerate(arguments["indices"]) if index is not None]
    if len(out) != len(shape) or any(axis and axis.dim in indexed for axis in axes):
        raise _FollowError("takes the image apart")
    return axes


def _index_put(maps: _Maps, arguments: _Arguments, out: _Shape) -> Axes:
    masks = [mask for mask in arguments["indices"] if mask is not None]
    if len(masks) != 1 or masks[0].shape != out:
        raise _FollowError("writes into a part of a map")
    return _same(maps, arguments, out)


def _without(axes: Axes, dims: Iterable[int]) -> Axes:
    """The axes after dimensions are taken away; None for an axis that is among them."""
    dims = set(dims)
    return _each(
        axes,
        lambda axis: (
            None
            if axis.dim in dims
            else axis._replace(dim=axis.dim - sum(dim < axis.dim for dim in dims))
        ),
    )


def _dims(dim: int | Sequence[int] | None, shape: _Shape) -> list[int]:
    if dim is None or dim == []:
        return list(range(len(shape)))
    return [d % len(shape) for d in ([dim] if isinstance(dim, int) else dim)]


def _select(maps: _Maps, arguments: _Arguments, out: _Shape) -> Axes:
    axes = _along(maps, arguments, out)
    return _without(axes, _dims(arguments["dim"], maps[0][0]))


def _squeeze(maps: _Maps, arguments: _Arguments, out: _Shape) -> Axes:
    shape, axes = maps[0]
    dims = _dims(arguments.get("dim"), shape)
    return _without(axes, [dim for dim in dims if shape[dim] == 1])


def _unsqueeze(maps: _Maps, arguments: _Arguments, out: _Shape) -> Axes:
    dim = arguments["dim"] % len(out)
    return _each(
        maps[0][1], lambda axis: axis._replace(dim=axis.dim + 1) if axis.dim >= dim else axis
    )


def _reduce(maps: _Maps, arguments: _Arguments, out: _Shape) -> Axes:
    if arguments.get("other") is not None:  # the maximum of two tensors
        return _combine(maps, arguments, out)
    shape, axes = maps[0]
    dims = _dims(arguments.get("dim"), shape)
    if not arguments.get("keepdim", False):
        return _without(axes, dims)
    return _each(
        axes,
        lambda axis: axis.window(shape[axis.dim], shape[axis.dim]) if axis.dim in dims else axis,
    )


def _concatenate(maps: _Maps, arguments: _Arguments, out: _Shape) -> Axes:
    dim = arguments["dim"] % len(out)
    if any(axis and axis.dim == dim for _, axes in maps for axis in axes):
        raise _FollowError("puts maps side by side")
    return _combine(maps, arguments, out)


def _stack(maps: _Maps, arguments: _Arguments, out: _Shape) -> Axes:
    dim = arguments["dim"] % len(out)
    wider = [
        ((*shape[:dim], 1, *shape[dim:]), _unsqueeze([(shape, axes)], arguments, out))
        for shape, axes in maps
    ]
    return _combine(wider, arguments, out)


def _linear(maps: _Maps, arguments: _Arguments, out: _Shape) -> Axes:
    shape, axes = maps[0]
    if any(axis and axis.dim == len(shape) - 1 for axis in axes):
        raise _FollowError("mixes rows or columns with other dimensions")
    return axes


def _permute(maps: _Maps, arguments: _Arguments, out: _Shape) -> Axes:
    dims = [dim % len(out) for dim in arguments["dims"]]
    return _each(maps[0][1], lambda axis: axis._replace(dim=dims.index(axis.dim)))


def _transpose(maps: _Maps, arguments: _Arguments, out: _Shape) -> Axes:
    one, other = arguments["dim0"] % len(out), arguments["dim1"] % len(out)
    swapped = {one: other, other: one}
    return _each(maps[0][1], lambda axis: axis._replace(dim=swapped.get(axis.dim, axis.dim)))


def _reshape(maps: _Maps, arguments: _Arguments, out: _Shape) -> Axes:
    """A new shape may divide or join other dimensions; rows and columns must stay whole."""
    shape, axes = maps[0]

    def rule(axis: Axis) -> Axis | None:
        before, positions = math.prod(shape[: axis.dim]), shape[axis.dim]
        for dim in sorted(range(len(out)), key=lambda dim: abs(dim - axis.dim)):
            if math.prod(out[:dim]) == before and out[dim] == positions:
                return axis._replace(dim=dim)
        if positions == 1:
            return None
        raise _FollowError(f"mixes rows or columns with other dimensions ({shape} to {out})")

    return _each(axes, rule)


def _named(rule: _Rule, names: str) -> dict[str, _Rule]:
    return dict.fromkeys(names.split(), rule)


# By the operation's name, without the underscore of its form that works in place.
_RULES: dict[str, _Rule] = {
    **_named(_convolution, "conv2d convolution _convolution"),
    **_named(functools.partial(_convolution, transposed=True), "conv_transpose2d"),
    **_named(functools.partial(_pool, count=2), "max_pool2d max_pool2d_with_indices avg_pool2d"),
    **_named(functools.partial(_pool, count=3), "max_pool3d avg_pool3d"),
    **_named(_adaptive_pool, "adaptive_avg_pool2d _adaptive_avg_pool2d adaptive_max_pool2d"),
    **_named(functools.partial(_interpolate, nearest=True), "upsample_nearest2d"),
    **_named(
        _interpolate,
        "_upsample_nearest_exact2d upsample_bilinear2d upsample_bicubic2d"
        " _upsample_bilinear2d_aa _upsample_bicubic2d_aa",
    ),
    **_named(_pad, "pad constant_pad_nd reflection_pad2d replication_pad2d _pad_circular"),
    **_named(
        _reduce,
        "mean sum max min amax amin var std var_mean std_mean norm linalg_vector_norm logsumexp",
    ),
    **_named(_concatenate, "cat concat concatenate"),
    **_named(_reshape, "view reshape _unsafe_view flatten unflatten"),
    **_named(_along, "split split_with_sizes chunk tensor_split index_select glu"),
    **_named(_select, "select unbind"),
    **_named(_index, "index"),
    **_named(_index_put, "index_put"),
    **_named(_slice, "slice"),
    **_named(_stack, "stack"),
    **_named(_linear, "linear"),
    **_named(_permute, "permute"),
    **_named(_transpose, "transpose"),
    **_named(_squeeze, "squeeze"),
    **_named(_unsqueeze, "unsqueeze"),
    **_named(
        _same,
        "batch_norm native_batch_norm _native_batch_norm_legit_no_training instance_norm"
        " group_norm native_group_norm layer_norm native_layer_norm rms_norm"
        " dropout feature_dropout alpha_dropout feature_alpha_dropout"
        " softmax _softmax log_softmax _log_softmax channel_shuffle native_channel_shuffle"
        " clone contiguous detach alias to _to_copy",
    ),
    # Elementwise, but not marked so in every form by torch.
    **_named(
        _combine,
        "expand copy hardswish log_sigmoid_forward prelu _prelu_kernel rrelu_with_noise"
        " lerp masked_fill where",
    ),
}
