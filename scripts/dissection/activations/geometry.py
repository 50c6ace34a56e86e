"""Where activation maps lie in the image, and how they are interpolated at its pixels.

The activation map of a unit is anchored at the centres of its receptive fields (paper, section
2.2); `dissection.activations.receptive_field` finds these.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


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
