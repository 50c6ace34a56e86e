"""Read photographs: upright, in RGB of 8 bits a channel."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from dissection.datasets.image_files import check_size, reading
from dissection.errors import InputError
from dissection.jobs.logs import log

DEEP_MODES = ("I;16", "I;16L", "I;16B", "I", "F")  # more than 8 bits a channel
ORIENTATION, ON_A_SIDE = 0x0112, (5, 6, 7, 8)  # EXIF's tag, and some of its values


@dataclass(frozen=True)
class Photograph:
    """How an image file's pixels are stored and shown.

    Attributes
    ----------
    shown, stored : (int, int)
        Height and width of the image as viewers show it, and as it is stored.
    orientation : int
        1 to 8, of EXIF: how the stored pixels are turned.
    """

    shown: tuple[int, int]
    stored: tuple[int, int]
    orientation: int


def load_upright(path: Path) -> Image.Image:
    """Return an image in RGB of 8 bits, turned as viewers show it.

    Of 16 bits a channel the upper eight are taken; numbers of floating point must lie from 0,
    which is black, to 1.

    Raises
    ------
    InputError
        If it is damaged, or has other numbers.
    """
    what = f"{path}: the image"
    with reading(path, what, "Save it again."), _opened(path) as image:
        check_size(*image.size, what)
        upright = ImageOps.exif_transpose(image)
        if upright.mode in DEEP_MODES:
            upright = Image.fromarray(_eight_bits(np.asarray(upright), what))
        return upright.convert("RGB")


def _opened(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except UnidentifiedImageError:
        if path.suffix.lower() not in (".tif", ".tiff"):
            raise
    # Imported here because it takes longer than many a job that reads no such file.
    import cv2

    bgr = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if bgr is None or bgr.ndim != 3 or bgr.dtype.kind != "f":
        raise ValueError("its pixels cannot be decoded")
    return Image.fromarray(_eight_bits(bgr[..., 2::-1], f"{path}: the image"))


def _eight_bits(pixels: np.ndarray, what: str) -> np.ndarray:
    """Pixels of more bits, uint8 of the same shape."""
    white = 1 if pixels.dtype.kind == "f" else 2**16 - 1
    wrong = ~((pixels >= 0) & (pixels <= white))
    if wrong.any():
        raise InputError(
            f"{what} has the value {pixels[wrong][0]}; its pixels are {pixels.dtype}, which must "
            f"lie from 0 (black) to {white} (white). Save it with 8 bits a channel."
        )
    if pixels.dtype.kind == "f":
        return np.rint(255 * pixels).astype(np.uint8)
    if pixels.max() < 2**12:
        log.warning("%s is very dark: of 16 bits it uses the lower 12 or fewer.", what)
    return (pixels >> 8).astype(np.uint8)


def read_photograph(path: Path) -> Photograph:
    """Return what an image file's head says.

    Raises
    ------
    InputError
        If it is damaged.
    """
    with reading(path, f"{path}: the image", "Save it again."), _opened(path) as image:
        height_and_width = image.size[::-1]
        orientation = image.getexif().get(ORIENTATION, 1)
        already_shown = image.format == "TIFF"  # Pillow gives the size of what it turns itself
    if orientation not in range(1, 9):
        orientation = 1  # as viewers do
    other = height_and_width[::-1] if orientation in ON_A_SIDE else height_and_width
    shown, stored = (height_and_width, other) if already_shown else (other, height_and_width)
    return Photograph(shown, stored, orientation)
