"""The packed label store against the label maps that it was made from."""

import json
import shutil

import numpy as np
import pytest
from broden_folder import Sample, random_broden, write_broden
from hypothesis import given, settings
from hypothesis import strategies as st
from packed_labels import concept_mask
from PIL import Image

from dissection.categories import CATEGORIES
from dissection.datasets.broden import Broden
from dissection.errors import InputError
from dissection.labels import pack
from dissection.labels.pack import number_columns, pack_labels
from dissection.labels.segments import FIRST_LABEL, FIRST_PIXEL, FIRST_SEGMENT, FIRST_WHOLE
from dissection.labels.store import LabelStore

LABELS = {
    1: ("sky", {"object": 1.0}),
    2: ("wheel", {"part": 1.0}),
    3: ("beach-s", {"scene": 1.0}),
    300: ("striped", {"texture": 1.0}),
}


def labels_of_pixels(broden, i):
    """The labels of each pixel of image i: a list of rows of sets."""
    height, width = broden.sizes[i]
    maps, whole = broden.load_labels(i)
    everywhere = {n for numbers in whole.values() for n in numbers}
    return [
        [
            everywhere | {int(m[c, y, x]) for m in maps.values() for c in range(len(m))} - {0}
            for x in range(width)
        ]
        for y in range(height)
    ]


def stored_labels_of_pixels(store, i):
    """The same from the packed arrays."""
    s = store.segments
    height, width = s.sizes[i]
    sets, place = [], s.starts[i, FIRST_LABEL]
    for length in s.lengths[s.starts[i, FIRST_SEGMENT] : s.starts[i + 1, FIRST_SEGMENT]]:
        sets.append(s.labels[place : place + length].tolist())
        place += length
    assert place == s.starts[i + 1, FIRST_LABEL]
    for labels in sets:
        assert labels == sorted(set(labels))
    assert len(set(map(tuple, sets))) == len(sets)
    whole = s.whole[s.starts[i, FIRST_WHOLE] : s.starts[i + 1, FIRST_WHOLE]].tolist()
    assert whole == sorted(set(whole))
    assert not any(set(whole) & set(labels) for labels in sets)
    pixels = s.pixels[s.starts[i, FIRST_PIXEL] : s.starts[i + 1, FIRST_PIXEL]].reshape(
        height, width
    )
    areas = s.areas[s.starts[i, FIRST_SEGMENT] : s.starts[i + 1, FIRST_SEGMENT]].tolist()
    assert areas == [(pixels == number).sum() for number in range(len(sets))]
    assert min(areas) > 0
    return [[set(whole) | set(sets[number]) for number in row] for row in pixels]


def packed(tmp_path, samples, labels=LABELS):
    broden = Broden(write_broden(tmp_path / "data", labels, samples))
    pack_labels(broden, tmp_path / "labels")
    return broden, LabelStore(tmp_path / "labels")


def check_equal(broden, store):
    assert len(store) == len(broden)
    assert store.names == broden.names
    assert store.n_labels == len(broden.names) - 1
    np.testing.assert_array_equal(store.primary, broden.primary)
    np.testing.assert_array_equal(store.sizes, broden.sizes)
    for i in range(len(broden)):
        expected = labels_of_pixels(broden, i)
        assert stored_labels_of_pixels(store, i) == expected
        everything = {label for row in expected for pixel in row for label in pixel}
        categories = {int(broden.primary[label]) for label in everything}
        assert store.segments.present[i].tolist() == [c in categories for c in range(6)]
        for label in [1, 2, 8, 300]:
            mask = concept_mask(store, i, label)
            assert mask.dtype == bool
            assert mask.tolist() == [[label in pixel for pixel in row] for row in expected]


@pytest.mark.parametrize("seed", range(8))
def test_every_pixel_has_its_labels(tmp_path, seed):
    broden = Broden(random_broden(tmp_path / "data", np.random.default_rng(seed)))
    pack_labels(broden, tmp_path / "labels")
    check_equal(broden, LabelStore(tmp_path / "labels"))


def test_sets_by_hand(tmp_path):
    objects = np.array([[[1, 1, 0, 2]], [[0, 2, 1, 1]]])
    sample = Sample((1, 4), {"object": objects, "part": np.array([[0, 1, 0, 3]])}, {"scene": [3]})
    _, store = packed(tmp_path, [sample])
    # {1}, {1, 2}, {1}, {1, 2}: order, channel, repetition and the drawn scene make no difference.
    assert store.segments.pixels.tolist() == [0, 1, 0, 1]
    assert store.segments.areas.tolist() == [2, 2]
    assert store.segments.lengths.tolist() == [1, 2]
    assert store.segments.labels.tolist() == [1, 1, 2]
    assert store.segments.whole.tolist() == [3]
    assert concept_mask(store, 0, 3).all()


def test_images_without_labels(tmp_path):
    broden, store = packed(tmp_path, [Sample((3, 2)), Sample((1, 1), {"object": np.zeros((1, 1))})])
    check_equal(broden, store)
    assert not store.segments.present.any()
    assert len(store.segments.labels) == len(store.segments.whole) == 0


def test_category_present_is_the_primary_one(tmp_path):
    labels = {1: ("wheel", {"object": 1.0, "part": 9.0})}
    sample = Sample((1, 1), {"object": np.array([[1]])})
    _, store = packed(tmp_path, [sample], labels)
    assert [CATEGORIES[c] for c in np.flatnonzero(store.segments.present[0])] == ["part"]


@given(
    columns=st.integers(0, 3).flatmap(
        lambda rows: st.lists(
            st.lists(st.sampled_from([0, 1, 2, 300]), min_size=rows, max_size=rows), min_size=1
        )
    )
)
@settings(max_examples=100, deadline=None)
def test_numbering_of_columns(columns):
    numbers, firsts = number_columns(np.array(columns, np.uint16).reshape(len(columns), -1).T)
    order = list(dict.fromkeys(map(tuple, columns)))
    assert numbers.tolist() == [order.index(tuple(column)) for column in columns]
    assert firsts.tolist() == [columns.index(list(column)) for column in order]


def test_numbering_of_many_columns():
    rng = np.random.default_rng(0)
    columns = rng.integers(0, 2**16, (2, 20_000), dtype=np.uint16)
    columns = columns[:, rng.integers(0, 20_000, 50_000)]
    numbers, firsts = number_columns(columns)
    np.testing.assert_array_equal(columns[:, firsts][:, numbers], columns)
    assert len(firsts) == len(np.unique(columns, axis=1).T)
    assert (np.diff(firsts) > 0).all()


def test_same_bytes_from_several_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "IMAGES_A_TASK", 2)
    monkeypatch.setattr(pack, "IMAGES_A_PROCESS", 1)
    broden = Broden(random_broden(tmp_path / "data", np.random.default_rng(1), n_images=7))
    for processes in (1, 2):
        pack_labels(broden, tmp_path / f"{processes}", processes)
    files = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert len(files) == 9
    assert files == sorted(path.name for path in (tmp_path / "2").iterdir())
    for name in files:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()

    # An error in another process arrives as itself, and leaves nothing behind.
    Image.new("L", (1, 1)).save(broden.image_path(0).with_name("5_part_0.png"))
    broken = Broden(tmp_path / "data")
    broken._maps["part"][5] = ["5_part_0.png"]
    with pytest.raises(InputError, match=r"5_part_0\.png"):
        pack_labels(broken, tmp_path / "3", processes=2)
    assert not (tmp_path / "3").exists()


def test_too_many_segments(tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "MAX_SEGMENTS", 2)
    objects = np.array([[1, 2, 3]])
    broden = Broden(write_broden(tmp_path, LABELS, [Sample((1, 3), {"object": objects})]))
    with pytest.raises(InputError, match=r"0\.png has 3 different sets of labels.*at most 2"):
        pack_labels(broden, tmp_path / "labels")
    packed(tmp_path / "b", [Sample((1, 3), {"object": np.minimum(objects, 2)})])


def test_segment_numbers_reach_their_limit(tmp_path):
    # 255 x 257 pixels, all different: 65,535 segments, the greatest number that is allowed.
    labels = {n: (f"label {n}", {"object": 1.0}) for n in range(1, 258)}
    columns, rows = np.meshgrid(np.arange(257), np.arange(255))
    maps = {"object": np.stack([columns + 1, np.zeros_like(columns)]), "part": rows + 1}
    pairs = {(min(a, b), max(a, b)) for a in range(1, 258) for b in range(1, 256)}
    _, store = packed(tmp_path, [Sample((255, 257), maps)], labels)
    assert len(store.segments.areas) == len(pairs)
    assert concept_mask(store, 0, 257).sum() == 255


@pytest.fixture
def folder(tmp_path):
    packed(tmp_path, [Sample((2, 2), {"object": np.array([[1, 2], [0, 1]])}, {"scene": [3]})] * 2)
    return tmp_path / "labels"


def assert_refused(folder, message):
    with pytest.raises(InputError, match=f"not a complete label store.*{message}.*pack the labels"):
        LabelStore(folder)


ARRAYS = ["areas", "labels", "lengths", "pixels", "present", "sizes", "starts", "whole"]


@pytest.mark.parametrize("name", ARRAYS)
def test_array_missing_or_cut_off(folder, name):
    path = folder / f"{name}.npy"
    content = path.read_bytes()
    path.unlink()
    assert_refused(folder, name)
    for length in (0, 60, len(content) - 1):
        path.write_bytes(content[:length])
        assert_refused(folder, "")
    path.write_bytes(content)
    assert len(LabelStore(folder)) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 0}', "null"])
def test_description_damaged(folder, text):
    (folder / "store.json").write_text(text)
    assert_refused(folder, "")


def test_missing_folder(tmp_path):
    assert_refused(tmp_path / "nowhere", "")


@pytest.mark.parametrize("name", [n for n in ARRAYS if n != "present"])
def test_arrays_of_another_store(folder, name):
    array = np.load(folder / f"{name}.npy")
    np.save(folder / f"{name}.npy", array[:-1])
    assert_refused(folder, f"{name}.npy has")
    description = json.loads((folder / "store.json").read_text())
    description["shapes"][name][0] -= 1
    (folder / "store.json").write_text(json.dumps(description))
    assert_refused(folder, "")


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [("lengths", 0, 2), ("labels", 0, 301), ("whole", 0, 301), ("starts", 1, 0), ("sizes", 0, 9)],
)
def test_contradicting_numbers(folder, name, place, value):
    array = np.load(folder / f"{name}.npy")
    array[place] = value
    np.save(folder / f"{name}.npy", array)
    assert_refused(folder, "its files do not belong together")


def test_a_store_is_replaced_as_a_whole(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "before")
    Image.new("L", (2, 2)).save(tmp_path / "data" / "images" / "1_object_0.png")
    with pytest.raises(InputError, match=r"1_object_0\.png"):
        pack_labels(Broden(tmp_path / "data"), folder)
    for path in (tmp_path / "before").iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes()
