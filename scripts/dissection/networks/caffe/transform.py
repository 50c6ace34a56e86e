"""What a definition says of how an image becomes the network's input."""

from pathlib import Path
from typing import Any, NamedTuple

from dissection.errors import InputError


class Transform(NamedTuple):
    """Caffe's transformation of pixels from 0 to 255: (pixel - mean) * scale.

    Attributes
    ----------
    scale : float or None
    mean_value : tuple of float
        One for each channel, blue first, or none.
    mean_file : str
        A file of means, which is not read; empty if there is none.
    crop_size : int
        Side of the input, pixels; 0 if it is not said.
    """

    scale: float | None = None
    mean_value: tuple[float, ...] = ()
    mean_file: str = ""
    crop_size: int = 0


def read_transform(layer: Any, path: Path) -> Transform:
    """Read the transformation of a layer that gives images.

    Parameters
    ----------
    layer : LayerParameter
    path : Path
        Of the definition, for messages.

    Raises
    ------
    InputError
        If it cannot be applied to images of three channels.
    """
    # Old definitions say in the layer's own part what is now in transform_param.
    parts = [
        layer.transform_param,
        layer.data_param,
        layer.image_data_param,
        layer.window_data_param,
    ]

    def first(name: str, otherwise: Any) -> Any:
        return next((getattr(part, name) for part in parts if part.HasField(name)), otherwise)

    means = tuple(layer.transform_param.mean_value)
    scale = first("scale", None)
    where = f"{path}: layer '{layer.name}'"
    if len(means) not in (0, 1, 3):
        raise InputError(f"{where} has {len(means)} mean_value; it must be one, or three.")
    if scale is not None and not scale > 0:
        raise InputError(f"{where} has the scale {scale:g}; it must be above 0.")
    return Transform(
        scale,
        means * 3 if len(means) == 1 else means,
        first("mean_file", ""),
        first("crop_size", 0),
    )
