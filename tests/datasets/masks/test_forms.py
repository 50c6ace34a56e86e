"""Masks of every form become the same data set, byte for byte, as the numbered PNGs."""

import codecs
import io
import logging

import cv2
import numpy as np
import pandas as pd
import pytest
import scipy.io
from mask_folder import run, save_image, save_mask, write_table
from mask_forms import (
    COLOURS,
    NAMES,
    ROWS,
    VOID,
    coloured,
    contents,
    imported_form,
    numbered,
    save_images,
    save_masks,
    save_rows,
)
from PIL import Image

from dissection.datasets.masks.mask_files import read_mask
from dissection.datasets.masks.palette import parse_colour
from dissection.errors import InputError


@pytest.fixture
def data(tmp_path):
    save_images(tmp_path)
    save_rows(tmp_path / "labels.csv", ROWS)
    return tmp_path


def imported(folder, masks=("masks",), **options):
    own = {"images": folder / "images", "masks": [folder / name for name in masks]}
    own |= {"labels": folder / "labels.csv", "void": [VOID]}
    return imported_form(folder, "masks", **own | options)


def pillow(ending, dtype, **options):
    return lambda path, mask: Image.fromarray(mask.astype(dtype)).save(path + ending, **options)


def channels(path, mask, dtype=np.uint8, ending=".png", alpha=False):
    pixels = np.repeat(mask.astype(dtype)[..., None], 3 + alpha, axis=2)
    if alpha:
        pixels[..., 3] = np.iinfo(dtype).max
    assert cv2.imwrite(path + ending, pixels)


def grey_alpha(path, mask):
    Image.fromarray(mask.astype(np.uint8)).convert("LA").save(path + ".png")


def with_palette(ending):
    def write(path, mask):
        image = Image.fromarray(mask.astype(np.uint8))
        image.putpalette(np.random.default_rng(0).bytes(768))
        image.save(path + ending)

    return write


def numpy_file(dtype, shape=lambda mask: mask):
    return lambda path, mask: np.save(path + ".npy", shape(mask.astype(dtype)))


def matlab(content):
    return lambda path, mask: scipy.io.savemat(path + ".mat", content(mask), appendmat=False)


FORMS = {
    "PNG of 16 bits": (pillow(".png", np.uint16), {}),
    "PNG with a palette": (with_palette(".png"), {}),
    "grey as RGB": (channels, {}),
    "grey as RGB of 16 bits": (lambda p, m: channels(p, m, np.uint16), {}),
    "grey as RGBA": (lambda p, m: channels(p, m, alpha=True), {}),
    "grey with alpha": (grey_alpha, {}),
    "BMP": (pillow(".bmp", np.uint8), {}),
    "BMP with a palette": (with_palette(".bmp"), {}),
    "BMP of 24 bits": (lambda p, m: channels(p, m, ending=".bmp"), {}),
    "TIFF": (pillow(".tif", np.uint8), {}),
    "TIFF with a palette": (with_palette(".tiff"), {}),
    "TIFF of 16 bits": (pillow(".tif", np.uint16), {}),
    "TIFF of 32 bits": (pillow(".tiff", np.int32), {}),
    "TIFF of floating point": (pillow(".tiff", np.float32), {}),
    "TIFF, packed": (pillow(".tif", np.uint8, compression="tiff_lzw"), {}),
    "TIFF as RGB": (lambda p, m: channels(p, m, ending=".tif"), {}),
    "NumPy": (numpy_file(np.uint8), {}),
    "NumPy of 64 bits": (numpy_file(np.int64), {}),
    "NumPy of floating point": (numpy_file(np.float32), {}),
    "NumPy, a channel first": (numpy_file(np.uint16, lambda mask: mask[None]), {}),
    "NumPy, a channel last": (numpy_file(np.uint16, lambda mask: mask[..., None]), {}),
    "MATLAB": (matlab(lambda mask: {"LabelMap": mask.astype(np.uint16)}), {}),
    "MATLAB of several": (
        matlab(lambda mask: {"S": mask.astype(float), "names": ["a", "b"]}),
        {"variable": "S"},
    ),
    "MATLAB with a structure": (
        matlab(lambda mask: {"GTcls": {"Segmentation": mask.astype(np.uint8), "Boundaries": 1}}),
        {"variable": "GTcls.Segmentation"},
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_numbers(data, expected, form):
    write, options = FORMS[form]
    save_masks(data / "masks", lambda path, mask: write(str(path), mask))
    assert imported(data, **options) == expected


def test_one_folder_may_have_several_forms(data, expected):
    for (name, mask), form in zip(contents().items(), ("MATLAB", "BMP", "NumPy"), strict=True):
        save_masks(data / "masks", lambda p, m, f=form: FORMS[f][0](str(p), m), {name: mask})
    assert imported(data) == expected


# ---- colours ---------------------------------------------------------------------------------


def as_palette(path, mask):
    image = Image.fromarray(coloured(mask)).quantize(8)
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), coloured(mask))
    image.save(f"{path}.png")


COLOUR_FORMS = {
    "RGB": lambda path, mask: Image.fromarray(coloured(mask)).save(f"{path}.png"),
    "RGBA": lambda p, mask: Image.fromarray(coloured(mask)).convert("RGBA").save(f"{p}.png"),
    "palette": as_palette,
    "BMP": lambda path, mask: Image.fromarray(coloured(mask)).save(f"{path}.bmp"),
    "TIFF": lambda path, mask: Image.fromarray(coloured(mask)).save(f"{path}.tif"),
    "NumPy": lambda path, mask: np.save(f"{path}.npy", coloured(mask)),
}
WRITTEN = ["#{:02x}{:02x}{:02x}", "{:02X}{:02X}{:02X}", "{} {} {}", "{}, {},{}", "({}, {}, {})"]


CASES = [(form, WRITTEN[0]) for form in COLOUR_FORMS] + [("RGB", text) for text in WRITTEN[1:]]


@pytest.mark.parametrize(("form", "written"), CASES)
def test_forms_of_colours(data, expected, form, written):
    rows = [(written.format(*COLOURS[value]), *row) for value, row in NAMES.items()]
    rows.append((written.format(*COLOURS[VOID]), "", ""))
    save_rows(data / "labels.csv", rows, ("color", "name", "category"))
    save_masks(data / "masks", COLOUR_FORMS[form])
    assert imported(data, void=[]) == expected


def test_colours_count_where_a_table_has_numbers_too(data, expected):
    rows = [(value, "{} {} {}".format(*COLOURS[value]), *NAMES[value]) for value in NAMES]
    rows.append((VOID, "{} {} {}".format(*COLOURS[VOID]), "", ""))
    save_rows(data / "labels.csv", rows, ("value", "Color", "name", "category"))
    save_masks(data / "masks", COLOUR_FORMS["RGB"])
    assert imported(data, void=[]) == expected


def test_one_folder_of_colours_and_one_of_numbers(data):
    save_masks(data / "masks", COLOUR_FORMS["RGB"])
    save_masks(data / "parts", numbered)
    rows = [("", "#804080", "car", "object", "masks"), ("1", "", "stripe", "part", "parts")]
    rows += [("", "{} {} {}".format(*COLOURS[v]), "", "", "masks") for v in (2, 3, 9, VOID)]
    rows += [(v, "", "", "", "parts") for v in (2, 3, 9, VOID)]
    columns = ("value", "color", "name", "category", "folder")
    save_rows(data / "labels.csv", rows, columns)
    found = imported(data, ("masks", "parts"), void=[])
    assert {"images/a_object.png", "images/a_part.png"} <= found.keys()
    np.testing.assert_array_equal(  # the same pixels, under numbers of their own
        *(
            np.array(Image.open(data / f"imported/images/a_{c}.png")).any(axis=2)
            for c in ("object", "part")
        )
    )


# ---- names -----------------------------------------------------------------------------------

ARRANGED = {
    "an end": ("{image}_L.png", "{image}", "{}", "{}_L"),
    "an end, any ending": ("{image}_L", "{image}", "{}", "{}_L"),
    "beginnings and ends": ("gt_{image}_labelIds", "{image}_left", "{}_left", "gt_{}_labelIds"),
    "another folder": ("{folder}annot/{name}", "{image}", "{}", None),
    "no folders": ("{name}", "{image}", "{}", None),
}


# Without folders in its name a mask is called like its image, so that it must lie elsewhere.
PLACED = [
    (arranged, place)
    for arranged in ARRANGED
    for place in ("apart", "below", "among")
    if arranged != "no folders" or place == "apart"
]


@pytest.mark.parametrize(("arranged", "place"), PLACED)
def test_patterns_of_names(tmp_path, expected, arranged, place):
    mask_name, image_name, image_at, mask_at = ARRANGED[arranged]
    if arranged == "beginnings and ends":  # images of other names
        expected = None
    masks = {"apart": "masks", "below": "images/masks", "among": "images"}[place]
    for k, (name, mask) in enumerate(contents().items()):
        folder, _, last = name.rpartition("/")
        path = image_at.format(name)
        save_image(tmp_path / f"images/{path}.png", mask.shape, k)
        target = mask_at and mask_at.format(name)
        if arranged == "another folder":
            target = f"{folder}annot/{last}"
        if arranged == "no folders":
            target = last
        save_masks(tmp_path / masks, numbered, {target: mask})
    save_rows(tmp_path / "labels.csv", ROWS)
    found = imported(tmp_path, (masks,), mask_name=mask_name, image_name=image_name)
    if expected is None:
        assert sum(name.endswith("_object.png") for name in found) == 3
    else:
        assert found == expected


def test_names_that_do_not_fit_are_logged(data, caplog):
    save_masks(data / "masks", lambda path, mask: numbered(f"{path}_L", mask))
    save_image(data / "images/other.jpg", (3, 3))
    with caplog.at_level(logging.INFO, "dissection"):
        found = imported(data, mask_name="{image}_L.png", image_name="{image}.png")
    assert "left out, images whose names are not like {image}.png: 1 (other)" in caplog.text
    assert "images/other.png" not in found


# ---- tables ----------------------------------------------------------------------------------


def excel(rows, separator=",", **changes):
    lines = [separator.join(map(str, row)) for row in rows]
    return "\r\n".join(lines) + changes.get("end", "\r\n")


HEAD = ("value", "name", "category")
TABLES = {
    "Excel's CSV UTF-8": "\ufeff" + excel([HEAD, *ROWS]),
    "a German Excel": excel([HEAD, *ROWS], ";"),
    "Excel's Unicode text": (excel([HEAD, *ROWS], "\t"), "utf-16"),
    "with a note of the separator": "sep=;\r\n" + excel([HEAD, *ROWS], ";"),
    "no last line break": excel([HEAD, *ROWS], end=""),
    "old Macintosh": excel([HEAD, *ROWS]).replace("\r\n", "\r"),
    "empty rows and columns": excel(
        [(*HEAD, "", ""), *((*row, "", "") for row in ROWS), ("",) * 5, ("",) * 5]
    ),
    "capitals": excel([("VALUE", "Name", "Category"), *((v, n, c.title()) for v, n, c in ROWS)]),
    "plurals": excel([HEAD, *((v, n, f"{c}s") for v, n, c in ROWS)]),
    "pandas": pd.DataFrame(ROWS, columns=HEAD).to_csv(),
    "pandas, numbers with points": pd.DataFrame(ROWS, columns=HEAD).astype({"value": float}).to_csv(
        index=False
    ),
    "pandas, tabs": pd.DataFrame(ROWS, columns=HEAD).to_csv(sep="\t", index=False),
    "LibreOffice, all in quotes": pd.DataFrame(ROWS, columns=HEAD).to_csv(quoting=1, index=False),
}  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
def test_tables_of_every_program(data, expected, table):
    text, encoding = TABLES[table] if isinstance(TABLES[table], tuple) else (TABLES[table], "utf-8")
    (data / "labels.csv").write_bytes(text.encode(encoding))
    save_masks(data / "masks", numbered)
    assert imported(data) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_letters_of_every_encoding(data, encoding):
    rows = [(v, "Straße" if v == 1 else n, c) for v, n, c in ROWS]
    (data / "labels.csv").write_bytes(excel([HEAD, *rows], ";").encode(encoding))
    save_masks(data / "masks", numbered)
    assert "Straße" in imported(data)["label.csv"].decode()


# ---- mistakes --------------------------------------------------------------------------------


def saved(image, ending, **options):
    file = io.BytesIO()
    image.save(file, ending, **options)
    return file.getvalue()


RGB = Image.fromarray(coloured(contents()["b"]))
GREY = Image.fromarray(contents()["b"].astype(np.uint8))
TRANSPARENT = GREY.convert("RGBA")
TRANSPARENT.putpixel((2, 3), (1, 1, 1, 0))


def array_file(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def matlab_file(**arrays):
    file = io.BytesIO()
    scipy.io.savemat(file, arrays)
    return file.getvalue()


BAD_FILES = {
    "colours": (saved(RGB, "PNG"), "several channels that differ: at row 1, column .* a column co"),
    "colours in BMP": (saved(RGB, "BMP"), "several channels that differ"),
    "transparent": (saved(TRANSPARENT, "PNG"), "has transparent pixels. Fill them"),
    "JPEG called PNG": (saved(GREY, "JPEG"), "is a JPEG file, which is stored with loss"),
    "WebP called PNG": (saved(GREY, "WEBP"), "is a WebP file, which is stored with loss"),
    "JPEG in TIFF": (saved(RGB, "TIFF", compression="jpeg"), "compressed as JPEG"),
    "two pages": (saved(GREY, "TIFF", save_all=True, append_images=[GREY]), "has 2 pages"),
    "CMYK": (saved(RGB.convert("CMYK"), "TIFF"), "has the colours CMYK"),
    "GIF": (saved(GREY, "GIF"), "is damaged .not a PNG, BMP, TIFF, NumPy or MATLAB file"),
    "BMP, cut": (saved(GREY, "BMP")[:-40], "is damaged"),
    "TIFF, cut": (saved(GREY, "TIFF")[:-40], "is damaged"),
    "NumPy, cut": (array_file(np.ones((8, 8)))[:-9], "is damaged"),
    "NumPy, objects": (array_file(np.array([[{}]]), allow_pickle=True), "is damaged"),
    "NumPy, negative": (array_file(np.full((8, 8), -1)), "the value -1; values must be whole"),
    "NumPy, large": (array_file(np.full((8, 8), 2**16)), "value 65536; values must be whole"),
    "NumPy, parts": (array_file(np.full((8, 8), 0.5)), "the value 0.5; values must be whole"),
    "NumPy, nan": (array_file(np.full((8, 8), np.nan)), "the value nan; values must be whole"),
    "NumPy, text": (array_file(np.array([["a"]])), "holds <U1, no numbers"),
    "NumPy, five channels": (array_file(np.ones((8, 8, 5))), r"the shape \(8, 8, 5\); it must"),
    "NumPy, one row": (array_file(np.ones(8)), r"the shape \(8,\)"),
    "NumPy, empty": (array_file(np.ones((0, 8))), "has no pixels"),
    "MATLAB 7.3": (b"MATLAB 7.3 MAT-file, Platform", "saved by MATLAB with -v7.3. Save it with"),
    "MATLAB, cut": (matlab_file(S=np.ones((8, 8)))[:200], "is damaged .no MATLAB file"),
    "MATLAB, several": (matlab_file(S=np.ones((8, 8)), T=1), r"several arrays .S, T.*variable"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD_FILES)
def test_masks_that_cannot_be_taken(data, fault):
    save_masks(data / "masks", numbered)
    content, message = BAD_FILES[fault]
    (data / "masks/b.png").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        imported(data)
    assert "masks/b.png: the mask" in str(caught.value)
    assert not list(data.glob("*imported*"))


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("Label", "has no array 'Label'. Did you mean 'LabelMap'. There are LabelMap, other"),
        ("LabelMap.x", "LabelMap.x: there is no 'x'. There are no fields"),
    ],
)
def test_arrays_that_a_matlab_file_lacks(tmp_path, variable, message):
    (tmp_path / "a.mat").write_bytes(matlab_file(LabelMap=np.ones((2, 2)), other=1))
    with pytest.raises(InputError, match=message.replace("?", ".")):
        read_mask(tmp_path / "a.mat", variable=variable)


COLOUR_FAULTS = {
    "not listed": ([("#804080", "car", "object")], "masks: colour #010203, 1.. pixels|colour #"),
    "no colour": ([("#80408", "car", "object")], "line 2: '#80408' is no colour. Write it as #80"),
    "too large": ([("1 2 300", "car", "object")], "'1 2 300' is no colour"),
    "two numbers": ([("1 2", "car", "object")], "'1 2' is no colour"),
    "one empty": ([("#804080", "car", "object"), ("", "b", "object")], "line 3: no color, but oth"),
    "twice": (
        [("#804080", "car", "object"), ("128 64 128", "b", "object")],
        "line 3: colour #804080 of .* already is the object 'car'",
    ),
}


@pytest.mark.parametrize("fault", COLOUR_FAULTS)
def test_mistakes_in_colours(data, fault):
    rows, message = COLOUR_FAULTS[fault]
    save_rows(data / "labels.csv", rows, ("color", "name", "category"))
    save_masks(data / "masks", COLOUR_FORMS["RGB"])
    with pytest.raises(InputError, match=message):
        imported(data, void=[])


def test_void_is_no_colour_and_has_no_name(data):
    save_masks(data / "masks", COLOUR_FORMS["RGB"])
    with pytest.raises(InputError, match="line 5: value 9 is void by the configuration"):
        imported(data, void=[9])
    save_rows(data / "labels.csv", [("#804080", "car", "object")], ("color", "name", "category"))
    with pytest.raises(InputError, match="void, which lists numbers, does not fit"):
        imported(data)


@pytest.mark.parametrize("form", ["numbers", "colours"])
@pytest.mark.parametrize("loss", ["JPEG", "scaled smoothly"])
def test_masks_that_lost_something_are_recognised(tmp_path, form, loss):
    mask = np.zeros((90, 120), np.uint8)
    mask[20:60, 30:80], mask[50:, 60:] = 9, VOID
    save_image(tmp_path / "images/a.png", mask.shape)
    image = Image.fromarray(coloured(mask) if form == "colours" else mask)
    if loss == "JPEG":
        image = Image.open(io.BytesIO(saved(image, "JPEG", quality=80)))
    else:
        image = image.resize((60, 45)).resize((120, 90))
    save_mask(tmp_path / "masks/a.png", np.asarray(image), image.mode)
    rows = [(9, "b", "object"), (VOID, "", "")]
    if form == "colours":
        rows = [("{} {} {}".format(*COLOURS[value]), *row) for value, *row in rows]
    write_table(
        tmp_path / "labels.csv", rows, ("value" if form == "numbers" else "color", *HEAD[1:])
    )
    with pytest.raises(InputError, match=r"a\.png: \d+ values\nThis looks like JPEG, or like"):
        run(tmp_path)


def test_a_pattern_that_nothing_fits(data):
    save_masks(data / "masks", numbered)
    with pytest.raises(InputError, match=r"No image in .* masks: 3 \(a, b, inner/c\).*mask_name"):
        imported(data, mask_name="{image}_L")
    with pytest.raises(InputError, match=r"no image has a name like x_\{image\}: 3"):
        imported(data, image_name="x_{image}")


def test_byte_order_marks_alone_are_no_table(data):
    save_masks(data / "masks", numbered)
    for content in (codecs.BOM_UTF16_LE, codecs.BOM_UTF8, codecs.BOM_UTF16_LE + b"a"):
        (data / "labels.csv").write_bytes(content)
        with pytest.raises(InputError, match=r"labels\.csv"):
            imported(data)


def test_colours_are_read_as_they_are_written():
    assert parse_colour("#0a0b0c", "") == parse_colour("[10; 11; 12]", "") == 0x0A0B0C
