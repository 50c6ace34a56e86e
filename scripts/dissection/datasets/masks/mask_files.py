"""Read a mask's pixels, whatever kind of file it is: numbers, or colours.

Kinds are told by a file's first bytes, not by its ending. Files that are stored with loss are
refused: beside every edge they hold numbers that nobody drew.
"""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from dissection.datasets.image_files import check_size, reading
from dissection.datasets.masks.matlab_files import MATLAB, read_matlab
from dissection.datasets.png import GREY, PALETTE, SIGNATURE, check_chunks, read_head, read_samples
from dissection.errors import InputError

MASK_ENDINGS = (".png", ".bmp", ".tif", ".tiff", ".npy", ".mat")
LOSSY_ENDINGS = (".jpg", ".jpeg", ".webp")
MAX_VALUE = 2**16 - 1  # of a pixel of a mask
REMEDY = "Save it again, as PNG."

LOSSY_KINDS = {b"\xff\xd8\xff": "JPEG", b"RIFF": "WebP"}
LOSSY_COMPRESSIONS = ("jpeg", "tiff_jpeg", "webp")  # of TIFF, as Pillow calls them
PLACES, TRUE_COLOURS = ("1", "L", "P"), ("RGB", "RGBA", "RGBX")  # modes of Pillow


def read_mask(path: Path, colours: bool = False, variable: str | None = None) -> np.ndarray:
    """Return a mask's pixels.

    Parameters
    ----------
    path : Path
        PNG of any depth and colour type, BMP, TIFF, or an array as NumPy (``.npy``) or MATLAB
        (``.mat``) stores it.
    colours : bool
        Whether colours are wanted, and not numbers.
    variable : str, optional
        Of a MATLAB file: which array to read. ``a.b`` is field b of the structure a. Not needed
        if the file has just one array.

    Returns
    -------
    uint16 (height, width), or uint8 (height, width, 3) of colours
        Numbers as they are stored: of a palette the places. Channels that are all equal are one
        number; colours of a mask with one channel are grey, or the palette's.

    Raises
    ------
    InputError
        If it is damaged, stored with loss, or has colours where numbers are wanted, transparent
        pixels, several pages, or values that are no whole numbers from 0 to 65535.
    """
    what = f"{path}: the mask"
    with reading(path, what, REMEDY):
        content = path.read_bytes()
        _check_lossless(content, what)
        pixels = _reader(content)(content, what, colours, variable)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim == 2:
        numbers = _whole_numbers(pixels, what)
        return _grey_as_colours(numbers, what) if colours else numbers
    if pixels.ndim != 3 or pixels.shape[2] not in (2, 3, 4):
        raise InputError(
            f"{what} has the shape {pixels.shape}; it must have one number a pixel, or the three "
            "channels of a colour."
        )
    return _of_channels(pixels, what, colours)


def _reader(content: bytes) -> Callable[..., np.ndarray]:
    for heads, reader in (
        ((SIGNATURE,), _read_png),
        ((b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), _read_picture),
        ((b"\x93NUMPY",), _read_numpy),
        (MATLAB, _read_matlab),
    ):
        if content.startswith(heads):
            return reader
    raise ValueError("not a PNG, BMP, TIFF, NumPy or MATLAB file")


def _check_lossless(content: bytes, what: str) -> None:
    for head, kind in LOSSY_KINDS.items():
        if content.startswith(head):
            raise InputError(
                f"{what} is a {kind} file, which is stored with loss: beside every edge it has "
                "numbers that nobody drew. Export the masks as PNG from where they were drawn; "
                f"saving this {kind} as PNG does not bring the numbers back."
            )


def _read_png(content: bytes, what: str, colours: bool, variable: str | None) -> np.ndarray:
    head = read_head(content)
    check_size(head.width, head.height, what)
    if head.colour_type == GREY:
        return read_samples(content)
    if head.colour_type == PALETTE:
        places = read_samples(content)  # checks the file, too
        if not colours:
            return places
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            return np.asarray(image.convert("RGBA" if "transparency" in image.info else "RGB"))
    return _read_channels(content)


def _read_channels(content: bytes) -> np.ndarray:
    """A picture of several channels, 8 or 16 bits each, as (height, width, 3 or 4)."""
    # Pillow would cut 16 bits down to 8. Imported here as it takes longer than many a small job.
    import cv2

    check_chunks(content)
    bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if bgr is None:
        raise ValueError("the picture's data cannot be decoded")
    return bgr[..., [2, 1, 0, *range(3, bgr.shape[2])]] if bgr.ndim == 3 else bgr


def _read_picture(content: bytes, what: str, colours: bool, variable: str | None) -> np.ndarray:
    with Image.open(io.BytesIO(content), formats=["BMP", "TIFF"]) as image:
        check_size(*image.size, what)
        if getattr(image, "n_frames", 1) > 1:
            raise InputError(f"{what} has {image.n_frames} pages. Save one alone.")
        if image.info.get("compression") in LOSSY_COMPRESSIONS:
            raise InputError(
                f"{what} is a TIFF file compressed as JPEG, that is, with loss. Export it without."
            )
        if image.mode == "P" and colours:
            return np.asarray(image.convert("RGB"))
        if image.mode not in (*PLACES, *TRUE_COLOURS) and image.mode[0] not in "IF":
            raise InputError(f"{what} has the colours {image.mode}. {REMEDY}")
        return np.asarray(image)


def _read_numpy(content: bytes, what: str, colours: bool, variable: str | None) -> np.ndarray:
    array = np.load(io.BytesIO(content), allow_pickle=False)
    return _squeezed(array)


def _read_matlab(content: bytes, what: str, colours: bool, variable: str | None) -> np.ndarray:
    return _squeezed(read_matlab(content, what, variable))


def _squeezed(array: np.ndarray) -> np.ndarray:
    """Without the first axis of a single channel, where there is one."""
    return array[0] if array.ndim == 3 and array.shape[0] == 1 else array


def _whole_numbers(pixels: np.ndarray, what: str) -> np.ndarray:
    if pixels.dtype == bool or (pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2):
        return pixels.astype(np.uint16)
    if pixels.dtype.kind not in "uif":
        raise InputError(f"{what} holds {pixels.dtype}, no numbers. {REMEDY}")
    if not pixels.size:
        raise InputError(f"{what} has no pixels.")
    wrong = ~((pixels >= 0) & (pixels <= MAX_VALUE) & (pixels == np.floor(pixels)))
    if wrong.any():
        raise InputError(
            f"{what} has the value {pixels[wrong][0]}; values must be whole numbers from 0 to "
            f"{MAX_VALUE}. Give what is no label a number of its own, such as 255."
        )
    return pixels.astype(np.uint16)


def _grey_as_colours(numbers: np.ndarray, what: str) -> np.ndarray:
    if numbers.size and numbers.max() > 255:
        raise InputError(
            f"{what} has one number a pixel, up to {numbers.max()}; the table of labels gives "
            "colours to its folder. Give the numbers in a column value instead."
        )
    return np.repeat(numbers.astype(np.uint8)[..., None], 3, axis=2)


def _of_channels(pixels: np.ndarray, what: str, colours: bool) -> np.ndarray:
    if pixels.shape[2] == 4 or pixels.shape[2] == 2:
        opaque = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
        if (pixels[..., -1] != opaque).any():
            raise InputError(
                f"{what} has transparent pixels. Fill them with the number or the colour of what "
                "is no label, and save it without transparency."
            )
        pixels = pixels[..., :-1]
    first = pixels[..., :1]
    if not colours:
        if (pixels == first).all():
            return _whole_numbers(pixels[..., 0], what)
        place = tuple(np.argwhere((pixels != first).any(axis=2))[0])
        raise InputError(
            f"{what} has several channels that differ: at row {place[0] + 1}, column "
            f"{place[1] + 1} it has the colour {' '.join(map(str, pixels[place].tolist()))}. If "
            "colours stand for labels, give the table of labels a column color; else save the "
            "mask with one number a pixel."
        )
    if pixels.dtype != np.uint8:
        raise InputError(f"{what} has colours of {pixels.dtype}. Save it with 8 bits a channel.")
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
