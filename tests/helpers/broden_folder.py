"""Write tiny data sets in Broden format for tests."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from dissection.categories import CATEGORIES


@dataclass
class Sample:
    """One image and its labels.

    Parameters
    ----------
    size : (int, int)
        Height and width of the label maps.
    maps : dict of arrays, by category
        Label numbers, (height, width) or (channels, height, width).
    whole : dict of list of int, by category
        Labels of the whole image; 0 is written, and means none.
    pixels : uint8 (image height, image width, 3), optional
        The image itself; grey and twice as large as the label maps if left out.
    """

    size: tuple[int, int]
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)
    whole: Mapping[str, Sequence[int]] = field(default_factory=dict)
    pixels: np.ndarray | None = None


def write_broden(
    folder: Path,
    labels: Mapping[int, tuple[str, Mapping[str, float]]],
    samples: Sequence[Sample],
    categories: Sequence[str] = CATEGORIES,
) -> Path:
    """Write a data set in Broden format and return its folder.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    labels : dict
        By number: name, and coverage in each category that lists the label.
    samples : sequence of Sample
        Images 0, 1, ..., named ``0.png``, ``1.png``, ...
    categories : sequence of str
        In the order of ``category.csv``.

    Examples
    --------
    >>> import tempfile
    >>> from dissection.datasets.broden import Broden
    >>> labels = {1: ("sky", {"object": 0.5}), 2: ("beach-s", {"scene": 1.0})}
    >>> sample = Sample((1, 2), maps={"object": np.array([[1, 0]])}, whole={"scene": [2]})
    >>> broden = Broden(write_broden(Path(tempfile.mkdtemp()), labels, [sample]))
    >>> maps, whole = broden.load_labels(0)
    >>> maps["object"].tolist(), whole
    ([[[1, 0]]], {'scene': [2]})
    """
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    rows = []
    for i, sample in enumerate(samples):
        height, width = sample.size
        pixels = sample.pixels
        if pixels is None:
            pixels = np.full((2 * height, 2 * width, 3), 128, np.uint8)
        Image.fromarray(pixels).save(images / f"{i}.png")
        cells = {category: [] for category in categories}
        for category, maps in sample.maps.items():
            for channel, label_map in enumerate(np.reshape(maps, (-1, height, width))):
                name = f"{i}_{category}_{channel}.png"
                Image.fromarray(encode(label_map)).save(images / name)
                cells[category].append(name)
        for category, numbers in sample.whole.items():
            cells[category] += [str(number) for number in numbers]
        lists = [";".join(cells[category]) for category in categories]
        rows.append([f"{i}.png", "train", *pixels.shape[:2], height, width, *lists])
    _write(folder / "index.csv", ["image", "split", "ih", "iw", "sh", "sw", *categories], rows)

    _write(
        folder / "label.csv",
        ["number", "name", "category", "frequency", "coverage", "syns"],
        [
            [number, name, ";".join(f"{c}(1)" for c in coverage), 1, sum(coverage.values()), ""]
            for number, (name, coverage) in labels.items()
        ],
    )
    listed = []
    for category in categories:
        classes = [
            [code, number, name, _frequency(samples, number, category), coverage[category]]
            for code, (number, (name, coverage)) in enumerate(labels.items(), start=1)
            if category in coverage
        ]
        columns = ["code", "number", "name", "frequency", "coverage"]
        _write(folder / f"c_{category}.csv", columns, classes)
        numbers = [row[1] for row in classes] or [0]
        listed.append([category, min(numbers), max(numbers), len(classes), len(samples)])
    _write(folder / "category.csv", ["name", "first", "last", "count", "frequency"], listed)
    return folder


def encode(label_map: np.ndarray) -> np.ndarray:
    """Return label numbers as uint8 (height, width, 3): label = R + 256 G."""
    label_map = np.asarray(label_map, np.uint16)
    return np.stack([label_map % 256, label_map // 256, 0 * label_map], axis=-1).astype(np.uint8)


def _frequency(samples: Sequence[Sample], number: int, category: str) -> int:
    return sum(
        number in sample.whole.get(category, ()) or number in np.array(sample.maps.get(category, 0))
        for sample in samples
    )


def _write(path: Path, columns: list[str], rows: list[list]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])


def random_broden(folder: Path, rng: np.random.Generator, n_images: int = 6) -> Path:
    """Write a data set that has every oddity at once, and return its folder.

    Label maps of different sizes, several channels, labels in two categories, labels of the
    whole image that are drawn as well, numbers above 255, images without any label.
    """
    numbers = [1, 2, 3, 4, 5, 6, 7, 8, 300]
    labels = {}
    for number in numbers:
        homes = rng.choice(CATEGORIES, size=rng.integers(1, 3), replace=False)
        labels[number] = (f"concept {number}", {str(c): float(rng.integers(3)) for c in homes})
    samples = []
    for _ in range(n_images):
        size = tuple(int(n) for n in rng.integers(1, 9, 2))
        maps, whole = {}, {}
        for category in CATEGORIES:
            if rng.random() < 0.5:
                channels = rng.integers(1, 4)
                maps[category] = rng.choice([0, 0, *numbers], size=(channels, *size))
            if rng.random() < 0.2:
                whole[category] = rng.choice([0, *numbers], size=rng.integers(1, 3)).tolist()
        if rng.random() < 0.2:
            maps, whole = {}, {}
        samples.append(Sample(size, maps, whole))
    return write_broden(folder, labels, samples, categories=rng.permutation(CATEGORIES).tolist())
