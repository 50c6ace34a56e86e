"""PNG files: read the numbers of label maps and masks, write images and label maps.

OpenCV decodes RGB, for its speed, Pillow what has one number a pixel. Alone they would do it too
kindly: they turn pixels of 2 and 4 bits into ones of 8 and take wrong checksums. So the file's
structure is checked here (ISO/IEC 15948, clause 5), and pixels get the values that are stored.

OpenCV encodes, because it can be told how: with what fits photographs and label maps, files are
as small as Pillow's, in half of the time or less (benchmarks/README.md).
"""

import io
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE = 0, 2, 3  # colour types
_CHUNK = struct.Struct(">I4s")
_HEAD = struct.Struct(">IIBB")
_CRC = struct.Struct(">I")


class PngHead(NamedTuple):
    """What a PNG file's first chunk, IHDR, says about its pixels."""

    width: int
    height: int
    bits: int
    colour_type: int


def read_head(content: bytes) -> PngHead:
    """Return the head of a PNG file.

    Raises
    ------
    ValueError
        If it is not a PNG file.
    struct.error
        If it is cut off.
    """
    if not content.startswith(SIGNATURE):
        raise ValueError("not a PNG file")
    _, kind = _CHUNK.unpack_from(content, len(SIGNATURE))
    if kind != b"IHDR":
        raise ValueError("a PNG file without a head")
    return PngHead(*_HEAD.unpack_from(content, len(SIGNATURE) + _CHUNK.size))


def read_samples(content: bytes) -> np.ndarray:
    """Return the stored values of a whole PNG file: of a palette the places, not the colours.

    Parameters
    ----------
    content : bytes
        Of colour type GREY or PALETTE, of any depth, or RGB of 8 bits.

    Returns
    -------
    uint8 or uint16 (height, width), or uint8 (height, width, 3) of RGB

    Raises
    ------
    IMAGE_FILE_ERRORS
        If the file is damaged or cut off.

    Examples
    --------
    >>> file = io.BytesIO()
    >>> Image.fromarray(np.array([[7, 0], [0, 255]], np.uint8)).save(file, "PNG")
    >>> read_samples(file.getvalue()).tolist()
    [[7, 0], [0, 255]]
    """
    head = read_head(content)
    check_chunks(content)
    if head.colour_type == RGB:
        # Imported here because it takes longer than many a job that reads no label map.
        import cv2

        bgr = cv2.imdecode(
            np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        )
        if bgr is None:
            raise ValueError("the picture's data cannot be decoded")
        return bgr[..., ::-1]
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        samples = np.asarray(image)
    if head.colour_type == GREY and head.bits in (2, 4):
        samples = samples // (255 // (2**head.bits - 1))  # as Pillow scales them
    return samples.astype(np.uint8) if samples.dtype == bool else samples


def check_chunks(content: bytes) -> None:
    """Check every chunk, and that the last one is there."""
    place, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        length, kind = _CHUNK.unpack_from(content, place)
        end = place + _CHUNK.size + length
        (expected,) = _CRC.unpack_from(content, end)
        if zlib.crc32(memoryview(content)[place + 4 : end]) != expected:
            raise ValueError(f"a checksum is wrong, after byte {place}")
        place = end + _CRC.size


def write_image(path: Path, pixels: np.ndarray) -> None:
    """Write an image, uint8 (h, w, 3)."""
    # In photographs neighbours are alike, but hardly ever the same: differences, no repeats.
    _write(path, pixels[..., ::-1], level=1, strategy="RLE", differences="AVG")


def write_label_map(path: Path, numbers: np.ndarray) -> None:
    """Write labels, uint16 (h, w), as Broden's label maps hold them: R + 256 G."""
    bgr = np.zeros((*numbers.shape, 3), np.uint8)
    bgr[..., 2], bgr[..., 1] = numbers & 255, numbers >> 8
    _write(path, bgr, level=3, strategy="DEFAULT", differences="NONE")


def write_numbers(path: Path, numbers: np.ndarray) -> None:
    """Write numbers, uint8 or uint16 (h, w), as grey."""
    _write(path, numbers, level=1, strategy="DEFAULT", differences="NONE")


def _write(path: Path, pixels: np.ndarray, level: int, strategy: str, differences: str) -> None:
    """Write gray or BGR pixels; zlib's manual explains level and strategy."""
    import cv2

    options = {
        cv2.IMWRITE_PNG_COMPRESSION: level,
        cv2.IMWRITE_PNG_STRATEGY: getattr(cv2, f"IMWRITE_PNG_STRATEGY_{strategy}"),
        cv2.IMWRITE_PNG_FILTER: getattr(cv2, f"IMWRITE_PNG_FILTER_{differences}"),
    }
    _, content = cv2.imencode(".png", pixels, [n for option in options.items() for n in option])
    path.write_bytes(content)
