"""PNG files written byte by byte, of every depth, sound or not."""

import struct
import zlib
from itertools import pairwise

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE = 0, 2, 3  # colour types


def chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(data, height, width, *, parts=1, head=(8, RGB, 0, 0, 0), more=b"", wrong=0):
    """A file of rows with their filters, ``data``; ``wrong`` spoils the checksum of the data."""
    compressed = zlib.compress(data)
    compressed = compressed[:-1] + bytes([compressed[-1] ^ wrong])
    cuts = np.linspace(0, len(compressed), parts + 1).astype(int)
    body = b"".join(chunk(b"IDAT", compressed[i:j]) for i, j in pairwise(cuts))
    first = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, *head))
    return SIGNATURE + first + more + body + chunk(b"IEND")


def png_of_values(values, bits, colour_type=GREY):
    """A file that stores these numbers (height, width) in so many bits each."""
    values = np.asarray(values)
    rows = b""
    for row in values:
        digits = "".join(format(int(value), f"0{bits}b") for value in row)
        digits += "0" * (-len(digits) % 8)
        rows += b"\0" + int(digits, 2).to_bytes(len(digits) // 8, "big")
    palette = b""
    if colour_type == PALETTE:
        colours = np.random.default_rng(0).integers(0, 256, 3 * 2**bits, dtype=np.uint8)
        palette = chunk(b"PLTE", colours.tobytes())
    return png(rows, *values.shape, head=(bits, colour_type, 0, 0, 0), more=palette)
