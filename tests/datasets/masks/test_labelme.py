"""labelme's files become the same data set, byte for byte, as the numbered PNGs."""

import json

import numpy as np
import pytest
from mask_forms import (
    LABELS,
    imported_form,
    regions,
    save_images,
    write_json,
)
from PIL import Image

from dissection.datasets.masks.forms import import_form
from dissection.errors import InputError


def shape(label, points, kind="polygon"):
    return {"label": label, "points": points, "shape_type": kind, "flags": {}, "group_id": None}


def labelme_file(shapes, size):
    return {"version": "5.5.0", "flags": {}, "shapes": shapes, "imageData": None,
            "imagePath": "a.jpg", "imageHeight": size[0], "imageWidth": size[1]}  # fmt: skip


def write_labelme(data, folder="images"):
    for name, size, where in regions():
        shapes = [
            shape(LABELS[v], [[x, y], [x, y]], "rectangle")
            for v, w in where.items()
            for y, x in np.argwhere(w).tolist()
        ]
        write_json(data / f"{folder}/{name}.json", labelme_file(shapes, size))


@pytest.mark.parametrize("folder", ["images", "json"])
def test_labelme(data, expected, folder):
    write_labelme(data, folder)
    own = {"images": data / "images", "annotations": data / folder, "labels": data / "labels.csv"}
    assert imported_form(data, "labelme", **own) == expected


SHAPES = {
    "polygon": ([[1, 1], [4, 1], [4, 3], [1, 3]], [(y, x) for y in (1, 2, 3) for x in range(1, 5)]),
    "rectangle": ([[4, 3], [1, 1]], [(y, x) for y in (1, 2, 3) for x in range(1, 5)]),
    "circle": ([[3, 2], [4, 2]], [(y, x) for y in (1, 2, 3) for x in (2, 3, 4)]),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_shapes(tmp_path, kind):
    points, pixels = SHAPES[kind]
    save_images(tmp_path)
    write_json(tmp_path / "images/a.json", labelme_file([shape("q", points, kind)], (6, 9)))
    own = {"images": tmp_path / "images", "annotations": tmp_path / "images"}
    import_form("labelme", own, tmp_path / "imported")
    found = np.array(Image.open(tmp_path / "imported/images/a_object.png")).any(axis=2)
    corners = {(1, 2), (1, 4), (3, 2), (3, 4)} if kind == "circle" else set()
    wanted = {tuple(p) for p in np.argwhere(found).tolist()}
    assert set(pixels) - corners <= wanted <= set(pixels)


def test_shapes_without_an_area_are_left_out(data, caplog):
    write_labelme(data)
    file = data / "images/b.json"
    content = json.loads(file.read_text())
    content["shapes"] += [shape("dot", [[1, 1]], "point"), shape("x", [[1, 1], [2, 2]], "line")]
    file.write_text(json.dumps(content))
    own = {"images": data / "images", "annotations": data / "images"}
    assert imported_form(data, "labelme", **own, labels=data / "labels.csv")
    assert "b.json: shapes that have no area are left out: line, point" in caplog.text


LABELME_FAULTS = {
    "no shapes": ({"imageHeight": 8, "imageWidth": 8}, "another form .*shapes"),
    "no size": ({"shapes": []}, "another form .*imageHeight"),
    "another size": (labelme_file([shape("x", [[0, 0], [1, 1], [0, 1]])], (8, 16)), "8 x 16 "),
    "no label": (labelme_file([{"points": [[0, 0]]}], (8, 8)), "another form .*label"),
    "points of three": (labelme_file([shape("x", [[1, 2, 3]] * 3)], (8, 8)), "another form"),
    "points of text": (labelme_file([shape("x", [["1", 2]] * 3)], (8, 8)), "another form"),
    "not a number": (labelme_file([shape("x", [[np.nan, 2]] * 3)], (8, 8)), "the number NaN"),
}


@pytest.mark.parametrize("fault", LABELME_FAULTS)
def test_mistakes_in_labelme_files(data, fault):
    content, message = LABELME_FAULTS[fault]
    write_labelme(data)
    write_json(data / "images/b.json", content)
    own = {"images": data / "images", "annotations": data / "images"}
    with pytest.raises(InputError, match=rf"(?s)b\.json.*{message}"):
        import_form("labelme", own, data / "imported")


def test_labelme_folders(data):
    own = {"images": data / "images", "annotations": data / "images"}
    with pytest.raises(InputError, match="has a file of annotations in"):
        import_form("labelme", own, data / "imported")
    with pytest.raises(InputError, match="no does not exist"):
        import_form("labelme", own | {"annotations": data / "no"}, data / "imported")
    for name, size, _ in regions():
        write_json(data / f"images/{name}.json", labelme_file([], size))
    with pytest.raises(InputError, match="images has no shape with an area"):
        import_form("labelme", own, data / "imported")
