"""Images with masks become a data set in Broden format with the same labels."""

import logging
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mask_folder import labels, run, save_image, save_mask, small_data, write_table
from packed_labels import concept_mask
from PIL import Image

from dissection.categories import CATEGORIES
from dissection.datasets.broden import Broden
from dissection.datasets.color_names import COLOR_NAMES, color_labels
from dissection.datasets.masks.orientation import same_shape
from dissection.errors import InputError
from dissection.labels.pack import pack_labels
from dissection.labels.store import LabelStore


@pytest.fixture
def data(tmp_path):
    return small_data(tmp_path)


# ---- what comes out --------------------------------------------------------------------------


def test_labels_sizes_and_pixels_are_those_of_the_masks_and_images(data):
    broden = run(data)
    assert broden.image_names == ["a.png", "b.png"]
    assert broden.sizes.tolist() == [[4, 6], [5, 3]]
    found = labels(broden, "a.png")
    assert found["object"][0].tolist() == [set(), {"car"}, set(), set(), {"car"}, set()]
    assert found["part"][3].tolist() == [set(), set(), {"wheel"}, set(), set(), {"wheel"}]
    pixels = np.asarray(Image.open(data / "images/a.png"))
    np.testing.assert_array_equal(broden.load_image(0), pixels)
    expected = color_labels(pixels)
    for place in np.ndindex(expected.shape):
        assert found["color"][place] == {f"{COLOR_NAMES[expected[place] - 1]}-c"}
    found = labels(broden, "b.png")
    assert found["object"][0].tolist() == [{"car"}, {"car"}, set()]
    assert found.keys() == {"object", "color"}
    statistics = broden.statistics().set_index("category")
    assert statistics.loc["object", "images"] == 2
    assert statistics.loc["part", "images"] == 1


@pytest.mark.parametrize(
    ("mode", "value"), [("L", 200), ("P", 200), ("I;16", 200), ("I;16", 40_000), ("1", 1)]
)
def test_every_kind_of_mask_with_one_number_a_pixel(data, mode, value):
    write_table(data / "labels.csv", [(value, "car", "object")])
    for name, size in (("a", (4, 6)), ("b", (5, 3))):
        values = np.zeros(size, int)
        values[1] = value
        save_mask(data / f"masks/{name}.png", values, mode)
    found = labels(run(data), "a.png")["object"]
    assert found[0].tolist() == [set()] * 6
    assert found[1].tolist() == [{"car"}] * 6


def test_palettes_of_few_colours_are_packed_pixels(data):
    image = Image.fromarray(np.array([[0, 1, 2]] * 5, np.uint8), mode="P")
    image.putpalette(bytes(range(12)))
    image.save(data / "masks/b.png", bits=2)
    assert labels(run(data), "b.png")["object"][0].tolist() == [set(), {"car"}, set()]


def test_zero_is_a_label_if_the_table_says_so(data):
    write_table(
        data / "labels.csv",
        [(0, "road", "material"), (1, "car", "object"), (2, "wheel", "part"), (255, "", "")],
    )
    found = labels(run(data), "a.png")
    assert found["material"][0].tolist() == [{"road"}, set(), set(), {"road"}, set(), set()]


@pytest.mark.parametrize("folder", ["folder", "Folder", "FOLDER", " folder", "Folder "])
def test_folders_can_differ_in_what_values_mean(data, folder):
    save_mask(data / "parts/a.png", [[1, 1, 7, 0, 0, 9]] * 4)
    write_table(
        data / "labels.csv",
        [
            *(("masks", 1, "car", "object"), ("masks", 2, "van", "object"), ("", 255, "", "")),
            *((data / "parts", 1, "door", "part"), ("parts", 7, "car", "object"), ("", 9, "", "")),
        ],
        columns=(folder, "value", "name", "category"),
    )
    found = labels(run(data, ("masks", "parts")), "a.png")
    assert found["object"][0].tolist() == [
        *(set(), {"car"}, {"van", "car"}, set(), {"car"}, {"van"})
    ]
    assert found["part"][0].tolist() == [{"door"}, {"door"}, set(), set(), set(), set()]
    assert "door" not in Broden(data / "imported").names[0]


def test_folders_with_the_same_codes_need_no_column(data):
    save_mask(data / "parts/b.png", [[2, 0, 0]] * 5)
    found = labels(run(data, ("masks", "parts")), "b.png")
    assert found["part"][0].tolist() == [{"wheel"}, set(), set()]


def test_a_value_can_have_a_label_in_several_categories(data):
    write_table(
        data / "labels.csv",
        [(1, "car", "object"), (1, "steel", "material"), (2, "wheel", "part"), (255, "", "")],
    )
    found = labels(run(data), "b.png")
    assert found["object"][0, 0] == {"car"}
    assert found["material"][0, 0] == {"steel"}


def test_colours_of_the_table_replace_those_of_the_pixels(data):
    write_table(data / "labels.csv", [(1, "crimson", "color"), (2, "x", "part"), (255, "", "")])
    found = labels(run(data), "b.png")
    assert found["color"][0].tolist() == [{"crimson"}, {"crimson"}, set()]


def test_images_in_folders_of_their_own(data):
    save_image(data / "images/city/night/c.PNG", (3, 3))
    save_mask(data / "masks/city/night/c.png", [[1, 2, 0]] * 3)
    save_image(data / "images/.thumbs/c.png", (3, 3))
    (data / "images/notes.txt").write_text("no image")
    broden = run(data)
    assert broden.image_names == ["a.png", "b.png", "city/night/c.png"]
    assert labels(broden, "city/night/c.png")["object"][0, 0] == {"car"}


def test_masks_of_half_the_size(data):
    save_image(data / "images/a.png", (8, 12), 1)
    broden = run(data)
    assert broden.sizes[0].tolist() == [4, 6]
    assert broden.load_image(0).shape == (8, 12, 3)
    color = labels(broden, "a.png")["color"]
    expected = color_labels(broden.load_image(0))[1::2, 1::2]
    assert color[2, 4] == {f"{COLOR_NAMES[expected[2, 4] - 1]}-c"}


def test_longest_side_scales_large_images_and_masks_down(data):
    save_image(data / "images/a.png", (40, 60), 1)
    values = np.zeros((40, 60), np.uint8)
    values[:, 30:] = 1
    save_mask(data / "masks/a.png", values)
    broden = run(data, longest_side=12)
    assert broden.sizes.tolist() == [[8, 12], [5, 3]]
    assert broden.load_image(0).shape == (8, 12, 3)
    assert labels(broden, "a.png")["object"][3].tolist() == [set()] * 6 + [{"car"}] * 6


def test_image_that_lies_on_its_side_is_turned_as_viewers_do(data):
    pixels = save_image(data / "images/b.png", (3, 5))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(data / "images/b.jpg", exif=exif, quality=100, subsampling=0)
    (data / "images/b.png").unlink()
    broden = run(data)
    assert broden.sizes[1].tolist() == [5, 3]
    expected = np.rot90(pixels, -1)
    assert abs(broden.load_image(1).astype(int) - expected).mean() < 4


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "CMYK"])
def test_every_kind_of_image(data, mode):
    Image.open(data / "images/a.png").convert(mode).save(
        data / "images" / ("a.tif" if mode == "CMYK" else "a2.png")
    )
    (data / "images/a.png").unlink()
    if mode != "CMYK":
        (data / "images/a2.png").rename(data / "images/a.png")
    assert run(data).load_image(0).shape == (4, 6, 3)


def test_the_same_bytes_every_time(data):
    run(data)
    first = {p: p.read_bytes() for p in (data / "imported").rglob("*") if p.is_file()}
    shutil.rmtree(data / "imported")
    run(data)
    assert {p: p.read_bytes() for p in (data / "imported").rglob("*") if p.is_file()} == first


def test_left_out_files_are_logged(data, caplog):
    save_image(data / "images/c.png", (3, 3))
    save_mask(data / "masks/d.png", [[1]])
    write_table(
        data / "labels.csv",
        [(1, "car", "object"), (2, "wheel", "part"), (3, "bus", "object"), (255, "", "")],
    )
    with caplog.at_level(logging.INFO, "dissection"):
        assert len(run(data)) == 2
    assert "left out, images without a mask: 1 (c)" in caplog.text
    assert "masks without an image" in caplog.text
    assert "1 (d)" in caplog.text
    assert "labels that no mask has: 1 (bus)" in caplog.text


def test_a_table_saved_by_a_spreadsheet(data):
    text = (data / "labels.csv").read_text().replace("\n", "\r\n").replace(",car,", ", car ,")
    (data / "labels.csv").write_text("\ufeff" + text, encoding="utf-8", newline="")
    assert labels(run(data), "b.png")["object"][0, 0] == {"car"}


@given(st.integers(1, 500), st.integers(1, 500), st.floats(0.01, 1), st.sampled_from([0, 0.5, 1]))
def test_sizes_that_are_rounded_are_thesame_shape(height, width, scale, rounding):
    scaled = [max(1, int(side * scale + rounding)) for side in (height, width)]
    if min(scaled) > 1:
        assert same_shape((height, width), tuple(scaled))
        assert same_shape(tuple(scaled), (height, width))
    assert same_shape((height, width), (height, width))


# ---- round trip ------------------------------------------------------------------------------


@st.composite
def tables(draw):
    """Rows of value, name, category: values of two folders with up to two labels each."""
    values = draw(st.lists(st.sampled_from([0, 1, 2, 3, 7, 254, 255]), min_size=1, unique=True))
    names = [*"abcdef", "two words", 'ünï, "quoted"']
    rows = []
    for value in values:
        categories = draw(st.lists(st.sampled_from(CATEGORIES), max_size=2, unique=True))
        rows += [(value, draw(st.sampled_from(names)), category) for category in categories]
        if not categories:
            rows.append((value, "", ""))
    return rows, values


@settings(deadline=None, max_examples=40)
@given(tables(), tables(), st.integers(0, 999))
def test_masks_to_broden_and_back(tmp_path_factory, one, other, seed):
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(seed)
    rows = [("x", *row) for row in one[0]] + [("y", *row) for row in other[0]]
    write_table(folder / "labels.csv", rows, ("folder", "value", "name", "category"))
    expected = {}
    for i in range(3):
        size = tuple(rng.integers(1, 7, 2))
        save_image(folder / f"images/{i}.png", size, i)
        sets = {c: np.frompyfunc(lambda _: set(), 1, 1)(np.zeros(size)) for c in CATEGORIES}
        for name, (table, values) in (("x", one), ("y", other)):
            if name == "y" and rng.random() < 0.3:
                continue  # no mask in this folder
            mask = rng.choice([0, *values], size)
            save_mask(folder / f"{name}/{i}.png", mask, rng.choice(["L", "P", "I;16"]))
            for place in np.ndindex(*size):
                for value, label, category in table:
                    if label and mask[place] == value:
                        sets[category][place].add(label)
        expected[f"{i}.png"] = sets
    if not (folder / "y").exists():
        save_mask(folder / "y/none.png", [[0]])
    nothing = not any(s for sets in expected.values() for m in sets.values() for s in m.flat)
    if nothing:
        with pytest.raises(InputError, match=r"names no label|No mask has any"):
            run(folder, ("x", "y"))
        return
    broden = run(folder, ("x", "y"))
    assert sorted(broden.image_names) == sorted(expected)
    computed = not any(category == "color" for *_, category in rows)
    for name, sets in expected.items():
        found = labels(broden, name)
        for category in CATEGORIES:
            if category == "color" and computed:
                continue
            wanted = sets[category]
            if category not in found:
                assert not any(wanted.flat)
            else:
                assert found[category].tolist() == wanted.tolist()
    pack_labels(broden, folder / "packed")
    store = LabelStore(folder / "packed")
    for i, name in enumerate(broden.image_names):
        for number in range(1, store.n_labels + 1):
            label = store.names[number]
            wanted = [m for c, m in expected[name].items() if not (c == "color" and computed)]
            mask = np.any([[label in s for s in m.flat] for m in wanted], axis=0)
            if computed and label.endswith("-c"):
                continue
            np.testing.assert_array_equal(concept_mask(store, i, number).ravel(), mask)
