"""Scenes of whole images, by folder, by table, or as masks of one label."""

import numpy as np
import pytest
from mask_forms import (
    NAMES,
    VOID,
    contents,
    imported_form,
    numbered,
    save_masks,
    save_rows,
)

from dissection.errors import InputError

SCENES = {"a": "street", "b": "dining_room", "inner/c": "inner"}


def with_scenes(data, scenes, **options):
    save_masks(data / "masks", numbered)
    rows = [(v, *NAMES[v]) for v in NAMES]
    save_rows(data / "values.csv", rows)
    own = {"images": data / "images", "masks": [data / "masks"], "labels": data / "values.csv"}
    return imported_form(data, "masks", **own | {"void": [VOID], "scenes": scenes} | options)


@pytest.mark.parametrize("ending", ["", ".png"])
def test_scenes_by_a_table_and_by_masks_are_the_same(data, ending):
    rows = [(f"{name}{ending}", scene) for name, scene in SCENES.items()]
    save_rows(data / "scenes.csv", rows, ("image", "label"))
    found = with_scenes(data, data / "scenes.csv")
    index = found["index.csv"].decode().splitlines()
    column = index[0].split(",").index("scene")
    numbers = [line.split(",")[column] for line in index[1:]]
    assert all(n.isdigit() for n in numbers) and len(set(numbers)) == 3

    values = dict(enumerate(SCENES.values(), start=1))
    masks = {
        name: np.full(mask.shape, value)
        for (name, mask), value in zip(contents().items(), values, strict=True)
    }
    save_masks(data / "scenes", numbered, masks)
    rows = [("masks", v, *NAMES[v]) for v in NAMES] + [("masks", VOID, "", "")]
    rows += [("scenes", value, scene, "scene") for value, scene in values.items()]
    save_rows(data / "all.csv", rows, ("folder", "value", "name", "category"))
    own = {"masks": [data / "masks", data / "scenes"], "labels": data / "all.csv", "void": []}
    assert with_scenes(data, None, **own) == found


def test_scenes_by_folders(data):
    save_rows(data / "scenes.csv", [("inner/c", "inner"), ("a", "")], ("image", "label"))
    assert with_scenes(data, "folders") == with_scenes(data, data / "scenes.csv")


def test_images_with_nothing_but_a_scene_are_taken(data):
    found = with_scenes(data, None)
    assert "images/b.png" in found
    save_masks(data / "images", numbered, {"d": np.zeros((5, 5))})
    save_rows(data / "scenes.csv", [("d", "car"), ("b", "street")], ("image", "label"))
    found = with_scenes(data, data / "scenes.csv")
    assert "images/d.png" in found
    assert ",car-s,scene(1)," in found["label.csv"].decode()  # another label is called car
    assert ",street,scene(1)," in found["label.csv"].decode()


SCENE_FAULTS = {
    "twice": ([("a", "x"), ("a.png", "y")], "line 3: the image 'a.png' is listed twice"),
    "nothing fits": ([("q.png", "x")], r"gives no image a scene: 1 \(q.png\)"),
    "no labels": ([("a", "")], "gives no image a scene"),
}


@pytest.mark.parametrize("fault", SCENE_FAULTS)
def test_mistakes_in_tables_of_scenes(data, fault):
    rows, message = SCENE_FAULTS[fault]
    save_rows(data / "scenes.csv", rows, ("image", "label"))
    with pytest.raises(InputError, match=message):
        with_scenes(data, data / "scenes.csv")
    save_rows(data / "scenes.csv", rows, ("image", "scene"))
    with pytest.raises(InputError, match="unknown column 'scene'"):
        with_scenes(data, data / "scenes.csv")
