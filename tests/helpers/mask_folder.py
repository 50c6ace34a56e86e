"""Write tiny segmentation data sets for tests, and read back what they became."""

import csv
import random

import numpy as np
from PIL import Image

from dissection.datasets.broden import Broden
from dissection.datasets.masks.forms import import_form


def write_table(path, rows, columns=("value", "name", "category")):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])


def save_mask(path, values, mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(values, np.uint16))
    elif mode == "1":
        image = Image.fromarray(np.asarray(values, bool))
    else:
        image = Image.fromarray(np.asarray(values, np.uint8))
        if mode == "P":
            image.putpalette(random.Random(0).randbytes(768))
    assert image.mode == mode
    image.save(path)


def save_image(path, size, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def small_data(tmp_path):
    """Two images with masks of one folder."""
    save_image(tmp_path / "images/a.png", (4, 6), 1)
    save_image(tmp_path / "images/b.jpg", (5, 3), 2)
    save_mask(tmp_path / "masks/a.png", [[0, 1, 2, 0, 1, 2]] * 4)
    save_mask(tmp_path / "masks/b.png", [[1, 1, 255]] * 5)
    write_table(
        tmp_path / "labels.csv", [(1, "car", "object"), (2, "wheel", "part"), (255, "", "")]
    )
    return tmp_path


def run(folder, masks=("masks",), **options):
    own = {"images": folder / "images", "masks": [folder / name for name in masks]}
    import_form("masks", {**own, "labels": folder / "labels.csv", **options}, folder / "imported")
    return Broden(folder / "imported")


def labels(broden, name):
    """By category, the names of the labels at every pixel of an image: a set a pixel."""
    i = broden.image_names.index(name)
    maps, whole = broden.load_labels(i)
    found = {}
    for category, numbers in whole.items():
        sets = np.empty(broden.sizes[i], object)
        for place in np.ndindex(sets.shape):
            sets[place] = {broden.names[n] for n in numbers}
        found[category] = sets
    for category, channels in maps.items():
        sets = np.empty(channels.shape[1:], object)
        for place in np.ndindex(sets.shape):
            own = {broden.names[n] for n in channels[(slice(None), *place)] if n}
            sets[place] = own | (found[category][place] if category in found else set())
        found[category] = sets
    return found
