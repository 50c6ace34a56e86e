"""Write a data set in the format of the released Broden (`broden` reads it).

Labels come in by category and name. Their numbers are known only when all images have been seen,
because they go by falling frequency: label maps are written with provisional numbers first and
rewritten at the end.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from dissection.categories import CATEGORIES
from dissection.errors import InputError
from dissection.jobs.logs import progress

RELEASED_ORDER = ("color", "object", "part", "material", "scene", "texture")  # of the index
TRAINING_SHARE = 0.7
MOST_LABELS = 65_535  # two channels of a PNG hold a number


@dataclass(frozen=True)
class BrodenImage:
    """One image with its labels.

    Attributes
    ----------
    path : str
        Where it goes under images/, with its ending.
    pixels : uint8 (h, w, 3)
    maps : mapping of category to uint8 or uint16 (channels, sh, sw)
        Codes: places in the category's names, plus 1; 0 is no label. All of one size.
    whole : mapping of category to names
        Labels of the whole image.
    """

    path: str
    pixels: np.ndarray
    maps: Mapping[str, np.ndarray] = field(default_factory=dict)
    whole: Mapping[str, Sequence[str]] = field(default_factory=dict)


def split_of(path: str) -> str:
    """Return train or val by the hash of an image's path, as in the released Broden.

    Examples
    --------
    >>> split_of("scene/00000.png") in ("train", "val")
    True
    """
    head = hashlib.md5(path.encode(), usedforsecurity=False).digest()[:8]
    return "train" if int.from_bytes(head, "big") / 2**64 <= TRAINING_SHARE else "val"


def write_broden(
    folder: str | Path, images: Iterable[BrodenImage], names: Mapping[str, Sequence[str]]
) -> None:
    """Write a data set.

    Parameters
    ----------
    folder : path
        An empty folder. Gets index.csv, category.csv, label.csv, c_<category>.csv and images/.
    images : iterable of BrodenImage
        Held one at a time.
    names : mapping of category to names
        What the codes of the label maps mean.

    Raises
    ------
    InputError
        If there are no images, if an image comes twice, if a category is unknown, or if a map
        holds a code without a name.
    """
    folder = Path(folder)
    _check_categories(names, "The names")
    writer = _Writer(folder, names)
    for image in images:
        writer.add(image)
    if not writer.rows:
        raise InputError(f"No images to write to {folder}.")
    writer.finish()


def _check_categories(found: Iterable[str], what: str) -> None:
    for category in found:
        if category not in CATEGORIES:
            raise InputError(
                f"{what} have the category '{category}'; it must be one of {', '.join(CATEGORIES)}."
            )


def _columns() -> list[str]:
    """Return all categories, those of the released index in its order."""
    return [*RELEASED_ORDER, *(c for c in CATEGORIES if c not in RELEASED_ORDER)]


@dataclass
class _Count:
    """Images with a label, and the sum of the shares of their pixels."""

    frequency: int = 0
    coverage: float = 0.0

    def add(self, share: float) -> None:
        self.frequency += 1
        self.coverage += share


class _Writer:
    def __init__(self, folder: Path, names: Mapping[str, Sequence[str]]) -> None:
        self._folder = folder
        self._names = names
        self._provisional: dict[str, int] = {}  # number of each label name, by first appearance
        self._by_category: dict[str, dict[str, _Count]] = {c: {} for c in CATEGORIES}
        self._overall: dict[str, _Count] = defaultdict(_Count)
        self._with_category: dict[str, int] = dict.fromkeys(CATEGORIES, 0)
        self._seen: set[str] = set()
        self.rows: list[dict] = []

    def add(self, image: BrodenImage) -> None:
        if image.path in self._seen:
            raise InputError(f"The image {image.path} comes twice. Give each image its own name.")
        self._seen.add(image.path)
        _check_categories([*image.maps, *image.whole], f"The labels of {image.path}")
        target = self._folder / "images" / image.path
        target.parent.mkdir(parents=True, exist_ok=True)
        # At zlib's default level a photograph takes half as long again (benchmarks/README.md).
        Image.fromarray(image.pixels).save(target, compress_level=1)
        height, width = image.pixels.shape[:2]
        size = next((maps.shape[1:] for maps in image.maps.values()), (height, width))
        row: dict = {"image": image.path, "split": split_of(image.path)}
        row |= {"ih": height, "iw": width, "sh": size[0], "sw": size[1]}
        anywhere: dict[str, np.ndarray] = {}
        for category in CATEGORIES:
            cell, found = [], dict[str, np.ndarray]()
            for name in image.whole.get(category, ()):
                cell.append(self._number(name))
                found[name] = np.ones(size, bool)
            if category in image.maps:
                numbered = self._numbered(image, category, found)
                cell += self._write_maps(image.path, category, numbered)
            if found:
                self._with_category[category] += 1
            for name, where in found.items():
                count = self._by_category[category].setdefault(name, _Count())
                count.add(float(where.mean()))
                anywhere[name] = anywhere[name] | where if name in anywhere else where
            row[category] = cell
        for name, where in anywhere.items():
            self._overall[name].add(float(where.mean()))
        self.rows.append(row)

    def _number(self, name: str) -> int:
        number = self._provisional.setdefault(name, len(self._provisional) + 1)
        if number > MOST_LABELS:
            raise InputError(f"More than {MOST_LABELS} labels: the format holds no more.")
        return number

    def _numbered(
        self, image: BrodenImage, category: str, found: dict[str, np.ndarray]
    ) -> np.ndarray:
        """Return the maps in provisional numbers; note where each label is."""
        maps, names = image.maps[category], self._names[category]
        table = np.zeros(len(names) + 1, np.uint16)
        for code in np.unique(maps):
            if code == 0:
                continue
            if code > len(names):
                raise InputError(
                    f"{image.path}: the {category} map has the value {code}, but there are only "
                    f"{len(names)} names."
                )
            name = names[code - 1]
            table[code] = self._number(name)
            where = (maps == code).any(axis=0)
            found[name] = found[name] | where if name in found else where
        return table[maps]

    def _write_maps(self, path: str, category: str, numbered: np.ndarray) -> list[str]:
        files = []
        stem = path.rpartition(".")[0]
        for channel, numbers in enumerate(numbered):
            if not numbers.any():
                continue
            file = f"{stem}_{category}{f'_{channel + 1}' if channel else ''}.png"
            _save_map(self._folder / "images" / file, numbers)
            files.append(file)
        return files

    def finish(self) -> None:
        """Number the labels by falling frequency, rewrite the maps, write the tables."""
        order = sorted(
            self._provisional,
            key=lambda name: (-self._overall[name].frequency, -self._overall[name].coverage, name),
        )
        number = {name: i + 1 for i, name in enumerate(order)}
        table = np.zeros(len(order) + 1, np.uint16)
        for name, provisional in self._provisional.items():
            table[provisional] = number[name]
        for row in progress(self.rows, "images renumbered"):
            for category in CATEGORIES:
                for entry in row[category]:
                    if isinstance(entry, str):
                        file = self._folder / "images" / entry
                        _save_map(file, table[_load_map(file)])
                row[category] = ";".join(
                    entry if isinstance(entry, str) else str(table[entry])
                    for entry in row[category]
                )
        columns = ["image", "split", "ih", "iw", "sh", "sw", *_columns()]
        self._write("index", pd.DataFrame(self.rows, columns=columns))
        self._write_labels(order, number)

    def _write_labels(self, order: list[str], number: dict[str, int]) -> None:
        labels, categories = [], []
        for name in order:
            per = {c: labels_[name] for c, labels_ in self._by_category.items() if name in labels_}
            shown = ";".join(
                f"{c}({count.frequency})"
                for c, count in sorted(per.items(), key=lambda item: -item[1].frequency)
            )
            overall = self._overall[name]
            labels.append((number[name], name, shown, overall.frequency, overall.coverage, ""))
        for category in _columns():
            own = self._by_category[category]
            if not own:
                continue
            names = sorted(own, key=number.__getitem__)
            rows = [
                (code + 1, number[name], name, own[name].frequency, own[name].coverage)
                for code, name in enumerate(names)
            ]
            columns = ["code", "number", "name", "frequency", "coverage"]
            self._write(f"c_{category}", pd.DataFrame(rows, columns=columns))
            numbers = [number[name] for name in names]
            images = self._with_category[category]
            categories.append((category, min(numbers), max(numbers), len(names), images))
        columns = ["number", "name", "category", "frequency", "coverage", "syns"]
        self._write("label", pd.DataFrame(labels, columns=columns))
        columns = ["name", "first", "last", "count", "frequency"]
        self._write("category", pd.DataFrame(categories, columns=columns))

    def _write(self, name: str, table: pd.DataFrame) -> None:
        table.to_csv(self._folder / f"{name}.csv", index=False, float_format="%.6f")


def _save_map(path: Path, numbers: np.ndarray) -> None:
    pixels = np.zeros((*numbers.shape, 3), np.uint8)
    pixels[..., 0], pixels[..., 1] = numbers & 255, numbers >> 8
    Image.fromarray(pixels).save(path, compress_level=3)


def _load_map(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        pixels = np.asarray(image).astype(np.uint16)
    return pixels[..., 0] | pixels[..., 1] << 8
