"""Write a data set in the format of the released Broden (`broden` reads it).

Labels come in by category and name. Their numbers are known only when all images have been seen,
because they go by falling frequency: label maps are written with the codes that came in first and
rewritten at the end. Images are written by several processes; what they counted is put together
in the order of the images, so that their number changes no byte.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pandas as pd

from dissection.categories import CATEGORIES
from dissection.datasets.png import write_image, write_label_map, write_numbers
from dissection.errors import InputError
from dissection.jobs.logs import progress
from dissection.jobs.processes import map_in_processes

RELEASED_ORDER = ("color", "object", "part", "material", "scene", "texture")  # of the index
TRAINING_SHARE = 0.7
MOST_LABELS = 65_535  # two channels of a PNG hold a number

T = TypeVar("T")


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


def _itself(image: BrodenImage) -> BrodenImage:
    return image


def write_broden(
    folder: str | Path,
    images: Iterable[T],
    names: Mapping[str, Sequence[str]],
    make: Callable[[T], BrodenImage] = _itself,
    processes: int = 1,
) -> None:
    """Write a data set.

    Parameters
    ----------
    folder : path
        An empty folder. Gets index.csv, category.csv, label.csv, c_<category>.csv and images/.
    images : iterable
        Of BrodenImage, or of what ``make`` makes one of. Each process holds one at a time.
    names : mapping of category to names
        What the codes of the label maps mean.
    make : callable, optional
        Called in the processes.
    processes : int
        Changes no byte of the result. See `dissection.jobs.processes.map_in_processes`.

    Raises
    ------
    InputError
        If there are no images, if an image comes twice, if a category is unknown, or if a map
        holds a code without a name.
    """
    folder = Path(folder)
    _check_categories(names, "The names")
    # Other processes do not know a data set's own categories.
    work = partial(
        _write_image, make=make, folder=folder, names=names, categories=tuple(CATEGORIES)
    )
    tables = _Tables(folder)
    for written in map_in_processes(work, images, processes):
        tables.add(written)
    if not tables.images:
        raise InputError(f"No images to write to {folder}.")
    number = tables.numbers()
    codes = {
        category: np.array([0, *(number.get(name, 0) for name in own)], np.uint16)
        for category, own in names.items()
    }
    renumbered = map_in_processes(
        partial(_renumber, folder=folder, numbers=codes),
        [written.maps for written in tables.images],
        processes,
    )
    for _ in progress(renumbered, "images renumbered", len(tables.images)):
        pass
    tables.write(number)


def _check_categories(
    found: Iterable[str], what: str, categories: Sequence[str] | None = None
) -> None:
    categories = CATEGORIES if categories is None else categories
    for category in found:
        if category not in categories:
            raise InputError(
                f"{what} have the category '{category}'; it must be one of {', '.join(categories)}."
            )


def _columns() -> list[str]:
    """Return all categories, those of the released index in its order."""
    return [*RELEASED_ORDER, *(c for c in CATEGORIES if c not in RELEASED_ORDER)]


@dataclass(frozen=True, slots=True)
class _Written:
    """What the tables say about an image.

    Attributes
    ----------
    path : str
    sizes : (int, int, int, int)
        Height and width of the image and of its label maps.
    whole : dict of category to names
        Labels of the whole image.
    maps : dict of category to files
        Label maps.
    shares : dict of category to dict of name to float
        Share of the image that has each label.
    anywhere : dict of name to float
        The same in all categories together.
    """

    path: str
    sizes: tuple[int, ...]
    whole: dict[str, list[str]]
    maps: dict[str, list[str]]
    shares: dict[str, dict[str, float]]
    anywhere: dict[str, float]


def _write_image(
    task: T,
    make: Callable[[T], BrodenImage],
    folder: Path,
    names: Mapping[str, Sequence[str]],
    categories: Sequence[str],
) -> _Written:
    """Write an image, and its label maps in the codes that came in."""
    image = make(task)
    _check_categories([*image.maps, *image.whole], f"The labels of {image.path}", categories)
    target = folder / "images" / image.path
    target.parent.mkdir(parents=True, exist_ok=True)
    write_image(target, image.pixels)
    size = image.pixels.shape[:2]
    sizes = (*size, *next((maps.shape[1:] for maps in image.maps.values()), size))
    files = {
        category: _write_codes(folder, image.path, category, image.maps[category])
        for category in categories
        if category in image.maps
    }
    whole = {category: list(image.whole.get(category, ())) for category in categories}
    return _Written(image.path, sizes, whole, files, *_shares(image, names, categories))


def _write_codes(folder: Path, path: str, category: str, maps: np.ndarray) -> list[str]:
    files = []
    stem = path.rpartition(".")[0]
    for channel, codes in enumerate(maps):
        if codes.any():
            files.append(f"{stem}_{category}{f'_{channel + 1}' if channel else ''}.png")
            write_numbers(folder / "images" / files[-1], codes)
    return files


def _renumber(
    maps: Mapping[str, Sequence[str]], folder: Path, numbers: Mapping[str, np.ndarray]
) -> None:
    """Write label maps anew, with a number for each of a category's codes."""
    for category, files in maps.items():
        for file in files:
            path = folder / "images" / file
            write_label_map(path, numbers[category][cv2.imread(str(path), cv2.IMREAD_UNCHANGED)])


def _shares(
    image: BrodenImage, names: Mapping[str, Sequence[str]], categories: Sequence[str]
) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Share of the image that has each label, in each category and in any of them."""
    counts = {category: np.bincount(maps.ravel()) for category, maps in image.maps.items()}
    shares: dict[str, dict[str, float]] = {}
    places: dict[str, list[tuple[str, int]]] = defaultdict(list)  # category and code; 0 is all
    for category in categories:
        own: dict[str, list[tuple[str, int]]] = {
            name: [(category, 0)] for name in image.whole.get(category, ())
        }
        for code in np.flatnonzero(counts.get(category, [])).tolist():
            if code > len(names[category]):
                raise InputError(
                    f"{image.path}: the {category} map has the value {code}, but there are only "
                    f"{len(names[category])} names."
                )
            if code:
                own.setdefault(names[category][code - 1], []).append((category, code))
        shares[category] = {name: _share(image, found, counts) for name, found in own.items()}
        for name, found in own.items():
            places[name] += found
    return shares, {name: _share(image, found, counts) for name, found in places.items()}


def _share(
    image: BrodenImage, places: Sequence[tuple[str, int]], counts: Mapping[str, np.ndarray]
) -> float:
    """Share of the image that any of the places covers; counts are those of the codes."""
    if any(code == 0 for _, code in places):
        return 1.0
    category, code = places[0]
    if len(places) == len(maps := image.maps[category]) == 1:  # the usual case, counted already
        return float(counts[category][code] / maps.size)
    return float(
        np.mean(np.logical_or.reduce([(image.maps[c] == code).any(axis=0) for c, code in places]))
    )


@dataclass
class _Count:
    """Images with a label, and the sum of the shares of their pixels."""

    frequency: int = 0
    coverage: float = 0.0

    def add(self, share: float) -> None:
        self.frequency += 1
        self.coverage += share


class _Tables:
    """The tables of a data set, as its images come."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_category: dict[str, dict[str, _Count]] = {c: {} for c in CATEGORIES}
        self._overall: dict[str, _Count] = defaultdict(_Count)
        self._with_category: dict[str, int] = dict.fromkeys(CATEGORIES, 0)
        self._seen: set[str] = set()
        self.images: list[_Written] = []

    def add(self, image: _Written) -> None:
        if image.path in self._seen:
            raise InputError(f"The image {image.path} comes twice. Give each image its own name.")
        self._seen.add(image.path)
        for category, shares in image.shares.items():
            self._with_category[category] += bool(shares)
            for name, share in shares.items():
                self._by_category[category].setdefault(name, _Count()).add(share)
        for name, share in image.anywhere.items():
            self._overall[name].add(share)
        if len(self._overall) > MOST_LABELS:
            raise InputError(f"More than {MOST_LABELS} labels: the format holds no more.")
        self.images.append(image)

    def numbers(self) -> dict[str, int]:
        """Return the labels' numbers, which go by falling frequency."""
        order = sorted(
            self._overall,
            key=lambda name: (-self._overall[name].frequency, -self._overall[name].coverage, name),
        )
        return {name: i + 1 for i, name in enumerate(order)}

    def write(self, number: Mapping[str, int]) -> None:
        rows = []
        for image in self.images:
            cells = [
                ";".join(
                    [str(number[name]) for name in image.whole[category]]
                    + image.maps.get(category, [])
                )
                for category in _columns()
            ]
            rows.append([image.path, split_of(image.path), *image.sizes, *cells])
        columns = ["image", "split", "ih", "iw", "sh", "sw", *_columns()]
        self._write("index", pd.DataFrame(rows, columns=columns))
        self._write_labels(number)

    def _write_labels(self, number: Mapping[str, int]) -> None:
        labels, categories = [], []
        for name in number:
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
