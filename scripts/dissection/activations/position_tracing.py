"""Follow the rows and columns of an image through the operations of a forward pass.

Every tensor that depends on the image gets a note: which of its positions are rows and columns
of the image, and which input pixels each looks at.
"""

import functools
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from dissection.activations import shape_rules as shapes
from dissection.activations import window_rules as windows
from dissection.activations.places import Axes, Axis, FollowError, Lost, Part
from dissection.activations.window_rules import Rule, Shape

_NOWHERE: Axes = (None, None)
_Place = tuple[Shape, Axes]


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
        # Memory of tensors that came from elsewhere and were written into, by its address; it is
        # kept, so that no other gets the same.
        self._written: dict[int, tuple[Any, tuple, Axes | Lost]] = {}
        height, width = image.shape[2:]
        self.notes[image] = (
            Axis((Part(2, height, 1.0),), 0.0, 0.0),
            Axis((Part(3, width, 1.0),), 0.0, 0.0),
        )

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
        noted = [(x, self.note_of(x)) for x in tensors]
        maps = [(tuple(x.shape), note) for x, note in noted if note is not None]
        if not maps:
            return func(*args, **kwargs)
        name = func.name().split("::")[-1].split(".")[0].removesuffix("_")
        rule = _RULES.get(name)
        if rule is None and torch.Tag.pointwise in func.tags:
            rule = shapes.combine
        if rule is None and name not in _SHAPE_ALONE:
            # It may be made of simpler operations: then those are followed.
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        arguments = _Arguments(func, args, kwargs, self.notes)
        result = func(*args, **kwargs)
        outputs = [x for x in tree_leaves(result) if isinstance(x, torch.Tensor)]
        if not outputs:
            return result
        note = None if name in _SHAPE_ALONE else _note(name, rule, maps, arguments, outputs[0])
        for output in outputs:
            if note is not None:
                if func._schema.is_mutable and output not in self.notes:
                    memory = output.untyped_storage()
                    self._written[memory._cdata] = (memory, _extent(output), note)
                self.notes[output] = note
            elif output in self.notes:  # overwritten in place
                del self.notes[output]
        return result

    def note_of(self, tensor: torch.Tensor) -> Axes | Lost | None:
        """Return the note of a tensor, None if it does not depend on the image."""
        note = self.notes.get(tensor)
        if note is None and self._written:
            _, extent, written = self._written.get(
                tensor.untyped_storage()._cdata, (None, None, None)
            )
            if written is not None:
                whole = extent == _extent(tensor)
                note = written if whole else Lost("parts of a map are written one by one")
                self.notes[tensor] = note
        return note


def _extent(tensor: torch.Tensor) -> tuple:
    return tuple(tensor.shape), tensor.stride(), tensor.storage_offset()


class _Arguments:
    """Arguments of an operation by name, defaults included."""

    def __init__(self, func: Any, args: tuple, kwargs: dict, notes: Any) -> None:
        schema = func._schema.arguments
        self._values = {a.name: a.default_value for a in schema if a.has_default_value()}
        self._values.update(zip((a.name for a in schema), args, strict=False))
        self._values.update(kwargs)
        self._notes = notes

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self._values.get(name, default)

    def place(self, name: str) -> _Place:
        return self._place(self._values[name])

    def places(self, name: str) -> list[_Place]:
        return [self._place(tensor) for tensor in self._values[name]]

    def _place(self, tensor: torch.Tensor) -> _Place:
        return tuple(tensor.shape), self._notes.get(tensor, _NOWHERE)


def _note(
    name: str, rule: Rule | None, maps: list, arguments: _Arguments, out: torch.Tensor
) -> Axes | Lost:
    for _, note in maps:
        if isinstance(note, Lost):
            return note
    if all(note == _NOWHERE for _, note in maps):
        return _NOWHERE
    if rule is None:
        return Lost(f"the operation '{name}' is not known to keep rows and columns apart")
    try:
        return rule(maps, arguments, tuple(out.shape))
    except FollowError as error:
        return Lost(f"the operation '{name}' {error}")


def _named(rule: Rule, names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


def _product(left: str, right: str, plus: str = "") -> Rule:
    return functools.partial(shapes.product, left=left, right=right, plus=plus)


# What these return has a tensor's shape, but nothing of its values.
_SHAPE_ALONE = {
    *("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like"),
    *("randint_like", "new_zeros", "new_ones", "new_empty", "new_full", "new_empty_strided"),
    "zero",
}

# By the operation's name, without the underscore of its form that works in place.
_RULES: dict[str, Rule] = {
    **_named(windows.convolution, "conv1d conv2d convolution _convolution"),
    **_named(functools.partial(windows.convolution, transposed=True), "conv_transpose2d"),
    **_named(
        functools.partial(windows.pool, count=2), "max_pool2d max_pool2d_with_indices avg_pool2d"
    ),
    **_named(functools.partial(windows.pool, count=3), "max_pool3d avg_pool3d"),
    **_named(windows.adaptive_pool, "adaptive_avg_pool2d _adaptive_avg_pool2d adaptive_max_pool2d"),
    **_named(windows.nearest, "upsample_nearest2d"),
    **_named(
        windows.interpolate,
        "_upsample_nearest_exact2d upsample_bilinear2d upsample_bicubic2d"
        " _upsample_bilinear2d_aa _upsample_bicubic2d_aa",
    ),
    **_named(windows.pad, "pad constant_pad_nd reflection_pad2d replication_pad2d _pad_circular"),
    **_named(windows.cut, "slice"),
    **_named(windows.pixel_shuffle, "pixel_shuffle"),
    **_named(windows.pixel_unshuffle, "pixel_unshuffle"),
    **_named(windows.unfolded_windows, "im2col"),
    **_named(windows.unfolded_dimension, "unfold"),
    **_named(windows.mirror, "flip"),
    **_named(windows.roll, "roll"),
    **_named(
        shapes.reduce,
        "mean sum max min amax amin var std var_mean std_mean norm linalg_vector_norm logsumexp",
    ),
    **_named(shapes.concatenate, "cat concat concatenate"),
    **_named(shapes.reshape, "view reshape _unsafe_view flatten unflatten"),
    **_named(shapes.along, "split split_with_sizes chunk tensor_split index_select glu"),
    **_named(shapes.select, "select unbind"),
    **_named(shapes.index, "index"),
    **_named(shapes.index_put, "index_put"),
    **_named(shapes.stack, "stack"),
    **_named(shapes.repeat, "repeat"),
    **_named(shapes.linear, "linear"),
    **_named(_product("self", "mat2"), "mm bmm"),
    **_named(_product("mat1", "mat2", "self"), "addmm"),
    **_named(_product("batch1", "batch2", "self"), "baddbmm"),
    **_named(
        shapes.attention,
        "scaled_dot_product_attention _scaled_dot_product_attention_math"
        " _scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_for_cpu"
        " _scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention",
    ),
    **_named(shapes.permute, "permute"),
    **_named(shapes.transpose, "transpose t"),
    **_named(shapes.squeeze, "squeeze"),
    **_named(shapes.unsqueeze, "unsqueeze"),
    **_named(
        shapes.same,
        "batch_norm native_batch_norm _native_batch_norm_legit_no_training instance_norm"
        " group_norm native_group_norm layer_norm native_layer_norm rms_norm"
        " dropout feature_dropout alpha_dropout feature_alpha_dropout"
        " softmax _softmax log_softmax _log_softmax channel_shuffle native_channel_shuffle"
        " clone contiguous detach alias to _to_copy"
        # Torch's fast ways through a transformer: the first argument keeps its places.
        " _native_multi_head_attention _transformer_encoder_layer_fwd",
    ),
    # Elementwise, but not marked so in every form by torch.
    **_named(
        shapes.combine,
        "expand copy hardswish log_sigmoid_forward prelu _prelu_kernel rrelu_with_noise"
        " lerp masked_fill where",
    ),
}
