"""The greatest IoU that a concept's size allows, against all binary maps that there are."""

from itertools import combinations

import numpy as np
import pytest
from broden_folder import Sample, random_broden, write_broden
from tally_oracle import masks_of

from dissection.categories import CATEGORIES
from dissection.datasets.broden import Broden
from dissection.errors import InputError
from dissection.labels.pack import pack_labels
from dissection.labels.store import LabelStore
from dissection.scoring import reach
from dissection.scoring.reach import concept_table

COLUMNS = ["name", "category", "images", "area", "share", "greatest_iou", "within_reach"]


def packed(folder, broden):
    pack_labels(broden, folder / "labels")
    return LabelStore(folder / "labels")


def test_no_binary_map_does_better_and_one_does_as_well(tmp_path):
    labels = {
        1: ("sky", {"object": 1.0}),
        2: ("bird", {"object": 1.0}),
        3: ("street-s", {"scene": 1.0}),
        4: ("dotted", {"texture": 1.0}),
        5: ("nowhere", {"object": 1.0}),
    }
    samples = [
        Sample((2, 2), {"object": np.array([[1, 1], [1, 1]])}, {"scene": [3]}),
        Sample((2, 2), {"object": np.array([[1, 1], [0, 2]])}, {"scene": [3]}),
        Sample((1, 4), {}, {"texture": [4]}),
    ]
    broden = Broden(write_broden(tmp_path / "data", labels, samples))
    table = concept_table(packed(tmp_path, broden), 0.25, iou_threshold=0.6)
    assert table.columns.tolist() == COLUMNS
    assert table["name"].tolist() == ["sky", "bird", "street-s", "dotted"]
    assert table["category"].tolist() == ["object", "object", "scene", "texture"]
    assert table["images"].tolist() == [2, 1, 2, 1]
    assert table["area"].tolist() == [6, 1, 8, 4]
    assert table["share"].tolist() == [6 / 8, 1 / 8, 1, 1]

    masks = [masks_of(broden, i) for i in range(len(samples))]  # each (labels + 1, h, w)
    pixels = sum(mask[0].size for mask in masks)
    for number, greatest in zip((1, 2, 3, 4), table["greatest_iou"], strict=True):
        category = broden.primary == broden.primary[number]
        counts = np.concatenate([np.full(m[0].size, m[category].any()) for m in masks])
        concept = np.concatenate([mask[number].ravel() for mask in masks])
        best = 0.0
        for size in range(1, int(0.25 * pixels) + 1):
            for fires in map(list, combinations(range(pixels), size)):
                both = concept[fires].sum()
                union = counts[fires].sum() + concept.sum() - both
                best = max(best, both / union if union else 0)
        assert greatest == pytest.approx(best)
    assert table["within_reach"].tolist() == [False, True, False, True]


def test_images_and_areas_are_those_of_the_masks(tmp_path, monkeypatch):
    broden = Broden(random_broden(tmp_path / "data", np.random.default_rng(3), n_images=9))
    store = packed(tmp_path, broden)
    masks = [masks_of(broden, i) for i in range(len(broden))]
    images = sum(mask.any(axis=(1, 2)).astype(int) for mask in masks)
    area = sum(mask.sum(axis=(1, 2)) for mask in masks)
    numbers = np.flatnonzero(images)
    assert len(numbers) > 3
    monkeypatch.setattr(reach, "IMAGES_AT_ONCE", 4)
    table = concept_table(store, 0.005, 0.04)
    assert table["name"].tolist() == [broden.names[n] for n in numbers]
    assert table["images"].tolist() == images[numbers].tolist()
    assert table["area"].tolist() == area[numbers].tolist()
    for row, number in zip(table.itertuples(), numbers, strict=True):
        assert row.category == CATEGORIES[broden.primary[number]]
        own = broden.primary == broden.primary[number]
        of_category = sum(mask[0].size for mask in masks if mask[own].any())
        assert row.share == row.area / of_category
    with pytest.raises(InputError, match="IoU threshold"):
        concept_table(store, 0.005, 1)


def test_an_eighth_of_all_pixels_is_too_large_at_the_paper_s_numbers(tmp_path):
    labels = {1: ("road", {"object": 1.0}), 2: ("car", {"object": 1.0})}
    # Of 16 pixels in each of 10 images, road has 2, an eighth, and in one image one more.
    maps = np.zeros((10, 4, 4), np.uint16)
    maps[:, 3, 2:] = 1
    maps[:, 0, :2] = 2
    maps[0, 2, 2] = 1
    samples = [Sample((4, 4), {"object": label_map}) for label_map in maps]
    broden = Broden(write_broden(tmp_path / "data", labels, samples))
    table = concept_table(packed(tmp_path, broden), 0.005, 0.04).set_index("name")
    assert table.loc["car", "greatest_iou"] == pytest.approx(0.04)
    assert not table.loc["road", "within_reach"]
    assert table.loc["road", "greatest_iou"] == pytest.approx(0.8 / 21)
