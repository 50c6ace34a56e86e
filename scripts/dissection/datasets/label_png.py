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
from isal import isal_zlib
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
RGB = 2  # the colour type without a palette
CHANNELS = 3
NONE, LEFT, ABOVE, MEAN, PAETH = range(5)  # filters of a row
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


def read_labels(content: bytes, known: np.ndarray) -> tuple[np.ndarray, bool, int]:
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
    blue : bool
        Whether the third channel, which should be 0, has anything else.
    unknown : int
        A label that may not occur, or 0.

    Raises
    ------
    ValueError, struct.error
        If the file is damaged or cut off; also what Pillow raises (see `image_files`).

    Examples
    --------
    >>> file = io.BytesIO()
    >>> Image.fromarray(np.array([[[7, 0, 0], [1, 1, 0]]], np.uint8)).save(file, "PNG")
    >>> read_labels(file.getvalue(), np.ones(65536, bool))
    (array([[  7, 257]], dtype=uint16), False, 0)
    """
    head = read_head(content)
    if head.interlaced:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            pixels = np.array(image).reshape(head.height, head.width * CHANNELS)
        filtered = np.pad(pixels, ((0, 0), (1, 0)), constant_values=NONE)
    else:
        filtered = _inflate(content, head)
    labels = np.empty((head.height, head.width), np.uint16)
    filters_known, blue, unknown = _decode(filtered, known, labels)
    if not filters_known:
        raise ValueError("a row has an unknown filter")
    return labels, blue, unknown


def _inflate(content: bytes, head: PngHead) -> np.ndarray:
    """Return a picture's rows, uint8 (height, 1 + 3 width): each begins with its filter."""
    if head.compression or head.filtering:
        raise ValueError("unknown compression or filtering")
    size = head.height * (1 + head.width * CHANNELS)
    inflating = isal_zlib.decompressobj()
    # One byte more than there should be: a small file cannot fill the memory.
    try:
        data = inflating.decompress(_compressed_data(content), size + 1)
    except isal_zlib.error as error:
        raise ValueError(f"the picture's data: {error}") from error
    if len(data) != size or not inflating.eof:
        raise ValueError("the picture's data do not have the picture's size")
    return np.frombuffer(data, np.uint8).reshape(head.height, -1)


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
def _decode(filtered: np.ndarray, known: np.ndarray, labels: np.ndarray) -> tuple[bool, bool, int]:
    """Set labels, uint16 (height, width), to R + 256 G of the rows with their filters.

    Return whether every filter is one of the standard's, whether blue occurs, and a label that
    may not occur, or 0.
    """
    height, width = labels.shape
    red, green = np.zeros(width, np.int32), np.zeros(width, np.int32)
    some_red, some_green, some_blue = np.uint8(0), np.uint8(0), np.uint8(0)
    unknown = 0
    for y in range(height):
        kind, row = filtered[y, 0], filtered[y, 1:]
        if kind > PAETH:
            return False, False, 0
        for x in range(width):
            some_red |= row[CHANNELS * x]
            some_green |= row[CHANNELS * x + 1]
            some_blue |= row[CHANNELS * x + 2]
        # Under zeros every filter turns zeros into zeros, and many maps have only red.
        if some_red:
            _undo(kind, row, red)
        if some_green:
            _undo(kind, row[1:], green)
        for x in range(width):
            label = red[x] + 256 * green[x]
            labels[y, x] = label
            if not known[label]:
                unknown = label
    return True, some_blue > 0, unknown


@numba.njit(cache=True, nogil=True)
def _undo(kind: int, filtered: np.ndarray, row: np.ndarray) -> None:
    """Undo the filter in one channel of a row; ``row`` has the row above, and gets this one."""
    left, corner, mask = np.int32(0), np.int32(0), np.int32(255)
    for x in range(len(row)):
        above, value = row[x], np.int32(filtered[CHANNELS * x])
        if kind == LEFT:
            value += left
        elif kind == ABOVE:
            value += above
        elif kind == MEAN:
            value += (left + above) >> 1
        elif kind == PAETH:  # the neighbour that is nearest to left + above - corner
            to_left, to_above = above - corner, left - corner
            to_corner = abs(to_left + to_above)
            nearest, least = left, abs(to_left)
            if abs(to_above) < least:
                nearest, least = above, abs(to_above)
            value += corner if to_corner < least else nearest
        left, corner = value & mask, above
        row[x] = left
