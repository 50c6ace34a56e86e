"""From an image to a network's input."""

import numpy as np
import torch
from PIL import Image

from dissection.errors import InputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # red, green, blue; of values from 0 to 1
IMAGENET_STD = (0.229, 0.224, 0.225)


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
    """

    def __init__(
        self,
        input_size: tuple[int, int],
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
        channels: str = "rgb",
        value_range: float = 1.0,
    ) -> None:
        self.input_size = input_size
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
        if isinstance(image, Image.Image):
            image = np.asarray(image.convert("RGB"))
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(
                f"An image must be uint8 (height, width, 3), found {image.dtype} {image.shape}."
            )
        height, width = self.input_size
        if image.shape[:2] != self.input_size:
            resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
            image = np.asarray(resized)
        planes = np.empty((3, height, width), dtype=np.float32)
        for plane, row, channel in zip(planes, self._table, self._order, strict=True):
            np.take(row, image[:, :, channel], out=plane)
        return torch.from_numpy(planes)
