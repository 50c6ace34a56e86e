"""Photographs of more than 8 bits a channel become those of 8 by a said rule, or are refused."""

import cv2
import numpy as np
import pytest
from mask_folder import run, small_data
from PIL import Image

from dissection.datasets.masks.photographs import load_upright
from dissection.errors import InputError


def deep(folder, kind):
    """A photograph of more than 8 bits, and what it should become."""
    rng = np.random.default_rng(0)
    if kind == "float":
        pixels = rng.random((4, 6), np.float32)
        Image.fromarray(pixels).save(folder / "a.tif")
        return np.repeat(np.rint(pixels * 255)[..., None], 3, axis=2)
    if kind == "float RGB":
        pixels = rng.random((4, 6, 3)).astype(np.float32)
        assert cv2.imwrite(str(folder / "a.tif"), pixels[..., ::-1])
        return np.rint(pixels * 255)
    if kind == "16 bits RGB":
        pixels = rng.integers(0, 2**16, (4, 6, 3), np.uint16)
        assert cv2.imwrite(str(folder / "a.png"), pixels[..., ::-1])
        return pixels >> 8
    pixels = rng.integers(0, 2**16, (4, 6)).astype(np.int32 if kind == "32 bits" else np.uint16)
    Image.fromarray(pixels).save(folder / ("a.png" if kind == "16 bits" else "a.tif"))
    return np.repeat(pixels[..., None] >> 8, 3, axis=2)


DEEP = ["16 bits", "16 bits TIFF", "16 bits RGB", "32 bits", "float", "float RGB"]


@pytest.mark.parametrize("kind", DEEP)
def test_photographs_of_more_than_8_bits(tmp_path, kind):
    data = small_data(tmp_path)
    (data / "images/a.png").unlink()
    wanted = deep(data / "images", kind)
    np.testing.assert_array_equal(run(data).load_image(0), wanted)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((4, 6), 1.5, np.float32), "has the value 1.5; its pixels are float32, which must"),
        (np.full((4, 6), np.nan, np.float32), "has the value nan"),
        (np.full((4, 6), -1, np.int32), "has the value -1; its pixels are int32, which must lie"),
        (np.full((4, 6), 70_000, np.int32), "from 0 .black. to 65535 .white."),
    ],
)
def test_photographs_of_other_numbers_are_refused(tmp_path, pixels, message):
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=message):
        load_upright(tmp_path / "a.tif")


def test_a_photograph_of_12_bits_is_logged(tmp_path, caplog):
    Image.fromarray(np.full((4, 6), 4000, np.uint16)).save(tmp_path / "a.tif")
    load_upright(tmp_path / "a.tif")
    assert "very dark" in caplog.text
