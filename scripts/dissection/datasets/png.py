"""Read the numbers that PNG files hold: label maps and masks.

OpenCV decodes RGB, for its speed, Pillow what has one number a pixel. Alone they would do it too
kindly: they turn pixels of 2 and 4 bits into ones of 8 and take wrong checksums. So the file's
structure is checked here (ISO/IEC 15948, clause 5), and pixels get the values that are stored.
"""

import io
import struct
import zlib
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
