"""Where a layer's units look: centre, stride and size of their receptive fields in the input.

The activation map of a unit is anchored at the centres of its receptive fields (paper, section
2.2). They are found from the network itself: one image is run through it while every operation
of the forward pass is watched, so that any way of writing a network works.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from dissection.checkpoints import first_line
from dissection.errors import InputError
from dissection.image_axes import Axes, ImageAxes, Lost


@dataclass(frozen=True)
class Geometry:
    """Where the positions of an activation map lie in the network's input.

    Parameters
    ----------
    height, width : int
        Size of the activation map.
    input_height, input_width : int
        Size of the network's input, pixels.
    centre : tuple of float
        Row and column of the receptive field's centre of map position (0, 0), in pixels of the
        input; pixel centres are at integers. Negative where padding moves it outside.
    stride : tuple of float
        Distance of the centres of neighbouring positions, pixels.
    size : tuple of int
        Extent of a receptive field, pixels, not clipped at the image's border.
    """

    height: int
    width: int
    input_height: int
    input_width: int
    centre: tuple[float, float]
    stride: tuple[float, float]
    size: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary for `json.dump`."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Geometry":
        """Return the geometry that `to_json` wrote."""
        return cls(
            **{
                key: tuple(value) if isinstance(value, list) else value
                for key, value in values.items()
            }
        )


def map_coordinates(geometry: Geometry, sh: int, sw: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where the pixels of a label map lie in the activation map.

    Both label map and input cover the whole image, so label pixel y is at input pixel
    (y + 0.5) * input_height / sh - 0.5; the receptive-field centres take it to the map. Outside
    the outermost centres the border value holds.

    Parameters
    ----------
    geometry : Geometry
    sh, sw : int
        Height and width of the label map.

    Returns
    -------
    rows, columns : float64 (sh,), float64 (sw,)
        Coordinates in the activation map, within [0, height - 1] and [0, width - 1].

    Examples
    --------
    >>> geometry = Geometry(2, 2, 8, 8, centre=(1.5, 1.5), stride=(4.0, 4.0), size=(4, 4))
    >>> map_coordinates(geometry, 4, 8)[0].tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    return (
        _coordinates(sh, geometry.input_height, geometry, 0),
        _coordinates(sw, geometry.input_width, geometry, 1),
    )


def _coordinates(pixels: int, input_pixels: int, geometry: Geometry, axis: int) -> np.ndarray:
    positions = (geometry.height, geometry.width)[axis]
    in_input = (np.arange(pixels, dtype=np.float64) + 0.5) * input_pixels / pixels - 0.5
    return np.clip((in_input - geometry.centre[axis]) / geometry.stride[axis], 0.0, positions - 1.0)


def interpolants(
    coordinates: np.ndarray, positions: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the two neighbours of each coordinate and the weight of the second.

    Parameters
    ----------
    coordinates : float64 (n,)
        Within [0, positions - 1], from `map_coordinates`.
    positions : int
        Height or width of the activation map.

    Returns
    -------
    lower, upper : int64 (n,)
    weight : float64 (n,)
        The value is a[lower] + weight * (a[upper] - a[lower]).
    """
    lower = np.floor(coordinates).astype(np.int64)
    return lower, np.minimum(lower + 1, positions - 1), coordinates - lower


def upsample(activation_map: np.ndarray, geometry: Geometry, sh: int, sw: int) -> np.ndarray:
    """Return S_k: a map A_k interpolated bilinearly at every label pixel (paper, section 2.2).

    Parameters
    ----------
    activation_map : float (height, width)
    geometry : Geometry
    sh, sw : int
        Height and width of the label map.

    Returns
    -------
    float64 (sh, sw)
        Rows are interpolated first, then columns; the overlap counts do the same arithmetic.
    """
    values = np.asarray(activation_map, dtype=np.float64)
    rows, columns = map_coordinates(geometry, sh, sw)
    lower, upper, weight = interpolants(rows, geometry.height)
    values = values[lower] + weight[:, None] * (values[upper] - values[lower])
    lower, upper, weight = interpolants(columns, geometry.width)
    return values[:, lower] + weight * (values[:, upper] - values[:, lower])


def receptive_field(
    model: torch.nn.Module, layer_module: torch.nn.Module, input_size: tuple[int, int]
) -> Geometry:
    """Return the geometry of one layer; see `receptive_fields`."""
    names = {module: name for name, module in model.named_modules()}
    name = names.get(layer_module, "(unnamed)")
    return receptive_fields(model, {name: layer_module}, input_size)[name]


def receptive_fields(
    model: torch.nn.Module, layers: dict[str, torch.nn.Module], input_size: tuple[int, int]
) -> dict[str, Geometry]:
    """Find the receptive fields of layers from one forward pass through the network.

    Where branches meet, the field is the box around all of them. What has no position, such as
    a gate computed from the whole image, does not move or widen the field.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode.
    layers : dict
        Name and module of each layer; the names are used in messages.
    input_size : tuple of int
        Height and width of the network's input, pixels.

    Returns
    -------
    dict of Geometry, by layer name

    Raises
    ------
    InputError
        If the layer is not reached, its output is not a map, or an operation before it moves
        positions in an unknown way.
    """
    parameter = next(iter(model.parameters()), torch.zeros(()))
    image = torch.zeros((1, 3, *input_size), device=parameter.device, dtype=parameter.dtype)
    followed = ImageAxes(image)
    found: dict[str, tuple[Any, Axes | Lost | None]] = {}

    def record(name: str) -> Callable[..., None]:
        def hook(module: torch.nn.Module, inputs: Any, output: Any) -> None:
            # At once, because an operation that works in place may follow.
            note = followed.notes.get(output) if isinstance(output, torch.Tensor) else None
            found[name] = (output, note)

        return hook

    handles = [module.register_forward_hook(record(name)) for name, module in layers.items()]
    try:
        with torch.inference_mode(), followed:
            model(image)
    except RuntimeError as error:
        raise InputError(
            f"The network does not run on an image of {input_size[0]} x {input_size[1]} pixels "
            f"(height x width): {first_line(error)} Check its input_size."
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    return {name: _geometry(name, *found.get(name, (None, None)), input_size) for name in layers}


def _geometry(
    name: str, output: Any, note: Axes | Lost | None, input_size: tuple[int, int]
) -> Geometry:
    if output is None:
        raise InputError(
            f"Layer '{name}' is not used when the network runs on an image. "
            "Choose a layer that it calls."
        )
    if not isinstance(output, torch.Tensor) or output.ndim != 4:
        is_what = (
            f"has the shape {tuple(output.shape)}"
            if isinstance(output, torch.Tensor)
            else f"is a {type(output).__name__}"
        )
        raise InputError(
            f"Layer '{name}' cannot be dissected: its output {is_what}, but units need maps of "
            "the shape (images, units, height, width). Choose a convolutional layer."
        )
    if note is None:
        note = Lost("its output cannot be traced back to the image")
    if isinstance(note, Lost):
        raise InputError(
            f"Layer '{name}': the receptive fields of its units cannot be found, because "
            f"{note.reason}. Choose a layer before that."
        )
    if [axis and axis.dim for axis in note] != [2, 3]:
        raise InputError(
            f"Layer '{name}' cannot be dissected: the last two dimensions of its output "
            f"{tuple(output.shape)} are not rows and columns of the image. "
            "Choose a convolutional layer."
        )
    rows, columns = note
    return Geometry(
        height=output.shape[2],
        width=output.shape[3],
        input_height=input_size[0],
        input_width=input_size[1],
        centre=(rows.centre, columns.centre),
        stride=(rows.stride, columns.stride),
        size=(rows.size, columns.size),
    )
