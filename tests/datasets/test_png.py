"""The reader of PNG files, on files written byte by byte, sound and damaged."""

import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from png_files import GREY, PALETTE, RGB, SIGNATURE, chunk, png, png_of_values

from dissection.datasets.image_files import IMAGE_FILE_ERRORS
from dissection.datasets.png import read_head, read_samples

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


def check(content, pixels):
    found = read_samples(content)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, pixels)


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
    check(content, pixels)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (8, 8), (11, 20)])
def test_interlaced(size):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3))
    passes = [pixels[y::down, x::across] for y, x, down, across in ADAM7]
    data = b"".join(filtered(p, [0] * len(p)) for p in passes if p.size)
    content = png(data, *size, head=(8, RGB, 0, 0, 1))
    check(content, pixels)


@pytest.mark.parametrize("level", [0, 1, 9])
def test_files_of_pillow(level):
    rng = np.random.default_rng(level)
    labels = np.repeat(np.repeat(rng.integers(0, 1200, (30, 20)), 4, axis=0), 5, axis=1)
    rgb = np.stack([labels % 256, labels // 256, 0 * labels], axis=-1).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG", compress_level=level)
    check(file.getvalue(), rgb)
    assert read_head(file.getvalue()) == (100, 120, 8, RGB)


DEPTHS = [(GREY, bits) for bits in (1, 2, 4, 8, 16)] + [(PALETTE, bits) for bits in (1, 2, 4, 8)]


@pytest.mark.parametrize(("colour_type", "bits"), DEPTHS)
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (7, 300)])
def test_stored_values_of_every_depth(colour_type, bits, size):
    values = np.random.default_rng(bits).integers(0, 2**bits, size)
    values.flat[-1] = 2**bits - 1
    content = png_of_values(values, bits, colour_type)
    assert read_head(content) == (size[1], size[0], bits, colour_type)
    found = read_samples(content)
    assert found.dtype == (np.uint16 if bits == 16 else np.uint8)
    np.testing.assert_array_equal(found, values)


def sound():
    pixels = np.random.default_rng(3).integers(0, 256, (6, 5, 3))
    return png(filtered(pixels, [0, 1, 2, 3, 4, 1]), 6, 5, parts=2), pixels


def test_cut_off_anywhere():
    content, pixels = sound()
    check(content, pixels)
    for length in range(len(content)):
        with pytest.raises(IMAGE_FILE_ERRORS):
            read_samples(content[:length])


def test_any_byte_changed():
    content, _ = sound()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        with pytest.raises(IMAGE_FILE_ERRORS):
            read_samples(bytes(changed))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (png(b"\0" * 7, 2, 1), "cannot be decoded"),  # a byte too few
        (png(b"\0" * 4, 1, 1, wrong=1), "cannot be decoded"),
        (png(b"\5" + b"\0" * 3, 1, 1), "cannot be decoded"),
        (png(b"\0" * 4, 1, 1, head=(8, RGB, 0, 1, 0)), "cannot be decoded"),  # unknown filtering
        (SIGNATURE + chunk(b"IEND"), "without a head"),
        (
            SIGNATURE + png(b"\0" * 4, 1, 1)[8:33] + chunk(b"IEND"),
            "cannot be decoded",
        ),  # no picture
        (b"GIF89a", "not a PNG"),
    ],
)
def test_malformed(content, message):
    with pytest.raises((ValueError, OSError), match=message):
        read_samples(content)


def test_small_file_does_not_fill_the_memory():
    content = png(b"\0" * 200_000_000, 2, 1)
    assert len(content) < 250_000
    tracemalloc.start()
    try:
        read_samples(content)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
