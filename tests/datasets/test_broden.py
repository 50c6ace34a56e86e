"""Reading data sets in Broden format, sound and damaged ones."""

import io
import re
import shutil

import numpy as np
import pytest
from broden_folder import Sample, encode, random_broden, write_broden
from PIL import Image

from dissection.categories import CATEGORIES
from dissection.datasets import image_files
from dissection.datasets.broden import Broden
from dissection.errors import InputError

LABELS = {
    1: ("sky", {"object": 3.0}),
    2: ("wheel", {"object": 1.0, "part": 2.0}),
    3: ("beach-s", {"scene": 5.0}),
    300: ("striped", {"texture": 0.5, "material": 0.5}),
}
OBJECTS = np.array([[1, 0, 2], [1, 300, 2]])
PARTS = np.array([[[0, 0, 2], [0, 0, 2]], [[0, 0, 1], [0, 0, 0]]])


def samples():
    return [
        Sample((2, 3), maps={"object": OBJECTS, "part": PARTS}, whole={"scene": [0, 3]}),
        Sample((1, 4), whole={"texture": [300, 1], "scene": [0]}),
        Sample((1, 1)),
    ]


@pytest.fixture
def folder(tmp_path):
    return write_broden(tmp_path / "data", LABELS, samples())


def test_tables(folder):
    broden = Broden(folder)
    assert len(broden) == 3
    assert broden.image_names == ["0.png", "1.png", "2.png"]
    assert broden.sizes.dtype == np.int32
    assert broden.sizes.tolist() == [[2, 3], [1, 4], [1, 1]]
    assert len(broden.names) == 301
    assert [n for n, name in enumerate(broden.names) if name] == [1, 2, 3, 300]
    assert broden.names[2] == "wheel"


def test_labels(folder):
    broden = Broden(folder)
    maps, whole = broden.load_labels(0)
    assert list(maps) == ["object", "part"]
    assert maps["object"].dtype == np.uint16
    np.testing.assert_array_equal(maps["object"], OBJECTS[None])
    np.testing.assert_array_equal(maps["part"], PARTS)  # dominant first
    assert whole == {"scene": [3]}
    assert broden.load_labels(1) == ({}, {"texture": [300, 1]})
    assert broden.load_labels(2) == ({}, {})


def test_a_category_may_have_a_map_and_a_number(tmp_path):
    sample = Sample((2, 3), maps={"texture": OBJECTS}, whole={"texture": [300]})
    maps, whole = Broden(write_broden(tmp_path, LABELS, [sample])).load_labels(0)
    np.testing.assert_array_equal(maps["texture"], OBJECTS[None])
    assert whole == {"texture": [300]}


@pytest.mark.parametrize("label", [0, 1, 255, 256, 257, 511, 65535])
def test_every_number_is_decoded(tmp_path, label):
    labels = {max(label, 1): ("thing", {"object": 1.0})}
    maps = {"object": np.array([[label, 0]])}
    broden = Broden(write_broden(tmp_path, labels, [Sample((1, 2), maps)]))
    assert broden.load_labels(0)[0]["object"].tolist() == [[[label, 0]]]


def test_primary_category_has_the_largest_coverage(folder):
    primary = Broden(folder).primary
    assert primary.dtype == np.int8
    assert primary[0] == primary[4] == -1
    assert CATEGORIES[primary[1]] == "object"
    assert CATEGORIES[primary[2]] == "part"
    assert CATEGORIES[primary[3]] == "scene"


@pytest.mark.parametrize("order", [CATEGORIES, CATEGORIES[::-1]])
def test_equal_coverage_goes_to_the_last_category_of_the_table(tmp_path, order):
    broden = Broden(write_broden(tmp_path, LABELS, samples(), categories=order))
    last = max("texture", "material", key=order.index)
    assert CATEGORIES[broden.primary[300]] == last


def test_coverage_is_compared_as_a_number(tmp_path):
    labels = {1: ("sky", {"object": 10.0, "part": 9.0})}
    broden = Broden(write_broden(tmp_path, labels, [Sample((1, 1))]))
    assert CATEGORIES[broden.primary[1]] == "object"


def test_fewer_categories(tmp_path):
    labels = {1: ("sky", {"object": 1.0})}
    sample = Sample((1, 1), maps={"object": np.array([[1]])})
    broden = Broden(write_broden(tmp_path, labels, [sample], categories=["object"]))
    assert broden.primary.tolist() == [-1, 0]
    assert list(broden.load_labels(0)[0]) == ["object"]


def test_names_are_text(tmp_path):
    names = ["NA", "null", "7", 'a "quoted", name', "grün", "line\u2028separator"]
    labels = {n: (name, {"object": 1.0}) for n, name in enumerate(names, start=1)}
    assert Broden(write_broden(tmp_path, labels, [Sample((1, 1))])).names[1:] == names


def test_statistics(folder):
    table = Broden(folder).statistics().set_index("category")
    assert list(table.index) == [*CATEGORIES, "total"]
    assert table["labels"].tolist() == [2, 1, 1, 1, 1, 0, 4]
    assert table["images"].tolist() == [1, 1, 1, 0, 1, 0, 3]
    # Objects: sky and wheel in one image each. Material: striped in no image's column.
    assert table["mean_images"].tolist()[:6] == [1.0, 1.0, 1.0, 0.0, 1.0, 0.0]
    assert np.isnan(table.loc["total", "mean_images"])


def test_images(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    folder = write_broden(tmp_path, LABELS, [Sample((2, 3), pixels=pixels)] * 2)
    Image.fromarray(pixels[..., 0]).save(folder / "images" / "1.png")  # grey
    broden = Broden(folder)
    assert broden.image_path(0) == folder / "images" / "0.png"
    np.testing.assert_array_equal(broden.load_image(0), pixels)
    assert broden.load_image(0).dtype == np.uint8
    np.testing.assert_array_equal(broden.load_image(1), np.repeat(pixels[..., :1], 3, axis=2))


@pytest.mark.parametrize("seed", range(3))
def test_maps_and_numbers_survive_any_layout(tmp_path, seed):
    broden = Broden(random_broden(tmp_path, np.random.default_rng(seed)))
    for i in range(len(broden)):
        maps, whole = broden.load_labels(i)
        for category, label_map in maps.items():
            assert label_map.shape[1:] == tuple(broden.sizes[i])
            for channel, values in enumerate(label_map):
                path = tmp_path / "images" / f"{i}_{category}_{channel}.png"
                rgb = np.asarray(Image.open(path)).astype(int)
                np.testing.assert_array_equal(values, rgb[..., 0] + 256 * rgb[..., 1])
        assert all(0 not in numbers and numbers for numbers in whole.values())


def replace(path, old, new, count=1):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


def drop_column(path, column):
    lines = [line.split(",") for line in path.read_text().splitlines()]
    place = lines[0].index(column)
    path.write_text("".join(",".join(x[:place] + x[place + 1 :]) + "\n" for x in lines))


TABLES = ["index.csv", "category.csv", "label.csv", "c_part.csv"]


@pytest.mark.parametrize("table", TABLES)
def test_missing_table(folder, table):
    (folder / table).unlink()
    with pytest.raises(InputError, match=re.escape(str(folder / table)) + " is missing.*unpack"):
        Broden(folder)


def test_missing_folder(tmp_path):
    with pytest.raises(InputError, match="missing"):
        Broden(tmp_path / "nowhere")


@pytest.mark.parametrize("table", TABLES)
def test_table_cut_off_anywhere(folder, table):
    whole = (folder / table).read_bytes()
    lines = [0, *(m.end() for m in re.finditer(b"\n", whole))]
    for length in sorted({*range(0, len(whole), 3), *lines}):
        if length in lines[2:]:
            continue  # a table with fewer rows, which only other tables can contradict
        (folder / table).write_bytes(whole[:length])
        if table == "c_part.csv" and length == lines[1]:
            Broden(folder)  # no part at all: a legitimate table
            continue
        with pytest.raises(InputError, match=re.escape(table)):
            Broden(folder)


@pytest.mark.parametrize("table", ["index.csv", "category.csv", "label.csv"])
def test_table_without_rows(folder, table):
    header = (folder / table).read_text().split("\n")[0]
    (folder / table).write_text(header + "\n")
    with pytest.raises(InputError, match=f"{table} has no rows"):
        Broden(folder)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("index.csv", "image"),
        ("index.csv", "sw"),
        ("index.csv", "texture"),
        ("label.csv", "name"),
        ("category.csv", "name"),
        ("c_part.csv", "coverage"),
    ],
)
def test_missing_column(folder, table, column):
    drop_column(folder / table, column)
    with pytest.raises(InputError, match=f"{table}, line 1: no column '{column}'"):
        Broden(folder)


def test_column_twice(folder):
    replace(folder / "index.csv", "split", "image")
    with pytest.raises(InputError, match=r"index\.csv, line 1: more than one column 'image'"):
        Broden(folder)


@pytest.mark.parametrize(
    ("table", "old", "new", "message"),
    [
        ("index.csv", ",4,6,2,3,", ",4,6,2,x,", "index.csv, line 2: sw is 'x'"),
        ("index.csv", ",4,6,2,3,", ",4,6,0,3,", "index.csv, line 2: sh is '0'"),
        ("index.csv", ",4,6,2,3,", ",4,6.5,2,3,", "index.csv, line 2: iw is '6.5'"),
        ("index.csv", ",4,6,2,3,", ",,6,2,3,", "index.csv, line 2: ih is ''"),
        ("index.csv", "300;1", "300;9", "index.csv, line 3: image 1.png has the texture label 9"),
        ("index.csv", "300;1", "99999", "label 99999, which label.csv does not list"),
        ("index.csv", "2,8", "2,8,9", "index.csv, line 3: 13 fields, but line 1 has 12"),
        ("index.csv", "train", '"train', "cannot be read as a CSV table"),
        ("category.csv", "part", "parts", "category.csv, line 3: category 'parts' is unknown"),
        ("category.csv", "part", "object", "category.csv, line 3: category 'object' again"),
        ("label.csv", "sky", "", "label.csv, line 2: label 1 has no name"),
        ("label.csv", "300,", "3,", "label.csv, line 5: label 3 is listed twice"),
        ("label.csv", "300,", "0,", "label.csv, line 5: number is '0'"),
        ("label.csv", "300,", "65536,", "label.csv, line 5: number is '65536'"),
        ("label.csv", "300,", "301,", r"label.csv has no label 300"),
        ("c_part.csv", "2.0", "much", "c_part.csv, line 2: coverage is not a number"),
        ("c_part.csv", "2.0", "nan", "c_part.csv, line 2: coverage is not a number"),
        ("c_scene.csv", "3,beach-s", "1,sky", "label 3 'beach-s' is in none of c_object.csv"),
    ],
)
def test_wrong_cell(folder, table, old, new, message):
    replace(folder / table, old, new)
    with pytest.raises(InputError, match=message):
        Broden(folder)


def add_column(path, name, cells):
    lines = path.read_text().splitlines()
    path.write_text(
        "".join(f"{line},{cell}\n" for line, cell in zip(lines, [name, *cells], strict=True))
    )


# The archive of action regions that has Broden's name and other contents is recognised by these.
@pytest.mark.parametrize("category", ["action", "Object", "objects", ""])
def test_labels_of_an_unknown_category(folder, category):
    add_column(folder / "index.csv", category, ["", "5", ""])
    with pytest.raises(InputError, match=rf"index\.csv, line 1: the column '{category}' is no cat"):
        Broden(folder)
    drop_column(folder / "index.csv", category)
    Broden(folder)
    shutil.copy(folder / "c_part.csv", folder / f"c_{category}.csv")
    with pytest.raises(InputError, match=rf"c_{category}\.csv: category\.csv does not list"):
        Broden(folder)
    (folder / f"c_{category}.csv").unlink()
    if category:
        replace(folder / "label.csv", "material(1)", f"{category}(1)")
        with pytest.raises(InputError, match=rf"label\.csv, line 5.*'{category}'.* not list"):
            Broden(folder)


def test_labels_of_a_category_that_is_not_listed(tmp_path):
    labels = {1: ("sky", {"object": 1.0})}
    sample = Sample((1, 1), maps={"object": np.array([[1]])})
    folder = write_broden(tmp_path, labels, [sample] * 2, categories=["object"])
    add_column(folder / "index.csv", "scene", ["", "0"])
    assert len(Broden(folder)) == 2
    drop_column(folder / "index.csv", "scene")
    add_column(folder / "index.csv", "scene", ["", "1"])
    with pytest.raises(InputError, match=r"index\.csv, line 3: there are labels of .* scene"):
        Broden(folder)


@pytest.mark.parametrize("name", ["0.png", "./0.png", "a/../0.png", ".//0.png"])
def test_an_image_twice(folder, name):
    replace(folder / "index.csv", "\n1.png", f"\n{name}")
    with pytest.raises(InputError, match=r"line 3: the image .*0\.png again, as in line 2"):
        Broden(folder)


def test_not_utf8(folder):
    (folder / "label.csv").write_bytes(b"number,name\n1,\xff\n")
    with pytest.raises(InputError, match=r"label\.csv cannot be read"):
        Broden(folder)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("1.png", "line 3: the image file '1.png' of image 1.png is missing"),
        ("0_part_1.png", "line 2: the part label map '0_part_1.png' of image 0.png is missing"),
    ],
)
def test_missing_file_is_found_at_opening(folder, file, message):
    (folder / "images" / file).unlink()
    with pytest.raises(InputError, match=message):
        Broden(folder)


@pytest.mark.parametrize(
    "path", ["../0.png", "/etc/passwd", "a/../../0.png", "..", "a\\..\\0.png", "C:/0.png"]
)
@pytest.mark.parametrize(("before", "old"), [("\n", "1.png"), (";", "0_part_1.png")])
def test_path_out_of_the_folder(folder, before, old, path):
    replace(folder / "index.csv", before + old, before + path)
    with pytest.raises(InputError, match=r"index\.csv, line [23]: the path .* leads out of"):
        Broden(folder)


def test_subfolders_and_dots_in_names(folder):
    (folder / "images" / "a..b").mkdir()
    (folder / "images" / "1.png").rename(folder / "images" / "a..b" / "..1.png")
    replace(folder / "index.csv", "\n1.png", "\na..b/..1.png")
    assert Broden(folder).load_image(1).shape == (2, 8, 3)


@pytest.mark.parametrize("file", ["0.png", "0_object_0.png"])
def test_a_broken_link_is_called_so(folder, file):
    (folder / "images" / file).unlink()
    (folder / "images" / file).symlink_to("elsewhere.png")
    broden = Broden(folder)
    with pytest.raises(
        InputError, match=rf"{file}.* is a link to elsewhere\.png, where there is no"
    ):
        broden.load_labels(0) if "object" in file else broden.load_image(0)


def test_large_images(tmp_path, monkeypatch):
    # 180 million pixels: more than Pillow reads by itself.
    pixels = np.zeros((1, 1, 3), np.uint8)
    sample = Sample((1, 1), {"object": np.array([[1]])}, pixels=pixels)
    folder = write_broden(tmp_path, {1: ("sky", {"object": 1.0})}, [sample])
    replace(folder / "index.csv", "1,1,1,1", "12000,15000,1,1")
    Image.new("L", (15_000, 12_000)).save(folder / "images/0.png", compress_level=1)
    broden = Broden(folder)
    monkeypatch.setattr(Image.Image, "convert", lambda image, mode: image.crop((0, 0, 2, 1)))
    assert broden.load_image(0).shape == (1, 2)
    monkeypatch.setattr(image_files, "MAX_PIXELS", 179_999_999)
    with pytest.raises(InputError, match=r"180,000,000 pixels.*more than 179,999,999 are not"):
        broden.load_image(0)


def test_image_of_another_size(folder):
    Image.new("RGB", (6, 5)).save(folder / "images" / "0.png")
    with pytest.raises(InputError, match=r"0\.png: the image has 5 x 6 pixels.*line 2.*4 x 6"):
        Broden(folder).load_image(0)


def test_label_map_of_another_size(folder):
    Image.fromarray(encode(np.zeros((3, 2)))).save(folder / "images" / "0_object_0.png")
    message = r"0_object_0\.png: the object label map of image 0\.png has 3 x 2 .*line 2.*2 x 3"
    with pytest.raises(InputError, match=message):
        Broden(folder).load_labels(0)


@pytest.mark.parametrize(
    "image",
    [
        Image.new("L", (3, 2)),
        Image.new("P", (3, 2)),
        Image.new("RGBA", (3, 2)),
        Image.new("I;16", (3, 2)),
    ],
    ids=lambda image: image.mode,
)
def test_label_map_of_another_mode(folder, image):
    image.save(folder / "images" / "0_object_0.png")
    with pytest.raises(InputError, match="must be an RGB PNG of 8 bits a channel"):
        Broden(folder).load_labels(0)


def test_label_map_with_blue(folder):
    rgb = encode(OBJECTS)
    rgb[1, 2, 2] = 1
    Image.fromarray(rgb).save(folder / "images" / "0_object_0.png")
    with pytest.raises(InputError, match=r"0_object_0\.png.*blue"):
        Broden(folder).load_labels(0)


@pytest.mark.parametrize("label", [4, 301, 65535])
def test_unknown_label_in_a_map(folder, label):
    Image.fromarray(encode([[1, 2, 0], [0, label, 1]])).save(folder / "images" / "0_object_0.png")
    with pytest.raises(InputError, match=rf"0_object_0\.png.*label {label}, which label\.csv"):
        Broden(folder).load_labels(0)


def large_png(size):
    rng = np.random.default_rng(0)
    return Image.fromarray(encode(rng.choice([0, 1, 2, 3, 300], size)))


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.1, 0.5, 0.9])
def test_label_map_cut_off(tmp_path, kept):
    folder = write_broden(tmp_path, LABELS, [Sample((40, 30), {"object": np.zeros((40, 30))})])
    path = folder / "images" / "0_object_0.png"
    large_png((40, 30)).save(path)
    assert Broden(folder).load_labels(0)[0]["object"].any()
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(InputError, match=r"0_object_0\.png: the object label map.*is damaged"):
        Broden(folder).load_labels(0)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.9])
def test_image_cut_off(tmp_path, kind, kept):
    folder = write_broden(tmp_path, LABELS, [Sample((40, 30))])
    file = io.BytesIO()
    large_png((80, 60)).save(file, kind)
    content = file.getvalue()
    path = folder / "images" / "0.png"
    path.write_bytes(content)
    assert Broden(folder).load_image(0).shape == (80, 60, 3)
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(InputError, match=r"0\.png: the image is damaged"):
        Broden(folder).load_image(0)


def test_label_map_that_is_no_png(folder):
    (folder / "images" / "0_object_0.png").write_bytes(b"no picture, but long enough to look at")
    with pytest.raises(InputError, match=r"damaged \(not a PNG file\)"):
        Broden(folder).load_labels(0)
