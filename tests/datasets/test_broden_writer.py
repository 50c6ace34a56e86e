"""Data sets as they are written, against a recount of every pixel and the reader."""

import csv
import hashlib
import re
from collections import Counter, defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dissection.categories import CATEGORIES
from dissection.datasets.broden import Broden
from dissection.datasets.broden_writer import BrodenImage, split_of, write_broden
from dissection.errors import InputError

# "shared" and "wheel" are labels of two categories; a comma and quotes need care in a table.
NAMES = {
    "object": ("sky", "wheel", "shared", 'a "quoted", one'),
    "part": ("wheel", "door", "handle"),
    "material": ("wood",),
    "color": ("red-c", "shared"),
}
WHOLE = {"scene": ("street-s", "park-s"), "texture": ("striped", "shared", "dotted")}


def random_images(rng):
    """Images of all oddities: several channels, no labels, several sizes, whole-image labels."""
    images = []
    for i in range(rng.integers(1, 9)):
        ih, iw, sh, sw = (int(n) for n in rng.integers(1, 9, 4))
        maps, whole = {}, {}
        for category, names in NAMES.items():
            if rng.random() < 0.6:
                shape = (rng.integers(1, 4), sh, sw)
                codes = rng.integers(0, len(names) + 1, shape) * (rng.random(shape) < rng.random())
                maps[category] = codes.astype(rng.choice([np.uint8, np.uint16]))
        for category, names in WHOLE.items():
            if rng.random() < 0.5:
                count = rng.integers(0, len(names) + 1)
                whole[category] = [str(n) for n in rng.choice(names, count, replace=False)]
        if rng.random() < 0.1:
            whole["object"] = ["sky"]  # also drawn in a map, perhaps
        pixels = rng.integers(0, 256, (ih, iw, 3), dtype=np.uint8)
        path = f"{rng.choice(['a', 'b/c'])}/{i}{rng.choice(['.png', '.bmp'])}"
        images.append(BrodenImage(path, pixels, maps, whole))
    return images


def size_of(image):
    return next((m.shape[1:] for m in image.maps.values()), image.pixels.shape[:2])


def labels_at(image, y, x, categories=CATEGORIES):
    """The (category, name) pairs of one pixel."""
    found = {(c, name) for c in categories for name in image.whole.get(c, ())}
    for category in set(categories) & set(image.maps):
        codes = image.maps[category][:, y, x]
        found |= {(category, NAMES[category][code - 1]) for code in codes if code}
    return found


def recount(images):
    """Frequency and coverage by (category, name), and by name over all categories."""
    frequency, coverage = Counter(), Counter()
    for image in images:
        height, width = size_of(image)
        counts = Counter()
        for y in range(height):
            for x in range(width):
                pairs = labels_at(image, y, x)
                counts.update(pairs | {name for _, name in pairs})
        frequency.update(counts.keys())
        for key, pixels in counts.items():
            coverage[key] += pixels / (height * width)
    return frequency, coverage


def table(folder, name):
    with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@given(st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_tables_are_those_of_a_recount(seed):
    images = random_images(np.random.default_rng(seed))
    frequency, coverage = recount(images)
    names = {key for key in frequency if isinstance(key, str)}
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_broden(folder, images, NAMES)

        labels = table(folder, "label")
        head = (folder / "label.csv").read_text().splitlines()[0]
        assert head == "number,name,category,frequency,coverage,syns"
        assert [row["number"] for row in labels] == [str(n + 1) for n in range(len(names))]
        assert {row["name"] for row in labels} == names
        order = [(-frequency[r["name"]], -round(coverage[r["name"]], 9)) for r in labels]
        assert order == sorted(order), "numbers go by falling frequency, then coverage"
        for row in labels:
            name = row["name"]
            assert int(row["frequency"]) == frequency[name]
            assert float(row["coverage"]) == pytest.approx(coverage[name], abs=1e-6)
            cell = re.findall(r"(\w+)\((\d+)\)(?:;|$)", row["category"])
            expected = {c: frequency[c, name] for c in CATEGORIES if (c, name) in frequency}
            assert {c: int(n) for c, n in cell} == expected
            assert sorted((int(n) for _, n in cell), reverse=True) == [int(n) for _, n in cell]

        number = {row["name"]: int(row["number"]) for row in labels}
        used = [c for c in CATEGORIES if any(key[0] == c for key in pairs(frequency))]
        categories = {row["name"]: row for row in table(folder, "category")}
        assert set(categories) == set(used)
        assert {p.name for p in folder.glob("c_*.csv")} == {f"c_{c}.csv" for c in used}
        for category in used:
            rows = table(folder, f"c_{category}")
            assert list(rows[0]) == ["code", "number", "name", "frequency", "coverage"]
            assert [int(row["code"]) for row in rows] == list(range(1, len(rows) + 1))
            numbers = [int(row["number"]) for row in rows]
            assert numbers == sorted(number[name] for c, name in pairs(frequency) if c == category)
            for row in rows:
                key = (category, row["name"])
                assert int(row["number"]) == number[row["name"]]
                assert int(row["frequency"]) == frequency[key]
                assert float(row["coverage"]) == pytest.approx(coverage[key], abs=1e-6)
            row = categories[category]
            with_category = sum(
                any(
                    labels_at(image, y, x, [category])
                    for y in range(size_of(image)[0])
                    for x in range(size_of(image)[1])
                )
                for image in images
            )
            assert {key: row[key] for key in ("first", "last", "count", "frequency")} == {
                "first": str(min(numbers)),
                "last": str(max(numbers)),
                "count": str(len(numbers)),
                "frequency": str(with_category),
            }
            assert list(row) == ["name", "first", "last", "count", "frequency"]


def pairs(counter):
    return [key for key in counter if isinstance(key, tuple)]


@given(st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_images_and_labels_come_back(seed):
    images = random_images(np.random.default_rng(seed))
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_broden(folder, images, NAMES)
        index = table(folder, "index")
        head = (folder / "index.csv").read_text().splitlines()[0]
        assert head == "image,split,ih,iw,sh,sw,color,object,part,material,scene,texture"
        assert [row["image"] for row in index] == [image.path for image in images]
        number = {row["name"]: int(row["number"]) for row in table(folder, "label")}
        written = {Path(image.path).as_posix() for image in images}
        for image, row in zip(images, index, strict=True):
            assert [int(row[key]) for key in ("ih", "iw")] == list(image.pixels.shape[:2])
            assert [int(row[key]) for key in ("sh", "sw")] == list(size_of(image))
            height, width = size_of(image)
            stored = [[set() for _ in range(width)] for _ in range(height)]
            for category in CATEGORIES:
                entries = [entry for entry in row[category].split(";") if entry]
                whole = [int(entry) for entry in entries if entry.isdigit()]
                assert whole == [number[name] for name in image.whole.get(category, ())]
                files = [entry for entry in entries if not entry.isdigit()]
                written |= set(files)
                # As many maps as there are channels that hold a label, in the same order.
                channels = [m for m in image.maps.get(category, ()) if m.any()]
                assert len(files) == len(channels)
                for file, channel in zip(files, channels, strict=True):
                    with Image.open(folder / "images" / file) as png:
                        assert (png.format, png.mode) == ("PNG", "RGB")
                        red, green, blue = np.moveaxis(np.asarray(png).astype(int), 2, 0)
                    assert not blue.any()
                    numbers = [0, *(number.get(name, 0) for name in NAMES[category])]
                    expected = [[numbers[code] for code in line] for line in channel]
                    assert (red + 256 * green).tolist() == expected
                    for y in range(height):
                        for x in range(width):
                            stored[y][x] |= {(category, red[y, x] + 256 * green[y, x])}
                for y in range(height):
                    for x in range(width):
                        stored[y][x] |= {(category, n) for n in whole}
            for y in range(height):
                for x in range(width):
                    expected = {(c, number[name]) for c, name in labels_at(image, y, x)}
                    assert {(c, n) for c, n in stored[y][x] if n} == expected
        there = {p.relative_to(folder / "images").as_posix() for p in folder.rglob("images/**/*.*")}
        assert there == written, "no file is left over"
        if not number:
            return  # the reader wants labels
        broden = Broden(folder)
        for i, image in enumerate(images):
            np.testing.assert_array_equal(broden.load_image(i), image.pixels)
            broden.load_labels(i)
        assert [broden.names[n] for n in number.values()] == list(number)


def test_by_hand(tmp_path):
    """Two images, with a part that lies on another and a name in two categories."""
    two_parts = np.array([[[1, 1, 0, 0]], [[0, 3, 0, 0]]], np.uint8)  # a handle on a wheel
    images = [
        BrodenImage(
            "x/0.png",
            np.zeros((2, 8, 3), np.uint8),
            {"part": two_parts, "object": np.array([[[2, 2, 2, 1]]], np.uint8)},
            {"scene": ["park-s"]},
        ),
        BrodenImage("x/1.png", np.zeros((1, 1, 3), np.uint8), {}, {"scene": ["park-s"]}),
    ]
    write_broden(tmp_path, images, NAMES)
    split = [split_of("x/0.png"), split_of("x/1.png")]
    assert (tmp_path / "index.csv").read_text() == (
        "image,split,ih,iw,sh,sw,color,object,part,material,scene,texture\n"
        f"x/0.png,{split[0]},2,8,1,4,,x/0_object.png,x/0_part.png;x/0_part_2.png,,1,\n"
        f"x/1.png,{split[1]},1,1,1,1,,,,,1,\n"
    )
    # The wheel covers three pixels as an object, two as a part, three together.
    assert (tmp_path / "label.csv").read_text() == (
        "number,name,category,frequency,coverage,syns\n"
        "1,park-s,scene(2),2,2.000000,\n"
        "2,wheel,object(1);part(1),1,0.750000,\n"
        "3,handle,part(1),1,0.250000,\n"
        "4,sky,object(1),1,0.250000,\n"
    )
    assert (tmp_path / "c_part.csv").read_text() == (
        "code,number,name,frequency,coverage\n1,2,wheel,1,0.500000\n2,3,handle,1,0.250000\n"
    )
    assert (tmp_path / "category.csv").read_text() == (
        "name,first,last,count,frequency\nobject,2,4,2,1\npart,2,3,2,1\nscene,1,1,1,2\n"
    )
    broden = Broden(tmp_path)
    assert CATEGORIES[broden.primary[2]] == "object"
    maps, whole = broden.load_labels(0)
    assert maps["part"].tolist() == [[[2, 2, 0, 0]], [[0, 3, 0, 0]]]
    assert whole == {"scene": [1]}


def test_more_labels_than_one_channel_of_a_png_holds(tmp_path):
    names = {"object": [f"thing {n}" for n in range(700)]}
    codes = np.arange(1, 701, dtype=np.uint16).reshape(1, 20, 35)
    again = np.full((1, 20, 35), 700, np.uint16)  # seen last, in the most images
    pixels = np.zeros((20, 35, 3), np.uint8)
    images = [BrodenImage(f"{i}.png", pixels, {"object": codes}) for i in range(2)]
    write_broden(tmp_path, [*images, BrodenImage("2.png", pixels, {"object": again})], names)
    broden = Broden(tmp_path)
    assert broden.names[1] == "thing 699"
    maps, _ = broden.load_labels(1)
    found = [broden.names[n] for n in maps["object"].ravel()]
    assert found == names["object"]


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=5))
def test_split_goes_by_the_hash_of_the_path(paths):
    for path in paths:
        digest = hashlib.md5(path.encode()).hexdigest()
        assert split_of(path) == ("train" if int(digest[:16], 16) <= 0.7 * 2**64 else "val")


def test_seven_in_ten_images_are_for_training():
    splits = Counter(split_of(f"scene/{i:05d}.png") for i in range(10_000))
    assert set(splits) == {"train", "val"}
    assert abs(splits["train"] - 7000) < 5 * (10_000 * 0.7 * 0.3) ** 0.5


def test_splits_are_written(tmp_path):
    images = [
        BrodenImage(f"{i}.png", np.zeros((1, 1, 3), np.uint8), {}, {"scene": ["park-s"]})
        for i in range(40)
    ]
    write_broden(tmp_path, images, NAMES)
    by_split = defaultdict(list)
    for row in table(tmp_path, "index"):
        by_split[row["split"]].append(row["image"])
    assert set(by_split) == {"train", "val"}
    for split, paths in by_split.items():
        assert {split_of(path) for path in paths} == {split}


BLANK = np.zeros((2, 2, 3), np.uint8)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "No images"),
        ([BrodenImage("a.png", BLANK), BrodenImage("a.png", BLANK)], "a.png comes twice"),
        (
            [BrodenImage("a.png", BLANK, {"part": np.array([[[0, 4]]], np.uint8)})],
            "a.png: the part map has the value 4, but there are only 3 names",
        ),
        (
            [BrodenImage("a.png", BLANK, {"action": np.zeros((1, 2, 2), np.uint8)})],
            "The labels of a.png have the category 'action'; it must be one of object, part",
        ),
        (
            [BrodenImage("a.png", BLANK, {}, {"Scene": ["park-s"]})],
            "The labels of a.png have the category 'Scene'",
        ),
    ],
)
def test_faults(tmp_path, images, message):
    with pytest.raises(InputError, match=message):
        write_broden(tmp_path, images, NAMES)


def test_names_of_an_unknown_category(tmp_path):
    with pytest.raises(InputError, match="The names have the category 'action'"):
        write_broden(tmp_path, [BrodenImage("a.png", BLANK)], {"action": ["run"]})


def test_a_new_category_is_written(tmp_path, monkeypatch):
    for module in ("broden", "broden_writer"):
        categories = (*CATEGORIES, "action")
        monkeypatch.setattr(f"dissection.datasets.{module}.CATEGORIES", categories)
    images = [BrodenImage("a.png", BLANK, {"action": np.ones((1, 2, 2), np.uint8)})]
    write_broden(tmp_path, images, {"action": ["run"]})
    assert table(tmp_path, "index")[0]["action"] == "a_action.png"
    assert [row["name"] for row in table(tmp_path, "category")] == ["action"]
    maps, _ = Broden(tmp_path).load_labels(0)
    assert maps["action"].tolist() == [[[1, 1], [1, 1]]]


def test_more_labels_than_the_format_holds(tmp_path, monkeypatch):
    monkeypatch.setattr("dissection.datasets.broden_writer.MOST_LABELS", 2)
    images = [BrodenImage("a.png", BLANK, {}, {"scene": ["a-s", "b-s"]})]
    write_broden(tmp_path / "2", images, NAMES)
    images.append(BrodenImage("b.png", BLANK, {}, {"scene": ["c-s"]}))
    with pytest.raises(InputError, match="More than 2 labels"):
        write_broden(tmp_path / "3", images, NAMES)
