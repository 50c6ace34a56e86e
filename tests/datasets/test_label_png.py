"""The reader of label maps against Pillow, on files written byte by byte, sound and damaged."""

import io
import struct
import tracemalloc
import zlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dissection.datasets.image_files import IMAGE_FILE_ERRORS
from dissection.datasets.label_png import RGB, SIGNATURE, read_head, read_labels

ALL = np.ones(2**16, bool)
# Of each pass: first row, first column, steps.
ADAM7 = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)


def chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def filtered(pixels, filters):
    """The rows of uint8 (h, w, 3), each with its filter: the standard's formulas, byte by byte."""
    rows = pixels.reshape(len(pixels), -1).astype(int)
    above = np.zeros(rows.shape[1], int)
    result = b""
    for row, kind in zip(rows, filters, strict=True):
        left = np.concatenate([np.zeros(3, int), row])[: len(row)]
        corner = np.concatenate([np.zeros(3, int), above])[: len(row)]
        nearest = []
        for a, b, c in zip(left, above, corner, strict=True):
            p = a + b - c
            nearest.append(min((a, b, c), key=lambda value: abs(p - value)))  # the first of equals
        guess = [0 * row, left, above, (left + above) // 2, np.array(nearest, int)][kind]
        result += bytes([kind]) + ((row - guess) % 256).astype(np.uint8).tobytes()
        above = row
    return result


def png(data, height, width, *, parts=1, head=(8, RGB, 0, 0, 0), more=b"", wrong=0):
    compressed = zlib.compress(data)
    compressed = compressed[:-1] + bytes([compressed[-1] ^ wrong])  # the last byte of its checksum
    cuts = np.linspace(0, len(compressed), parts + 1).astype(int)
    body = b"".join(chunk(b"IDAT", compressed[i:j]) for i, j in pairwise(cuts))
    first = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, *head))
    return SIGNATURE + first + more + body + chunk(b"IEND")


def plain(content):
    with Image.open(io.BytesIO(content)) as image:
        assert image.mode == "RGB"
        return np.array(image).astype(int)


def check(content, known=ALL):
    labels, blue, unknown = read_labels(content, known)
    rgb = plain(content)
    expected = rgb[..., 0] + 256 * rgb[..., 1]
    assert labels.dtype == np.uint16
    np.testing.assert_array_equal(labels, expected)
    assert blue == rgb[..., 2].any()
    strangers = set(expected.ravel()) - set(np.flatnonzero(known))
    assert unknown in strangers if strangers else unknown == 0


@given(data=st.data(), height=st.integers(1, 7), width=st.integers(1, 9), seed=st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_every_filter(data, height, width, seed):
    rng = np.random.default_rng(seed)
    most = data.draw(st.sampled_from([2, 256]))  # few values: ties between the neighbours
    pixels = rng.integers(0, most, (height, width, 3))
    filters = data.draw(st.lists(st.integers(0, 4), min_size=height, max_size=height))
    content = png(
        filtered(pixels, filters),
        height,
        width,
        parts=data.draw(st.integers(1, 4)),
        more=data.draw(st.sampled_from([b"", chunk(b"tEXt", b"Comment\0IDAT")])),
    )
    known = rng.random(2**16) < 0.7
    known[0] = True
    np.testing.assert_array_equal(plain(content), pixels)
    check(content)
    check(content, known)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (8, 8), (11, 20)])
def test_interlaced(size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3))
    passes = [pixels[y::down, x::across] for y, x, down, across in ADAM7]
    data = b"".join(filtered(p, [0] * len(p)) for p in passes if p.size)
    content = png(data, *size, head=(8, RGB, 0, 0, 1))
    np.testing.assert_array_equal(plain(content), pixels)
    check(content)


@pytest.mark.parametrize("level", [0, 1, 9])
def test_files_of_pillow(level):
    rng = np.random.default_rng(level)
    labels = np.repeat(np.repeat(rng.integers(0, 1200, (30, 20)), 4, axis=0), 5, axis=1)
    rgb = np.stack([labels % 256, labels // 256, 0 * labels], axis=-1).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG", compress_level=level)
    check(file.getvalue())
    assert read_head(file.getvalue())[:4] == (100, 120, 8, RGB)


def sound():
    pixels = np.random.default_rng(3).integers(0, 256, (6, 5, 3))
    return png(filtered(pixels, [0, 1, 2, 3, 4, 1]), 6, 5, parts=2)


def test_cut_off_anywhere():
    content = sound()
    check(content)
    for length in range(len(content)):
        with pytest.raises(IMAGE_FILE_ERRORS):
            read_labels(content[:length], ALL)


def test_any_byte_changed():
    content = sound()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        with pytest.raises(IMAGE_FILE_ERRORS):
            read_labels(bytes(changed), ALL)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (png(b"\0" * 9, 2, 1), "size"),  # a byte too many
        (png(b"\0" * 7, 2, 1), "size"),
        (png(b"\0" * 4, 1, 1, wrong=1), "checksum"),
        (png(b"\5" + b"\0" * 3, 1, 1), "filter"),
        (png(b"\0" * 4, 1, 1, head=(8, RGB, 1, 0, 0)), "compression"),
        (png(b"\0" * 4, 1, 1, head=(8, RGB, 0, 1, 0)), "filtering"),
        (SIGNATURE + chunk(b"IEND"), "without a head"),
        (SIGNATURE + png(b"\0" * 4, 1, 1)[8:33] + chunk(b"IEND"), "size"),  # no picture at all
        (b"GIF89a", "not a PNG"),
    ],
)
def test_malformed(content, message):
    with pytest.raises(ValueError, match=message):
        read_labels(content, ALL)


def test_small_file_does_not_fill_the_memory():
    content = png(b"\0" * 200_000_000, 2, 1)
    assert len(content) < 250_000
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="size"):
            read_labels(content, ALL)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
