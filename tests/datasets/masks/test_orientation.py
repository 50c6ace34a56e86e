"""Masks of photographs that EXIF turns: drawn on what is shown, or on what is stored."""

import logging

import numpy as np
import pytest
from mask_folder import labels, run, save_mask, write_table
from PIL import Image, ImageOps

from dissection.datasets.masks.orientation import turned
from dissection.datasets.masks.photographs import load_upright, read_photograph
from dissection.errors import InputError

FORMATS = ["jpg", "png", "tif", "webp"]
ON_A_SIDE = range(5, 9)
NAMES = {1: "car", 2: "wheel", 3: "door", 4: "roof"}


def photograph(path, stored, orientation):
    """Save grey pixels with a note of how to turn them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    rgb = np.repeat(np.asarray(stored, np.uint8)[..., None], 3, axis=2)
    Image.fromarray(rgb).save(
        path, exif=exif, **({"lossless": True} if "webp" in path.name else {})
    )


def shown_by_pillow(stored, orientation):
    image = Image.fromarray(np.asarray(stored, np.uint8))
    image.getexif()[0x0112] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


def stored_mask(size):
    """Four corners, all different."""
    mask = np.zeros(size, np.uint8)
    mask[0, 0], mask[0, -1], mask[-1, 0], mask[-1, -1] = NAMES
    return mask


@pytest.fixture
def data(tmp_path):
    write_table(tmp_path / "labels.csv", [(n, name, "object") for n, name in NAMES.items()])
    return tmp_path


def add(data, name, orientation, size, drawn_on, ending="jpg"):
    """Add a photograph and its mask; return the mask that should come out."""
    mask = stored_mask(size)
    photograph(data / f"images/{name}.{ending}", 10 * mask, orientation)
    expected = shown_by_pillow(mask, orientation)
    save_mask(data / f"masks/{name}.png", mask if drawn_on == "stored" else expected)
    return expected


def found(broden, name):
    return [[min(cell, default="") for cell in row] for row in labels(broden, name)["object"]]


def named(mask):
    return [[NAMES.get(value, "") for value in row] for row in mask.tolist()]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_turned_as_viewers_do(orientation):
    pixels = np.arange(6).reshape(2, 3)
    expected = shown_by_pillow(pixels, orientation)
    np.testing.assert_array_equal(turned(pixels, orientation), expected)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("orientation", [*range(1, 9), 0, 9])
def test_sizes_of_a_photograph(tmp_path, ending, orientation):
    path = tmp_path / f"a.{ending}"
    photograph(path, np.zeros((20, 30)), orientation)
    photo = read_photograph(path)
    assert photo.stored == (20, 30)
    assert photo.shown == ((30, 20) if orientation in ON_A_SIDE else (20, 30))
    assert photo.shown == load_upright(path).size[::-1]


@pytest.mark.parametrize("drawn_on", ["stored", "shown"])
@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("orientation", ON_A_SIDE)
def test_the_size_tells_of_photographs_on_their_side(data, caplog, orientation, ending, drawn_on):
    expected = add(data, "a", orientation, (4, 6), drawn_on, ending)
    with caplog.at_level(logging.INFO, "dissection"):
        broden = run(data)
    assert found(broden, "a.png") == named(expected)
    assert broden.load_image(0).shape[:2] == (6, 4)
    assert ("masks drawn on the stored pixels" in caplog.text) == (drawn_on == "stored")


@pytest.mark.parametrize("size", [(4, 6), (4, 4)])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_where_the_size_does_not_tell_it_is_what_viewers_show(data, caplog, orientation, size):
    if orientation in ON_A_SIDE and size == (4, 6):
        return
    expected = add(data, "a", orientation, size, "shown")
    assert found(run(data), "a.png") == named(expected)
    assert (
        "does not tell how they lie; taken as drawn on what viewers show: 1 (a.png)" in caplog.text
    )


@pytest.mark.parametrize("orientation", [2, 3, 4, 6])
def test_or_as_the_other_masks_of_the_folder_lie(data, caplog, orientation):
    size = (4, 4) if orientation in ON_A_SIDE else (4, 6)
    expected = add(data, "a", orientation, size, "stored")
    other = add(data, "b", 8, (4, 6), "stored")
    broden = run(data)
    assert found(broden, "a.png") == named(expected)
    assert found(broden, "b.png") == named(other)
    assert "taken as drawn on the stored pixels, as others are: 1 (a.png)" in caplog.text


def test_others_that_differ_leave_it_open(data):
    add(data, "a", 3, (4, 6), "stored")
    add(data, "b", 8, (4, 6), "stored")
    add(data, "c", 8, (4, 6), "shown")
    with pytest.raises(InputError, match=r"1 \(a\.png\).*c\.png lies as shown, b\.png as stored"):
        run(data)
    for path in data.rglob("a.*"):
        path.unlink()
    assert len(run(data)) == 2


def test_folders_may_differ(data):
    expected = add(data, "a", 6, (4, 6), "stored")
    parts = np.zeros_like(expected)
    parts[1, 2] = 1
    save_mask(data / "parts/a.png", parts)
    result = labels(run(data, ("masks", "parts")), "a.png")["object"]
    assert result[1, 2] == {"car"}
    assert [result[0, 0], result[-1, -1]] == [{NAMES[v]} for v in expected[[0, -1], [0, -1]]]


def test_photographs_that_nothing_turns_are_not_mentioned(data, caplog):
    add(data, "a", 1, (4, 6), "stored")
    with caplog.at_level(logging.INFO, "dissection"):
        run(data)
    assert "turn" not in caplog.text


def test_a_mask_that_fits_neither_way(data):
    add(data, "a", 6, (4, 6), "stored")
    save_mask(data / "masks/a.png", np.ones((4, 9)))
    with pytest.raises(InputError, match=r"has 4 x 9 pixels, its image 6 x 4 pixels"):
        run(data)
