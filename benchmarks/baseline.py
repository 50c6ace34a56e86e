"""The same numbers computed plainly: what a stage must equal, and what it is compared with.

`plain_image` goes through units as NetDissect-Lite does (``tally_job`` in its
``feature_operation.py``): the greatest value of the map, a resize by Pillow, the positions above
the threshold, and a count by NumPy of the labels there. `check_thresholds` and `check_tally`
follow the definitions value by value.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from dissection.activations.geometry import Geometry, upsample
from dissection.categories import CATEGORIES
from dissection.datasets.broden import Broden
from dissection.scoring.tally import Tally


class Mismatch(Exception):  # noqa: N818
    """A result differs from the plain computation: its speed is worth nothing."""


class Labels(NamedTuple):
    """Where an image's labels are: files of label maps, and labels of the whole image."""

    number: int
    paths: list[Path]
    whole: list[int]


def spread(dataset: str | Path, count: int) -> list[Labels]:
    """Return the labels of some images, evenly spread over the data set."""
    index = pd.read_csv(Path(dataset) / "index.csv", dtype=str, keep_default_na=False)
    found = []
    for i in np.linspace(0, len(index) - 1, count).astype(int).tolist():
        entries = ";".join(index.loc[i, list(CATEGORIES)]).split(";")
        paths = [Path(dataset) / "images" / e for e in entries if e.endswith(".png")]
        found.append(Labels(i, paths, [int(entry) for entry in entries if entry.isdigit()]))
    return found


def plain_threshold(values: np.ndarray, quantile: float) -> np.ndarray:
    """Return the smallest value that at most the quantile of all values exceed."""
    place = len(values) - 1 - int(quantile * len(values) + 1e-9)
    return np.partition(values, place)[place].astype(np.float32)


def check_thresholds(found: np.ndarray, plain: dict[int, np.ndarray]) -> None:
    """Compare thresholds with those of some units.

    Raises
    ------
    Mismatch
    """
    for unit, threshold in plain.items():
        if found[unit] != threshold:
            raise Mismatch(f"The threshold of unit {unit + 1} is {found[unit]}, not {threshold}.")


def plain_image(
    maps: np.ndarray, thresholds: np.ndarray, image: Labels, broden: Broden, tally: Tally
) -> None:
    """Count the pixels of one image's binary maps and labels, from its files.

    A pixel with the same label in two label maps counts twice, as in NetDissect-Lite.

    Parameters
    ----------
    maps : array (units, height, width)
    thresholds : float32 (units,)
    image : Labels
    broden : Broden
    tally : Tally
        Of one block: added to.
    """
    planes = []
    for path in image.paths:
        rgb = np.asarray(Image.open(path)).astype(np.int64)
        planes.append(rgb[:, :, 0] + 256 * rgb[:, :, 1])
    labels = np.stack(planes)
    height, width = labels.shape[1:]
    counts = np.bincount(labels.ravel(), minlength=len(broden.names))
    counts[0] = 0
    counts[image.whole] += height * width
    tally.label_area[0] += counts
    present = np.isin(np.arange(len(CATEGORIES)), broden.primary[counts > 0])
    for unit in range(len(maps)):
        if maps[unit].max() > thresholds[unit]:
            activation_map = Image.fromarray(maps[unit].astype(np.float32))
            resized = activation_map.resize((width, height), Image.Resampling.BILINEAR)
            rows, columns = np.argwhere(np.asarray(resized) > thresholds[unit]).T
            counts = np.bincount(labels[:, rows, columns].ravel(), minlength=len(broden.names))
            counts[0] = 0
            counts[image.whole] += len(rows)
            tally.intersection[0, unit] += counts
            tally.unit_area[0, unit] += len(rows) * present


def check_tally(
    tally: Tally,
    maps: np.ndarray,
    thresholds: np.ndarray,
    broden: Broden,
    image: int,
    geometry: Geometry,
) -> None:
    """Compare the tally of one image, of one block, with counts pixel by pixel.

    Raises
    ------
    Mismatch
    """
    label_maps, whole = broden.load_labels(image)
    size = broden.sizes[image].tolist()
    planes = np.concatenate([np.zeros((1, *size), np.uint16), *label_maps.values()])
    where = {int(n): (planes == n).any(axis=0) for n in np.unique(planes) if n}
    where |= {n: np.ones(size, bool) for numbers in whole.values() for n in numbers}
    present = np.isin(np.arange(len(CATEGORIES)), broden.primary[list(where)])
    label_area = np.zeros_like(tally.label_area[0])
    intersection = np.zeros_like(tally.intersection[0])
    unit_area = np.zeros_like(tally.unit_area[0])
    for label, mask in where.items():
        label_area[label] = mask.sum()
    for unit in range(len(maps)):
        fires = upsample(maps[unit], geometry, *size) > thresholds[unit]
        if fires.any():
            unit_area[unit] = fires.sum() * present
            for label, mask in where.items():
                intersection[unit, label] = (fires & mask).sum()
    for name, plain in (
        ("intersection", intersection),
        ("unit_area", unit_area),
        ("label_area", label_area),
    ):
        wrong = np.argwhere(getattr(tally, name)[0] != plain)
        if len(wrong):
            raise Mismatch(
                f"Image {image}: {name}{wrong[0].tolist()} is not what a plain count is."
            )
