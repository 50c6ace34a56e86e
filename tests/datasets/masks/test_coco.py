"""COCO's annotations become the same data set, byte for byte, as the numbered PNGs."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mask_forms import (
    LABELS,
    NAMES,
    RENAMED,
    contents,
    imported_form,
    numbered,
    regions,
    save_images,
    save_masks,
    save_rows,
    write_json,
)
from PIL import Image
from pycocotools import mask as coco_mask

from dissection.datasets.masks.annotations import stacked
from dissection.datasets.masks.coco import _counts
from dissection.errors import InputError


def squares(where):
    """Polygons that COCO's way of drawing fills to just these pixels."""
    return [[x, y, x + 1, y, x + 1, y + 1, x, y + 1] for y, x in np.argwhere(where).tolist()]


def run_lengths(where):
    flat = where.T.ravel()
    changes = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *changes, flat.size]).tolist()
    return {"size": list(where.shape), "counts": [0, *counts] if flat[0] else counts}


def compressed(where):
    found = coco_mask.encode(np.asfortranarray(where.astype(np.uint8)))
    return {"size": found["size"], "counts": found["counts"].decode()}


SEGMENTATIONS = {"polygons": squares, "run lengths": run_lengths, "compressed": compressed}


def instances(segmentation):
    images, annotations = [], []
    for k, (name, size, where) in enumerate(regions()):
        images.append(
            {"id": 7 + k, "file_name": f"{name}.png", "height": size[0], "width": size[1]}
        )
        annotations += [
            {"image_id": 7 + k, "category_id": v, "segmentation": segmentation(w), "iscrowd": 0}
            for v, w in where.items()
        ]
    for k, annotation in enumerate(annotations):
        annotation["id"] = k
    return {"images": images, "annotations": annotations, "categories": categories()}


def categories():
    return [{"id": v, "name": name, "supercategory": ""} for v, name in LABELS.items()]


def coco(data, content, **options):
    file = write_json(data / "annotations.json", content)
    own = {"images": data / "images", "annotations": file, "labels": data / "labels.csv"}
    return imported_form(data, "coco", **own | options)


@pytest.mark.parametrize("kind", SEGMENTATIONS)
def test_coco_instances(data, expected, kind):
    assert coco(data, instances(SEGMENTATIONS[kind])) == expected


def panoptic(data):
    """Segments of random numbers, some labels in two of them."""
    rng = np.random.default_rng(3)
    content = instances(run_lengths) | {"annotations": []}
    for image, (name, size, where) in zip(content["images"], regions(), strict=True):
        numbers, segments = np.zeros(size, np.int64), []
        for value, place in where.items():
            for half in (0, 1):
                number = int(rng.integers(1, 2**24))
                numbers[place & (np.arange(size[1]) % 2 == half)] = number
                segments.append({"id": number, "category_id": value, "isthing": 1})
        pixels = np.stack([numbers & 255, numbers >> 8 & 255, numbers >> 16], axis=2)
        path = data / f"panoptic/{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        content["annotations"].append(
            {"image_id": image["id"], "file_name": f"{name}.png", "segments_info": segments}
        )
    return content


def test_coco_panoptic(data, expected):
    assert coco(data, panoptic(data), panoptic=data / "panoptic") == expected


def test_labels_without_a_table_are_objects(data):
    content = instances(run_lengths)
    found = coco(data, content, labels=None)
    assert {"images/a_object.png"} < found.keys()
    assert "images/a_part.png" not in found
    assert all(f",{name},object" in found["label.csv"].decode() for name in LABELS.values())


def test_things_that_overlap_are_labels_of_the_same_pixels(data, tmp_path_factory):
    other = tmp_path_factory.mktemp("masks")
    save_images(other)
    content = instances(run_lengths) | {"annotations": []}
    for image, (_, size, _) in zip(content["images"], regions(), strict=True):
        for value in (1, 9, 1):
            where = np.random.default_rng(value).random(size) < 0.6
            content["annotations"].append(
                {"image_id": image["id"], "category_id": value, "segmentation": compressed(where)}
            )
    for k in range(2):
        masks = {
            name: stacked([(v, np.random.default_rng(v).random(size) < 0.6) for v in (1, 9)], size)[
                k
            ]
            for name, size, _ in regions()
        }
        save_masks(other / f"masks{k}", numbered, masks)
    save_rows(other / "labels.csv", [(v, *NAMES[v]) for v in NAMES])
    own = {"images": other / "images", "masks": [other / "masks0", other / "masks1"]}
    assert coco(data, content) == imported_form(other, "masks", **own, labels=other / "labels.csv")


def test_images_that_a_file_lists_without_annotations_and_those_it_lacks(data, caplog):
    content = instances(run_lengths)
    gone = content["images"].pop()["id"]
    empty = content["images"][0]["id"]
    content["annotations"] = [
        a for a in content["annotations"] if a["image_id"] not in (gone, empty)
    ]
    content["images"].append({"id": 99, "file_name": "none.jpg", "height": 1, "width": 1})
    with caplog.at_level(logging.INFO, "dissection"):
        found = coco(data, content)
    assert "images that" in caplog.text and "lacks: 1 (none.jpg)" in caplog.text
    assert "left out, images without a mask: 1 (inner/c)" in caplog.text
    assert "images/a.png" in found and "images/a_object.png" not in found


@given(st.lists(st.booleans(), min_size=1, max_size=400), st.integers(1, 20))
def test_compressed_run_lengths(flat, height):
    flat = np.array(flat * height).reshape(-1, height).T
    assert _counts(compressed(flat)["counts"]) == run_lengths(flat)["counts"]


@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.lists(st.booleans(), min_size=6, max_size=6)), max_size=7
    )
)
def test_stacked_labels_are_all_there_once(labels):
    labels = [(value, np.array(where).reshape(2, 3)) for value, where in labels]
    channels = stacked(labels, (2, 3))
    for place in np.ndindex(2, 3):
        wanted = sorted({value for value, where in labels if where[place]})
        found = channels[(slice(None), *place)]
        assert sorted(found[found > 0]) == wanted
        assert (found[: len(wanted)] > 0).all()  # no gaps


def changed(key, k, **fields):
    def change(content):
        content[key][k] = {**content[key][k], **fields}

    return change


def without(key, k, field):
    def change(content):
        del content[key][k][field]

    return change


def first(segmentation):
    return changed("annotations", 0, segmentation=segmentation)


SIZE = list(contents()["a"].shape)
COCO_FAULTS = {
    "no annotations": (lambda c: c.pop("annotations"), "another form.*annotations"),
    "no such image": (changed("annotations", 0, image_id=5), "annotations.0: there is no image 5"),
    "no such category": (changed("annotations", 1, category_id=5), "annotations.1: .* category 5"),
    "no size": (without("images", 0, "height"), "images.0: height must be a whole number, and is"),
    "size as text": (changed("images", 0, width="9"), "images.0: width must be a whole number"),
    "no name": (without("images", 1, "file_name"), "images.1: file_name must be a text"),
    "an image twice": (changed("images", 1, id=7), "two images have one id"),
    "a category of 0": (changed("categories", 0, id=0), "no category 1|number 0 is not from 1"),
    "another size": (changed("images", 0, width=8), "has run lengths for 54 pixels in the size"),
    "short runs": (first({"size": SIZE, "counts": [3, 4]}), "run lengths for 7 pixels in the size"),
    "negative runs": (first({"size": SIZE, "counts": [-3, 57]}), "has run lengths that are none"),
    "runs of text": (first({"size": SIZE, "counts": ["3"]}), "has run lengths that are none"),
    "other letters": (first({"size": SIZE, "counts": "é !"}), "has run lengths that are none"),
    "runs cut off": (first({"size": SIZE, "counts": "PP"}), "has run lengths that are none"),
    "no runs": (first({"size": SIZE}), "has run lengths that are none"),
    "no segmentation": (without("annotations", 0, "segmentation"), "has no segmentation"),
    "two corners": (first([[1, 2, 3, 4]]), "a polygon that is none: it takes x and y"),
    "odd": (first([[1, 2, 3, 4, 5, 6, 7]]), "a polygon that is none"),
    "text": (first([["a", 2, 3, 4, 5, 6]]), "a polygon that is none"),
    "deeper": (first([[[1, 2], [3, 4], [5, 6]]]), "a polygon that is none"),
    "one number": (first([5]), "a polygon that is none"),
    "not a number": (first([[float("nan"), 2, 3, 4, 5, 6]]), "it has the number NaN"),
}


@pytest.mark.parametrize("fault", COCO_FAULTS)
def test_mistakes_in_coco_files(data, fault):
    change, message = COCO_FAULTS[fault]
    content = instances(run_lengths)
    change(content)
    with pytest.raises(InputError, match=f"(?s)annotations.json.*({message})"):
        coco(data, content)
    assert not list(data.glob("*imported*"))


@pytest.mark.parametrize("polygon", [[1e30, -1e30, 1e300, 5, -1e9, 1e9], [10**300, 0, 1, 1, 2, 9]])
def test_polygons_far_outside(data, polygon):
    content = instances(run_lengths)
    first([polygon])(content)
    assert coco(data, content)


def test_files_that_are_no_json(data):
    for content in ("", "[", "[]", '{"images": 1}', "[" * 100_000):
        (data / "bad.json").write_text(content)
        with pytest.raises(InputError, match=r"bad\.json"):
            coco(data, instances(squares), annotations=data / "bad.json")
    with pytest.raises(InputError, match=r"no\.json is missing"):
        coco(data, instances(squares), annotations=data / "no.json")


def test_images_of_another_folder(data):
    content = instances(run_lengths)
    for image in content["images"]:
        image["file_name"] = f"val2017/{image['file_name']}"
    with pytest.raises(InputError, match=r"images has none of its images: 3 \(val2017/a\.png,"):
        coco(data, content)


def test_segments_that_the_annotations_lack(data):
    content = panoptic(data)
    removed = content["annotations"][1]["segments_info"].pop()
    with pytest.raises(InputError, match=rf"panoptic/b\.png: .* not list: 1 \({removed['id']}\)"):
        coco(data, content, panoptic=data / "panoptic")
    content = instances(run_lengths)
    with pytest.raises(InputError, match=r"annotations\.0: file_name must be a text"):
        coco(data, content, panoptic=data / "panoptic")
    content = panoptic(data)
    (data / "panoptic/a.png").unlink()
    with pytest.raises(InputError, match=r"panoptic/a\.png: the mask cannot be read"):
        coco(data, content, panoptic=data / "panoptic")


TABLE_FAULTS = {
    "a label that is not there": ([*RENAMED, ("q", "", "object")], "line 6: .* no label 'q'. They"),
    "a label that it lacks": (RENAMED[1:], r"lacks labels of the annotations: 1 \(x\)"),
    "another category": (
        [("x", "", "thing"), *RENAMED[1:]],
        "line 2: 'x' has the category 'thing'",
    ),
    "a label twice": ([*RENAMED, ("x", "bus", "object")], "line 6: 'x' is a object already"),
    "none": ([(label, "", "") for label in LABELS.values()], "names no label"),
}


@pytest.mark.parametrize("fault", TABLE_FAULTS)
def test_mistakes_in_tables_of_annotations(data, fault):
    rows, message = TABLE_FAULTS[fault]
    save_rows(data / "labels.csv", rows, ("label", "name", "category"))
    with pytest.raises(InputError, match=message):
        coco(data, instances(run_lengths))
