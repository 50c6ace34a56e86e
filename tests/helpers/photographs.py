"""A tiny folder of labelled photographs, in either layout."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("airfield", "beach", "café")
SIZES = ((40, 90), (256, 256), (300, 130))  # height, width


def save_image(path: Path, rng: np.random.Generator, label: int, size: tuple[int, int]) -> None:
    """Noise that is brighter in each next class."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 90, (*size, 3)) + 80 * label
    Image.fromarray(pixels.astype(np.uint8)).save(path, quality=90)


def class_folders(folder: Path, training: int = 5, held_out: int = 3) -> Path:
    """Write train/CLASS/*.jpg and val/CLASS/*.jpg; so many of each class."""
    rng = np.random.default_rng(0)
    for part, count in (("train", training), ("val", held_out)):
        for label, name in enumerate(CLASSES):
            for i in range(count):
                save_image(folder / part / name / f"{i}.jpg", rng, label, SIZES[i % len(SIZES)])
    return folder


def places365(folder: Path) -> Path:
    """Write the files that `torchvision.datasets.Places365` unpacks: two classes, three images."""
    rng = np.random.default_rng(0)
    # Numbers need not be in the order of names.
    (folder / "categories_places365.txt").write_text("/a/airfield 1\n/b/beach 0\n")
    (folder / "places365_train_standard.txt").write_text(
        "/a/airfield/00000001.jpg 1\n/b/beach/00000001.jpg 0\n"
    )
    (folder / "places365_val.txt").write_text("Places365_val_00000001.jpg 1\n")
    for name, label in (
        ("data_256_standard/a/airfield/00000001.jpg", 1),
        ("data_256_standard/b/beach/00000001.jpg", 0),
        ("val_256/Places365_val_00000001.jpg", 1),
    ):
        save_image(folder / name, rng, label, (256, 256))
    return folder
