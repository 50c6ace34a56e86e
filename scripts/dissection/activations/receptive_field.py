"""Where a layer's units look: centre, stride and size of their receptive fields in the input.

The activation map of a unit is anchored at the centres of its receptive fields (paper, section
2.2). They are found from the network itself: one image is run through it while every operation
of the forward pass is watched, so that any way of writing a network works.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

from dissection.activations.geometry import Geometry
from dissection.activations.map_layout import MapLayout
from dissection.activations.places import Axes, Axis, Lost
from dissection.activations.position_tracing import ImageAxes
from dissection.errors import InputError
from dissection.networks.layers import Layer, every_call


class Traced(NamedTuple):
    """What is known of a layer's output.

    Attributes
    ----------
    geometry : Geometry
        Of its maps.
    layout : MapLayout
        How they are read from it.
    """

    geometry: Geometry
    layout: MapLayout


def trace_layers(
    model: torch.nn.Module, layers: Mapping[str, Layer], input_size: tuple[int, int]
) -> dict[str, Traced]:
    """Find the receptive fields of layers that are to be dissected.

    Parameters and errors are those of `layer_fields`, and a layer that cannot be dissected is one.

    Returns
    -------
    dict of Traced, by layer name
    """
    fields = layer_fields(model, layers, input_size)
    for field in fields.values():
        if isinstance(field.traced, InputError):
            raise field.traced
    return {name: field.traced for name, field in fields.items()}


class Field(NamedTuple):
    """What one forward pass tells of a layer.

    Attributes
    ----------
    calls : int
        How often the network calls it.
    shape : tuple of int or None
        Of its output for one image; None if it has none, or one that is no tensor.
    traced : Traced or InputError
        The error says why it cannot be dissected.
    """

    calls: int
    shape: tuple[int, ...] | None
    traced: Traced | InputError


def layer_fields(
    model: torch.nn.Module, layers: Mapping[str, Layer], input_size: tuple[int, int]
) -> dict[str, Field]:
    """Find what one forward pass through the network tells of some layers.

    Where branches meet, the field is the box around all of them. What has no position, such as
    a gate computed from the whole image, does not move or widen the field; nor does what
    attention gathers for a token.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode.
    layers : mapping of Layer, by name
        The names are used in messages.
    input_size : tuple of int
        Height and width of the network's input, pixels.

    Returns
    -------
    dict of Field, by layer name
        Layers that are called first come first. One cannot be dissected if it is not reached, its
        output is not a map, or an operation before it moves positions in an unknown way.

    Raises
    ------
    InputError
        If a layer is called less often than its number says.
    """
    parameter = next(iter(model.parameters()), torch.zeros(()))
    image = torch.zeros((1, 3, *input_size), device=parameter.device)
    followed = ImageAxes(image)
    found: dict[str, tuple[Any, Axes | Lost | None]] = {}

    def receive(name: str, number: int, output: Any) -> None:
        if layers[name].call in (None, number):
            # At once, because an operation that works in place may follow.
            note = followed.note_of(output) if isinstance(output, torch.Tensor) else None
            found[name] = (output, note)

    hooks = every_call(layers, receive)
    with hooks as calls, torch.inference_mode(), followed:
        model(image)
    for name, count in calls.items():
        if 0 < count < (layers[name].call or 0):
            raise InputError(
                f"Layer '{name}': the network calls it only {count} times when it runs on an "
                f"image. Give a number from 1 to {count}, or none for the last call."
            )
    fields = {}
    for name in [*found, *(name for name in layers if name not in found)]:
        output, note = found.get(name, (None, None))
        shape = tuple(output.shape) if isinstance(output, torch.Tensor) else None
        try:
            traced = _traced(name, output, note, input_size)
        except InputError as error:
            traced = error
        fields[name] = Field(calls[name], shape, traced)
    return fields


def _traced(
    name: str, output: Any, note: Axes | Lost | None, input_size: tuple[int, int]
) -> Traced:
    if output is None:
        raise InputError(
            f"Layer '{name}' is not used when the network runs on an image. "
            "Choose a layer that it calls."
        )
    if not isinstance(output, torch.Tensor) or output.ndim not in (3, 4):
        is_what = (
            f"has the shape {tuple(output.shape)}"
            if isinstance(output, torch.Tensor)
            else f"is a {type(output).__name__}"
        )
        raise InputError(
            f"Layer '{name}' cannot be dissected: its output {is_what}, but units need maps, as "
            "(images, units, height, width), (images, height, width, units) or (images, tokens, "
            "units). Choose a convolutional layer, or a block of a transformer."
        )
    if note is None:
        note = Lost("its output cannot be traced back to the image")
    if isinstance(note, Lost):
        raise InputError(
            f"Layer '{name}': the receptive fields of its units cannot be found, because "
            f"{note.reason}. Choose a layer before that."
        )
    shape = tuple(output.shape)
    axes = [axis and axis.ordered() for axis in note]
    if problem := _problem(axes, shape):
        raise InputError(
            f"Layer '{name}' cannot be dissected: its output {shape} {problem}. "
            "Choose a convolutional layer, or a block of a transformer."
        )
    rows, columns = axes
    (row,), (column,) = rows.parts, columns.parts
    geometry = Geometry(
        height=row.count,
        width=column.count,
        input_height=input_size[0],
        input_width=input_size[1],
        centre=(rows.centre, columns.centre),
        stride=(rows.stride, columns.stride),
        size=(rows.size, columns.size),
    )
    return Traced(geometry, MapLayout(row, column, len(shape)))


def _problem(axes: list[Axis | None], shape: tuple[int, ...]) -> str:
    """Say why an output is not made of maps; nothing if it is."""
    if None in axes:
        return "does not have rows and columns of the image among its dimensions"
    dims = set.union(*(axis.dims for axis in axes))
    if any(len(axis.parts) > 1 for axis in axes) or 0 in dims or len(shape) - len(dims) != 2:
        return (
            "does not have the images first and then one dimension of units beside rows and "
            "columns of the image, or tokens for both: it is divided into windows or heads"
        )
    if any(axis.rolled for axis in axes):
        return "is rolled over the border of the image"
    if any(part.stride <= 0 for axis in axes for part in axis.parts):
        return "is a mirror image"
    for axis in axes:
        beside = [own for other in axes for own in other.parts if other.dims == axis.dims]
        expected = 1
        for part in sorted(beside, key=lambda part: part.step):
            if part.step != expected and part.count > 1:
                return "has gaps between its rows or columns"
            expected *= part.count
    return ""
