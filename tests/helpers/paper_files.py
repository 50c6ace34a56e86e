"""Small stand-ins for what the paper's run takes from elsewhere, by their paths in resources/."""

import re
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torchvision
from broden_folder import Sample, write_broden
from caffe_definitions import (
    caffenet,
    googlenet,
    random_blobs,
    resnet152,
    vgg16,
    write_caffemodel,
)
from photographs import class_folders

BRODEN = "broden/broden1_227.zip"
CHECKPOINT = "places365/resnet50_places365.pth.tar"
TRAINING_IMAGES = "places365"  # config/paper.yaml: training_set.folder

# Names of layers as in the paper's files. Inputs and widths are smaller where that saves time; the
# two AlexNets are whole up to conv5, whose units 107 and 79 slide 6 shows.
ZOO = {
    # Written as files of 2014 were.
    "caffe_reference_places205": (lambda: caffenet(hidden=32, generation="layers"), "layers"),
    "caffe_reference_places365": (lambda: caffenet(hidden=32), "layer"),
    "vgg16_places365": (lambda: thin(vgg16(64, hidden=64), 4), "layer"),
    "googlenet_places365": (lambda: thin(googlenet(96), 4), "layer"),
    "resnet-152-torch-places365": (lambda: thin(resnet152(96), 8), "layer"),
}

# Tables of units that the paper's authors released.
RELEASED = ("caffe_reference_places205", "caffe_reference_places365")

# Number, name, coverage by category. 300 needs both channels of a label map.
LABELS = {
    1: ("road", {"object": 4.0}),
    2: ("car", {"object": 2.0}),
    3: ("sky", {"object": 5.0}),
    4: ("wheel", {"part": 0.9, "object": 0.1}),
    300: ("headlight", {"part": 0.2}),
    5: ("street-s", {"scene": 6.0}),
    6: ("beach-s", {"scene": 6.0}),
    7: ("asphalt", {"material": 2.0}),
    8: ("glass", {"material": 2.0}),
    9: ("striped", {"texture": 3.0}),
    10: ("dotted", {"texture": 2.0}),
    11: ("grey-c", {"color": 9.0}),
    12: ("red-c", {"color": 3.0}),
    13: ("blue-c", {"color": 6.0}),
}
SCENES = [5, 6] * 6 + [0, 0]  # 0: no scene, as 1,987 images of the released index have it
COLORS = {11: (110, 110, 110), 12: (210, 30, 30), 13: (70, 120, 220)}


def write_files(folder: Path) -> None:
    """Write everything below a folder that stands for resources/."""
    write_archive(folder / BRODEN)
    for name, (definition, generation) in ZOO.items():
        prototxt = folder / f"zoo/{name}.prototxt"
        prototxt.parent.mkdir(exist_ok=True)
        prototxt.write_text(definition(), encoding="utf-8")
        blobs = random_blobs(prototxt, seed=len(name))
        write_caffemodel(prototxt.with_suffix(".caffemodel"), blobs, generation)
    (folder / "released").mkdir()
    for name in RELEASED:
        released_units().to_csv(folder / f"released/{name}.csv", index=False)
    class_folders(folder / TRAINING_IMAGES)
    write_checkpoint(folder / CHECKPOINT)


def released_units() -> pd.DataFrame:
    """A table of 256 units: each has one concept of every category."""
    names = {category: name for name, homes in LABELS.values() for category in homes}
    iou = np.arange(1, 257) / 1000
    columns = {"unit": np.arange(1, 257)}
    for category, name in names.items():
        columns |= {f"{category}-label": name, f"{category}-iou": iou[::-1]}
        iou = iou / 2
    return pd.DataFrame(columns)


def thin(definition: str, factor: int) -> str:
    """Divide every layer's outputs."""
    return re.sub(r"num_output: (\d+)", lambda m: f"num_output: {int(m[1]) // factor}", definition)


def write_checkpoint(path: Path) -> None:
    """Write a network as the training on several GPUs for Places365 saved it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = torchvision.models.resnet50(num_classes=365).state_dict()
    state = {f"module.{name}": values for name, values in state.items()}
    torch.save({"epoch": 90, "arch": "resnet50", "state_dict": state, "best_prec1": 54.7}, path)


def write_archive(path: Path) -> None:
    """Write a small Broden and pack it as the released ones are: in a single folder."""
    rng = np.random.default_rng(0)
    samples = [scene(rng, number) for number in SCENES]
    samples += [surface(rng, number) for number in (7, 8, 7, 8)]
    samples += [pattern(rng, number) for number in (9, 10, 9, 10, 9)]
    path.parent.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch, zipfile.ZipFile(path, "w") as archive:
        write_broden(Path(scratch) / path.stem, LABELS, samples)
        for file in sorted(Path(scratch).rglob("*")):
            archive.write(file, file.relative_to(scratch))


def scene(rng: np.random.Generator, number: int) -> Sample:
    """Sky above a road, on streets with a car; labels of ADE20K: no materials, no textures."""
    size, labels_size = sizes(rng)
    height, width = labels_size
    objects = np.full(labels_size, 3)
    objects[height // 2 :] = 1
    colors = np.where(objects == 3, 13, 11)
    parts = np.zeros((2, *labels_size), int)
    if number == 5:
        top, left = height // 2, int(rng.integers(0, width // 2))
        car = np.s_[top : top + height // 4, left : left + width // 3]
        objects[car], colors[car] = 2, 12
        parts[0, top + height // 5 : top + height // 4, left : left + width // 8] = 4
        parts[1, top : top + 4, left : left + 4] = 300
    maps = {"object": objects, "color": colors} | ({"part": parts} if number == 5 else {})
    return Sample(labels_size, maps, {"scene": [number]}, painted(rng, colors, size))


def surface(rng: np.random.Generator, number: int) -> Sample:
    """Labels of OpenSurfaces: material and colour, of part of the image."""
    size, labels_size = sizes(rng)
    material = np.zeros(labels_size, int)
    material[:, : labels_size[1] // 2] = number
    colors = np.full(labels_size, 11 if number == 7 else 13)
    maps = {"material": material, "color": colors}
    return Sample(labels_size, maps, pixels=painted(rng, colors, size))


def pattern(rng: np.random.Generator, number: int) -> Sample:
    """Labels of DTD: texture, of the whole image, and colour."""
    size, labels_size = sizes(rng)
    y, x = np.indices(labels_size)
    colors = np.where(y // 4 % 2 == (x // 4 % 2 if number == 10 else 0), 12, 11)
    whole = {"texture": [number]}
    return Sample(labels_size, {"color": colors}, whole, painted(rng, colors, size))


def sizes(rng: np.random.Generator) -> tuple[tuple[int, int], tuple[int, int]]:
    """Height and width of an image, and of its label maps: as in Broden, half, rounded up."""
    height, width = (int(n) for n in rng.integers(64, 228, 2))
    return (height, width), (-(-height // 2), -(-width // 2))


def painted(rng: np.random.Generator, colors: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image in the colours of its labels, with noise."""
    table = np.zeros((max(COLORS) + 1, 3))
    table[list(COLORS)] = list(COLORS.values())
    large = table[colors].repeat(2, axis=0).repeat(2, axis=1)[: size[0], : size[1]]
    return np.clip(large + rng.normal(0, 12, large.shape), 0, 255).astype(np.uint8)
