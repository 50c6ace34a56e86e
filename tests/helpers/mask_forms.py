"""The same labels written in every form that data sets come in."""

import csv
import io
import json
from pathlib import Path

import numpy as np
from mask_folder import save_image
from PIL import Image

from dissection.datasets.masks.forms import import_form

NAMES = {1: ("car", "object"), 2: ("wheel", "part"), 3: ("grass", "material"), 9: ("b", "object")}
VOID = 255
COLOURS = {0: (0, 0, 0), 1: (128, 64, 128), 2: (1, 2, 3), 3: (255, 255, 255), 9: (9, 9, 9)}
COLOURS[VOID] = (224, 224, 192)
ROWS = [(value, *row) for value, row in NAMES.items()]
LABELS = {1: "x", 2: "y", 3: "z", 9: "b"}  # as annotations call them
RENAMED = [("x", "car", "object"), ("y", "wheel", "part"), ("z", "grass", "material")]
RENAMED.append(("b", "", "object"))


def contents():
    """By the image's name, masks: of several shapes, one below a folder."""
    rng = np.random.default_rng(0)
    sizes = {"a": (6, 9), "b": (8, 8), "inner/c": (5, 11)}
    return {name: rng.choice([0, *COLOURS], size) for name, size in sizes.items()}


def regions():
    """By the image's name, its size and where each label is."""
    for name, mask in contents().items():
        yield name, mask.shape, {v: mask == v for v in LABELS if (mask == v).any()}


def save_images(folder, ending="png"):
    for k, (name, mask) in enumerate(contents().items()):
        save_image(folder / f"images/{name}.{ending}", mask.shape, k)


def save_rows(path, rows, columns=("value", "name", "category")):
    path.parent.mkdir(parents=True, exist_ok=True)
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([columns, *rows])
    path.write_text(file.getvalue(), encoding="utf-8")


def save_masks(folder, write, masks=None):
    for name, mask in (masks or contents()).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, mask)


def coloured(mask):
    pixels = np.zeros((*mask.shape, 3), np.uint8)
    for value, colour in COLOURS.items():
        pixels[mask == value] = colour
    return pixels


def numbered(path, mask):
    Image.fromarray(mask.astype(np.uint8)).save(f"{path}.png")


def tree(folder):
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def reference(folder):
    """What the numbered PNGs become: the files of a data set in Broden format."""
    save_images(folder)
    save_masks(folder / "masks", numbered)
    save_rows(folder / "labels.csv", [*ROWS, (VOID, "", "")])
    own = {"images": folder / "images", "masks": [folder / "masks"]}
    return imported_form(folder, "masks", **own, labels=folder / "labels.csv")


def imported_form(parent, form, **options):
    """The files of the data set that a form becomes."""
    import_form(form, options, parent / "imported")
    return tree(parent / "imported")


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path
