"""Read label maps: PNG files of 8-bit RGB in which a pixel's label is R + 256 G.

A data set has well over a hundred thousand of them. Of a general image library's time most goes
into being general, so the one kind of file that they are is read here (ISO/IEC 15948: clause 5
chunks, clause 9 filters); the rare interlaced ones are left to Pillow.
"""

import io
import struct
import zlib
from typing import NamedTuple

import numba
import numpy as np
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
RGB = 2  # the colour type without a palette
CHANNELS = 3
_CHUNK = struct.Struct(">I4s")
_HEAD = struct.Struct(">IIBBBBB")
_CRC = struct.Struct(">I")


class PngHead(NamedTuple):
    """The fields of a PNG file's first chunk, IHDR."""

    width: int
    height: int
    bits: int
    colour_type: int
    compression: int
    filtering: int
    interlaced: int


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
    length, kind = _CHUNK.unpack_from(content, len(SIGNATURE))
    if (length, kind) != (_HEAD.size, b"IHDR"):
        raise ValueError("a PNG file without a head")
    return PngHead(*_HEAD.unpack_from(content, len(SIGNATURE) + _CHUNK.size))


def read_labels(content: bytes, known: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Return the labels of a whole PNG file of 8-bit RGB, and what is wrong with them.

    Parameters
    ----------
    content : bytes
        Its head says 8 bits and RGB (see `read_head`).
    known : bool (65536,)
        Labels that may occur.

    Returns
    -------
    labels : uint16 (height, width)
        R + 256 G.
    blue : int
        Greatest value of the third channel, which should be 0.
    unknown : int
        A label that may not occur, or 0.

    Raises
    ------
    ValueError, zlib.error, struct.error
        If the file is damaged or cut off; also what Pillow raises (see `image_files`).

    Examples
    --------
    >>> file = io.BytesIO()
    >>> Image.fromarray(np.array([[[7, 0, 0], [1, 1, 0]]], np.uint8)).save(file, "PNG")
    >>> read_labels(file.getvalue(), np.ones(65536, bool))
    (array([[  7, 257]], dtype=uint16), 0, 0)
    """
    head = read_head(content)
    if head.interlaced:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            pixels = np.array(image).reshape(head.height, head.width * CHANNELS)
    else:
        pixels = _read_pixels(content, head)
    labels = np.empty((head.height, head.width), np.uint16)
    blue, unknown = _decode(pixels, known, labels)
    return labels, blue, unknown


def _read_pixels(content: bytes, head: PngHead) -> np.ndarray:
    """Return the bytes of a picture's rows, uint8 (height, 3 width)."""
    if head.compression or head.filtering:
        raise ValueError("unknown compression or filtering")
    size = head.height * (1 + head.width * CHANNELS)  # each row begins with its filter's number
    inflating = zlib.decompressobj()
    # One byte more than there should be: a small file cannot fill the memory.
    data = inflating.decompress(_compressed_data(content), size + 1)
    if len(data) != size or not inflating.eof:
        raise ValueError("the picture's data do not have the picture's size")
    filtered = np.frombuffer(data, np.uint8).reshape(head.height, -1)
    pixels = np.empty((head.height, head.width * CHANNELS), np.uint8)
    if not _unfilter(filtered, pixels):
        raise ValueError("a row has an unknown filter")
    return pixels


def _compressed_data(content: bytes) -> bytes:
    """Join the chunks with the picture's data; check every chunk and that the last one is there."""
    parts = []
    place = len(SIGNATURE)
    while True:
        length, kind = _CHUNK.unpack_from(content, place)
        end = place + _CHUNK.size + length
        (expected,) = _CRC.unpack_from(content, end)
        if zlib.crc32(memoryview(content)[place + 4 : end]) != expected:
            raise ValueError(f"a checksum is wrong, after byte {place}")
        if kind == b"IDAT":
            parts.append(content[place + _CHUNK.size : end])
        elif kind == b"IEND":
            return parts[0] if len(parts) == 1 else b"".join(parts)
        place = end + _CRC.size


@numba.njit(cache=True, nogil=True)
def _unfilter(filtered: np.ndarray, pixels: np.ndarray) -> bool:
    """Undo the filters of all rows; return whether every filter was a known one."""
    height, width = pixels.shape
    above = np.zeros(width, np.uint8)
    for y in range(height):
        kind, data, row = filtered[y, 0], filtered[y, 1:], pixels[y]
        if kind == 0:
            row[:] = data
        elif kind == 1:  # to the left
            for x in range(width):
                left = row[x - CHANNELS] if x >= CHANNELS else np.uint8(0)
                row[x] = np.uint8(data[x] + left)
        elif kind == 2:  # above
            for x in range(width):
                row[x] = np.uint8(data[x] + above[x])
        elif kind == 3:  # the mean of both
            for x in range(width):
                left = np.int64(row[x - CHANNELS]) if x >= CHANNELS else np.int64(0)
                row[x] = np.uint8(data[x] + ((left + np.int64(above[x])) >> 1))
        elif kind == 4:  # the one of three neighbours that is nearest to left + above - corner
            for x in range(width):
                left, corner = np.int64(0), np.int64(0)
                if x >= CHANNELS:
                    left, corner = np.int64(row[x - CHANNELS]), np.int64(above[x - CHANNELS])
                up = np.int64(above[x])
                to_left, to_up = abs(up - corner), abs(left - corner)
                to_corner = abs(left + up - 2 * corner)
                if to_left <= to_up and to_left <= to_corner:
                    nearest = left
                elif to_up <= to_corner:
                    nearest = up
                else:
                    nearest = corner
                row[x] = np.uint8(data[x] + nearest)
        else:
            return False
        above = row
    return True


@numba.njit(cache=True, nogil=True)
def _decode(pixels: np.ndarray, known: np.ndarray, labels: np.ndarray) -> tuple[int, int]:
    """Set labels to R + 256 G; return the greatest blue, and an unknown label or 0."""
    blue, unknown = 0, 0
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            red, green = np.int64(pixels[y, 3 * x]), np.int64(pixels[y, 3 * x + 1])
            label = red + 256 * green
            labels[y, x] = label
            blue = max(blue, np.int64(pixels[y, 3 * x + 2]))
            if not known[label]:
                unknown = label
    return blue, unknown
