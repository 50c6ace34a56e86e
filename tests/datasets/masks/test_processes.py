"""Labelled images come in by several processes: the same bytes, and each is sent its own image."""

import pickle

import numpy as np
import pytest
from mask_folder import write_table
from mask_forms import coloured, contents, save_images, save_masks, tree, write_json
from PIL import Image

from dissection.categories import use_categories
from dissection.datasets.masks.coco import read_coco
from dissection.datasets.masks.folders import read_masks
from dissection.datasets.masks.forms import import_form
from dissection.datasets.masks.labelme import read_labelme
from dissection.errors import InputError
from dissection.jobs import processes


def save_coloured(path, mask):
    Image.fromarray(coloured(mask)).save(f"{path}.png")


def save_odd(path, mask):
    Image.fromarray((mask % 2).astype(np.uint8)).save(f"{path}.png")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Coloured masks beside numbered ones, a dark photograph, a category of its own."""
    use_categories({"organ": "#332288"})
    monkeypatch.setattr(processes, "WORTH_A_PROCESS", 1)
    save_images(tmp_path)
    save_masks(tmp_path / "coloured", save_coloured)
    save_masks(tmp_path / "numbered", save_odd)
    dark = np.full(contents()["a"].shape, 1000, np.uint16)
    Image.fromarray(dark).save(tmp_path / "images/a.png")
    rows = [
        ("coloured", "", "128 64 128", "car", "object"),
        ("coloured", "", "1 2 3", "liver", "organ"),
        ("coloured", "", "9 9 9", "grey", "color"),
        ("coloured", "", "255 255 255", "", ""),
        ("coloured", "", "224 224 192", "", ""),
        ("numbered", "1", "", "odd", "organ"),
    ]
    write_table(tmp_path / "labels.csv", rows, ("folder", "value", "color", "name", "category"))
    yield tmp_path
    use_categories({})


def imported(data, count):
    masks = [data / "coloured", data / "numbered"]
    own = {"images": data / "images", "masks": masks, "labels": data / "labels.csv"}
    import_form("masks", own, data / f"imported {count}", count)
    return tree(data / f"imported {count}")


def test_their_number_changes_no_byte(data, caplog):
    one = imported(data, 1)
    lines = caplog.messages
    assert any("very dark" in line for line in lines)
    caplog.clear()
    assert imported(data, 2) == one
    assert caplog.messages == lines
    assert "images/a_organ_2.png" in one


def test_unknown_colours_are_named_alike(data):
    for name in ("b", "inner/c"):
        mask = np.asarray(Image.open(data / f"coloured/{name}.png")).copy()
        mask[0], mask[1], mask[2] = (7, 7, 7), (5, 5, 5), (1, 1, len(name))
        Image.fromarray(mask).save(data / f"coloured/{name}.png")
    messages = set()
    for count in (1, 2):
        with pytest.raises(InputError) as error:
            imported(data, count)
        messages.add(str(error.value))
    (message,) = messages
    colours = ("#010101", "#050505", "#070707", "#010107")
    places = [message.index(f"colour {colour}") for colour in colours]
    assert places == sorted(places), "as they come, and of an image ascending"


def coco(folder, more):
    names = list(contents())
    images = [
        {"id": k, "file_name": f"{name}.png", "height": 3, "width": 4}
        for k, name in enumerate(names)
    ]
    annotations = [
        {"id": k, "image_id": image, "category_id": 1, "segmentation": [[0, 0, 2, 0, 2, 2]]}
        for k, image in enumerate([0, 1, 2] + [1] * more)
    ]
    content = {"images": images, "annotations": annotations}
    content["categories"] = [{"id": 1, "name": "x"}]
    return read_coco(folder / "images", write_json(folder / "coco.json", content))


def panoptic(folder, more):
    Image.fromarray(np.full((3, 4, 3), (1, 0, 0), np.uint8)).save(folder / "panoptic.png")
    images = [
        {"id": k, "file_name": f"{name}.png", "height": 3, "width": 4}
        for k, name in enumerate(contents())
    ]
    annotations = [
        {"image_id": k, "file_name": "panoptic.png",
         "segments_info": [{"id": n, "category_id": 1} for n in range(1, 2 + (k and more))]}
        for k in range(3)
    ]  # fmt: skip
    content = {"images": images, "annotations": annotations}
    content["categories"] = [{"id": 1, "name": "x"}]
    file = write_json(folder / "panoptic.json", content)
    return read_coco(folder / "images", file, panoptic=folder)


def labelme(folder, more):
    for name in contents():
        shapes = [{"label": "x", "points": [[0, 0], [2, 0], [2, 2]]}]
        shapes *= 1 if name == "a" else 1 + more
        content = {"shapes": shapes, "imageHeight": 3, "imageWidth": 4}
        write_json(folder / f"images/{name}.json", content)
    return read_labelme(folder / "images", folder / "images")


def masks(folder, more):
    mask = Image.fromarray(np.ones((3, 4), np.uint8))
    for name in contents():
        (folder / "masks" / name).parent.mkdir(parents=True, exist_ok=True)
        mask.save(folder / f"masks/{name}.png")
    colours = [(f"#{n:06x}", f"label {n}", "object") for n in range(0x010101, 0x010102 + more)]
    write_table(folder / "labels.csv", colours, ("color", "name", "category"))
    return read_masks(folder / "images", [folder / "masks"], folder / "labels.csv")


@pytest.mark.parametrize("form", [coco, panoptic, labelme, masks])
def test_a_process_is_sent_nothing_of_other_images(tmp_path, form):
    save_images(tmp_path)
    sizes = set()
    for more in (0, 200):
        (layer,) = form(tmp_path, more).layers
        sent = pickle.dumps(layer.reader("a"))
        values = layer.codes.numbers(pickle.loads(sent)())
        assert values.shape == (1, 3, 4)
        assert (values == layer.codes.numbers(layer.reader("a")())).all()
        assert (values == 1).any()
        sizes.add(len(sent))
    assert len(sizes) == 1
