"""Faults in images, masks and their table: a message that says where and what to do."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mask_folder import labels, run, save_image, save_mask, small_data, write_table
from PIL import Image

from dissection.datasets.masks.mask_files import read_mask
from dissection.errors import InputError


@pytest.fixture
def data(tmp_path):
    return small_data(tmp_path)


def message(folder, *arguments, **options):
    with pytest.raises(InputError) as caught:
        run(folder, *arguments, **options)
    assert not list(folder.glob("imported*")) and not list(folder.glob(".imported*"))
    return str(caught.value)


def test_values_outside_the_table_are_all_named(data):
    save_mask(data / "masks/a.png", [[7, 7, 9, 0, 1, 2]] * 4)
    save_mask(data / "masks/b.png", [[7, 1, 255]] * 5)
    text = message(data)
    assert "labels.csv does not list" in text
    assert re.search(r"masks: value 7, 13 pixels, masks: 2 \(a\.png, b\.png\)", text)
    assert re.search(r"masks: value 9, 4 pixels, masks: 1 \(a\.png\)", text)
    assert "A row without name and category says that a value is no label" in text


def test_a_photograph_taken_for_a_mask_gives_a_short_message(data):
    save_image(data / "images/a.png", (64, 64))
    values = np.random.default_rng(0).integers(0, 256, (64, 64))
    save_mask(data / "masks/a.png", values)
    assert len(message(data).splitlines()) < 30


@pytest.mark.parametrize("size", [(60, 40), (40, 62), (41, 60), (20, 32), (80, 125), (1, 60)])
def test_masks_of_another_shape_are_refused(data, size):
    save_image(data / "images/a.png", (40, 60))
    save_mask(data / "masks/a.png", np.ones(size))
    text = message(data)
    assert f"masks/a.png has {size[0]} x {size[1]} pixels, its image 40 x 60 pixels" in text


def test_masks_of_one_image_have_one_size(data):
    save_mask(data / "parts/a.png", np.ones((8, 12)))
    assert "another mask of the image 4 x 6 pixels" in message(data, ("masks", "parts"))


def test_damaged_files_are_named(data):
    whole = (data / "masks/a.png").read_bytes()
    for content in (b"", b"text", whole[:20], whole[:-20], whole[:45] + b"xxxx" + whole[49:]):
        (data / "masks/a.png").write_bytes(content)
        assert "masks/a.png: the mask is damaged" in message(data)
    (data / "masks/a.png").write_bytes(whole)
    jpeg = (data / "images/b.jpg").read_bytes()
    for content in (b"", jpeg[:10], jpeg[: len(jpeg) // 2]):
        (data / "images/b.jpg").write_bytes(content)
        assert "images/b.jpg: the image is damaged" in message(data)


@pytest.mark.parametrize("file", ["images/a.png", "masks/a.png"])
def test_broken_links_are_called_so(data, file):
    path = data / file
    path.unlink()
    path.symlink_to("elsewhere.png")
    assert f"{file}: the " in (text := message(data))
    assert "is a link to elsewhere.png, where there is no file" in text


@pytest.mark.parametrize("file", ["images/a.png", "masks/a.png"])
def test_too_large_files_are_not_called_damaged(data, monkeypatch, file):
    save_image(data / "images/a.png", (8, 12))
    monkeypatch.setattr("dissection.datasets.image_files.MAX_PIXELS", 80 if "im" in file else 20)
    text = message(data)
    assert re.search(rf"{file}: the \w+ has (96|24) pixels \(\d+ x \d+\); more than", text)


def test_notes_of_a_system_are_passed_over(data):
    for folder in ("images", "masks"):
        for note in (".DS_Store", "._a.png", "__MACOSX/._a.png", "__MACOSX/c.png", "Thumbs.db"):
            path = data / folder / note
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"\0\5\x16\7")
    assert run(data).image_names == ["a.png", "b.png"]


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_bytes_changed_at_random_give_a_mask_or_a_message(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("mask") / "mask.png"
    save_mask(path, [[0, 1, 2, 3]] * 4, data.draw(st.sampled_from(["L", "P", "I;16"])))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(8, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        assert read_mask(path).dtype == np.uint16
    except InputError as error:
        assert "mask.png" in str(error)


def test_a_jpeg_is_no_mask(data):
    for name in ("a", "b"):
        Image.open(data / f"masks/{name}.png").save(data / f"masks/{name}.jpg")
        (data / f"masks/{name}.png").unlink()
    assert "none ends in .png, .bmp, .tif, .tiff, .npy, .mat. 2 (a.jpg, b.jpg) are" in message(data)


def test_names_that_never_agree(data):
    for name in ("a", "b"):
        (data / f"masks/{name}.png").rename(data / f"masks/{name}_mask.png")
    text = message(data)
    assert "No image in" in text
    assert "2 (a_mask, b_mask)" in text


def test_two_images_of_one_name(data):
    save_image(data / "images/a.jpg", (4, 6))
    assert "have the same name but for their ending" in message(data)


def test_missing_folders(data):
    (data / "images").rename(data / "elsewhere")
    assert "images does not exist" in message(data)
    (data / "images").mkdir()
    assert "images has no images" in message(data)
    save_image(data / "images/a.png", (4, 6))
    assert "nothing does not exist" in message(data, ("nothing",))


def test_masks_inside_the_images(data):
    shutil.move(data / "masks", data / "images/masks")
    assert "lies in that of images" in message(data, ("images/masks",))
    assert "lies in that of images" in message(data, ("images",))


@pytest.mark.parametrize("name", ["a;b", "a\\b", "C:a", "a\nb"])
def test_names_that_the_format_cannot_hold(data, name):
    save_image(data / f"images/{name}.png", (2, 2))
    save_mask(data / f"masks/{name}.png", [[1, 1]] * 2)
    assert "Rename it" in message(data)


@pytest.mark.parametrize("name", ["a_object", "a_color", "b_part_2"])
def test_an_image_with_the_name_of_a_label_map(data, name):
    save_image(data / f"images/{name}.png", (2, 2))
    save_mask(data / f"masks/{name}.png", [[1, 1]] * 2)
    assert f"the image '{name}' has the name that the labels of '{name[0]}' get" in message(data)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(1, "car", "things")], "line 2: 'car' has the category 'things'; it must be one of"),
        ([(1, "car", "objets")], "line 2: 'car' has .* one of .* color. Did you mean 'object'?"),
        ([(1, "car", "")], "line 2: 'car' has no category. Give it one of object, part"),
        ([(1, "", "object")], "line 2: a object without a name"),
        ([(1, "car", "object"), (1, "bus", "object")], "line 3: value 1 of .* already is the obj"),
        ([(-1, "car", "object")], "line 2: value is '-1', but must be a whole number from 0"),
        ([(65536, "car", "object")], "from 0 to 65535"),
        ([("1.5", "car", "object")], "line 2: value is '1.5'"),
        ([("one", "car", "object")], "line 2: value is 'one'"),
        ([(1, "", ""), (2, "", ""), (255, "", "")], "names no label"),
        ([(5, "car", "object"), (1, "", ""), (2, "", ""), (255, "", "")], "No mask has any"),
        ([], "has no rows"),
        ([(1, "car")], "line 2: 2 fields"),
    ],
)
def test_mistakes_in_the_table(data, rows, expected):
    write_table(data / "labels.csv", rows)
    text = message(data)
    assert re.search(expected, text)
    assert "labels.csv" in text


def test_missing_columns_and_files(data):
    write_table(data / "labels.csv", [(1, "car")], ("value", "name"))
    assert "no column 'category'" in message(data)
    write_table(data / "labels.csv", [(1, "a", "part", "")], ("value", "name", "category", "foldr"))
    assert "line 1: unknown column 'foldr'. Did you mean 'folder'?" in message(data)
    (data / "labels.csv").unlink()
    assert "labels.csv is missing" in message(data)


@pytest.mark.parametrize("cell", ["mask", "x/masks"])
def test_a_folder_that_is_not_there(data, cell):
    write_table(
        data / "labels.csv", [(1, "car", "object", cell)], ("value", "name", "category", "folder")
    )
    text = message(data)
    assert f"line 2: '{cell}' names none of the folders of masks" in text


def test_folders_with_one_last_name_need_the_whole_path(data):
    shutil.copytree(data / "masks", data / "more/masks")
    columns = ("value", "name", "category", "folder")
    write_table(data / "labels.csv", [(1, "car", "object", "masks")], columns)
    assert "'masks' names 2 of the folders" in message(data, ("masks", "more/masks"))
    void = [(2, "", "", ""), (255, "", "", "")]
    write_table(
        data / "labels.csv",
        [(1, "car", "object", data / "masks"), (1, "bus", "object", data / "more/masks"), *void],
        columns,
    )
    found = labels(run(data, ("masks", "more/masks")), "b.png")
    assert found["object"][0, 0] == {"car", "bus"}


def test_an_interrupted_import_leaves_the_former_one(data, monkeypatch):
    run(data)
    before = (data / "imported/index.csv").read_bytes()
    calls = []

    def fail(pixels):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return np.ones(pixels.shape[:2], np.uint8)

    monkeypatch.setattr("dissection.datasets.masks.convert.color_labels", fail)
    with pytest.raises(KeyboardInterrupt):
        run(data)
    assert (data / "imported/index.csv").read_bytes() == before
    assert not list(Path(data).glob(".imported*"))
