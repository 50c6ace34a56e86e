"""From an image to a network's input."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image

from dissection.errors import InputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # red, green, blue; of values from 0 to 1
IMAGENET_STD = (0.229, 0.224, 0.225)
KEYS = ("input_size", "interpolation", "mean", "std", "channels", "value_range")
# By which pixels an image is resized; all of them look at every pixel of a larger image.
FILTERS = {name.lower(): Image.Resampling[name] for name in ("BILINEAR", "BICUBIC", "LANCZOS")}


def chosen_settings(asked: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a `Preprocessing`.

    Parameters
    ----------
    asked : mapping
        What the configuration says; only `KEYS` are looked at. It comes first.
    own : mapping
        What the network's file or its source says. It comes before ImageNet's mean and deviation
        of red, green and blue from 0 to 1.

    Returns
    -------
    dict
        All of `KEYS`. A mean or deviation that is not asked for follows the channels and the
        range that are, so that it keeps its meaning.

    Raises
    ------
    InputError
        If the input size is not known.

    Examples
    --------
    >>> chosen_settings({"input_size": [8, 8], "channels": "bgr"}, {})["mean"]
    (0.406, 0.456, 0.485)
    """
    base = {
        "interpolation": "bilinear",
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "channels": "rgb",
        "value_range": 1.0,
    }
    base |= own
    found = {key: asked[key] for key in KEYS if key in asked}
    settings = base | found
    if "input_size" not in settings:
        raise InputError(
            "The network's input size is not known. Give input_size: [height, width] beside its "
            "file or function."
        )
    for key in ("mean", "std"):
        values = settings[key]
        if key not in found:
            if settings["channels"] != base["channels"]:
                values = values[::-1]
            if settings["value_range"] != base["value_range"]:
                factor = settings["value_range"] / base["value_range"]
                values = [value * factor for value in values]
        settings[key] = tuple(values)
    settings["input_size"] = tuple(settings["input_size"])
    return settings


def described(settings: Mapping[str, Any]) -> str:
    """Say the settings in a line.

    Examples
    --------
    >>> described(chosen_settings({"input_size": [227, 227]}, {}))
    '227 x 227, bilinear, rgb, 0-1, mean 0.485 0.456 0.406, std 0.229 0.224 0.225'
    """
    mean, std = (" ".join(f"{value:g}" for value in settings[key]) for key in ("mean", "std"))
    height, width = settings["input_size"]
    return (
        f"{height} x {width}, {settings['interpolation']}, {settings['channels']}, "
        f"0-{settings['value_range']:g}, mean {mean}, std {std}"
    )


class Preprocessing:
    """Turn an image into a network's input.

    The whole image is resized to the input size, without a crop, because label maps cover the
    whole image.

    Parameters
    ----------
    input_size : tuple of int
        Height and width, pixels.
    mean, std : tuple of three floats
        Subtracted and divided by, for each channel in the order of ``channels``.
    channels : {"rgb", "bgr"}
    value_range : float
        What the pixel value 255 becomes before the mean is subtracted.
    interpolation : {"bilinear", "bicubic", "lanczos"}
        How the image is resized.
    """

    def __init__(
        self,
        input_size: tuple[int, int],
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
        channels: str = "rgb",
        value_range: float = 1.0,
        interpolation: str = "bilinear",
    ) -> None:
        self.input_size = input_size
        self._filter = FILTERS[interpolation]
        self._order = {"rgb": (0, 1, 2), "bgr": (2, 1, 0)}[channels]
        values = np.arange(256, dtype=np.float64) * value_range / 255
        # One row a channel: an image has only 256 values, so each is computed once.
        self._table = np.stack([(values - m) / s for m, s in zip(mean, std, strict=True)]).astype(
            np.float32
        )

    def __call__(self, image: np.ndarray | Image.Image) -> torch.Tensor:
        """Return the input of one image.

        Parameters
        ----------
        image : uint8 (h, w, 3) or PIL image
            Red, green, blue.

        Returns
        -------
        float32 tensor (3, height, width)
        """
        planes = np.empty((3, *self.input_size), dtype=np.float32)
        self.into(image, planes)
        return torch.from_numpy(planes)

    def into(self, image: np.ndarray | Image.Image, planes: np.ndarray) -> None:
        """Write what a call returns into an array, float32 (3, height, width)."""
        pixels = self.pixels(image)
        for plane, row, channel in zip(planes, self._table, self._order, strict=True):
            # Bytes are within the table; checked, they would be copied first.
            np.take(row, pixels[:, :, channel], out=plane, mode="clip")

    def pixels(self, image: np.ndarray | Image.Image) -> np.ndarray:
        """Return an image, as for a call, at the input's size: uint8 (height, width, 3)."""
        if isinstance(image, Image.Image):
            image = np.asarray(image.convert("RGB"))
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(
                f"An image must be uint8 (height, width, 3), found {image.dtype} {image.shape}."
            )
        height, width = self.input_size
        if image.shape[:2] != self.input_size:
            image = np.asarray(Image.fromarray(image).resize((width, height), self._filter))
        return image

    def inputs(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the inputs of many images, on their device: what a call gives, to the bit.

        Parameters
        ----------
        pixels : uint8 tensor (n, height, width, 3)
            Of `pixels`.

        Returns
        -------
        float32 tensor (n, 3, height, width)
        """
        table = torch.from_numpy(self._table).to(pixels.device)
        planes = zip(table, self._order, strict=True)
        return torch.stack([row[pixels[..., channel].long()] for row, channel in planes], dim=1)
