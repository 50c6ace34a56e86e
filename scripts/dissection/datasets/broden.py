"""Read a data set in the format of the Broden archives (paper, section 2.1).

A folder holds ``index.csv`` (one row an image), ``category.csv``, ``label.csv``, one
``c_<category>.csv`` a category, and ``images/`` with the images and their label maps. In the
index a category's cell is a list separated by ``;``, dominant first: a number labels the whole
image, anything else is the path of a label map, a PNG whose pixels hold label = R + 256 G.
Several maps of one category are several labels for the same pixels. 0 is "no label".
"""

import os
import posixpath
import re
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from dissection.categories import CATEGORIES
from dissection.datasets.image_files import check_size, reading
from dissection.datasets.png import RGB, read_head, read_samples
from dissection.errors import InputError
from dissection.jobs.tables import read_table, whole_numbers

REMEDY = "Make or unpack the data set again, or correct the file."
COLUMNS = ["image", "ih", "iw", "sh", "sw"]  # of the index, beside its categories
MAX_LABEL = 2**16 - 1  # R + 256 G
MAX_SIDE = 2**15  # pixels of an image or label map

_OUTSIDE = re.compile(r"^/|(^|/)\.\.(/|$)|\\|^[A-Za-z]:|\0")


class Broden:
    """A data set in Broden format, checked as far as its tables and file names go.

    Images and label maps are checked when they are read.

    Parameters
    ----------
    folder : path

    Attributes
    ----------
    folder : Path
    names : list of str, L + 1
        Name of each label by its number; "" for 0 and for numbers between that are not used.
    primary : int8 (L + 1,)
        Index in `CATEGORIES` of each label's primary category, the one where it covers most
        (paper, section 2.1); of equal ones the last in ``category.csv``, as in the released
        code. -1 for a number without a label.
    category_count : int
        Length of `CATEGORIES`.
    sizes : int32 (images, 2)
        Height and width of each image's label maps, pixels.
    image_names : list of str
        Paths below ``images/``.

    Raises
    ------
    InputError
        If a table is missing, cut off or contradicts another one, if an image or label map is
        missing, or if a path leads out of ``images/``.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._images = self.folder / "images"
        self._categories = self._read_categories()
        self.names = self._read_names()
        self.category_count = len(CATEGORIES)  # other processes may not know them
        self._classes = pd.concat([self._read_classes(c) for c in self._categories])
        self.primary = self._find_primary()
        self._known = np.zeros(MAX_LABEL + 1, bool)  # numbers that a label map may hold
        self._known[: len(self.primary)] = self.primary >= 0
        self._known[0] = True

        path = self.folder / "index.csv"
        index = read_table(path, [*COLUMNS, *self._categories], REMEDY, others=True)
        self._lines = index.index.to_numpy()  # of index.csv, for messages
        self._check_columns(index)
        self.image_names: list[str] = index["image"].tolist()
        self._check_names()
        ih, iw, sh, sw = (
            whole_numbers(path, index[side], 1, MAX_SIDE, REMEDY).astype(np.int32)
            for side in ("ih", "iw", "sh", "sw")
        )
        self.sizes = np.stack([sh, sw], axis=1)
        self._image_sizes = np.stack([ih, iw], axis=1)
        # By category, then image: paths of label maps, and labels of the whole image.
        self._maps: dict[str, dict[int, list[str]]] = {c: {} for c in CATEGORIES}
        self._whole: dict[str, dict[int, list[int]]] = {c: {} for c in CATEGORIES}
        for category in self._categories:
            self._read_cells(category, index[category].tolist())
        self._check_files()

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.image_names)

    def image_path(self, i: int) -> Path:
        """Return where image i lies."""
        return self._images / self.image_names[i]

    def load_image(self, i: int) -> np.ndarray:
        """Return image i as uint8 (height, width, 3).

        Raises
        ------
        InputError
            If the image is damaged or has another size than the index says.
        """
        path = self.image_path(i)
        with reading(path, f"{path}: the image", REMEDY), Image.open(path) as image:
            check_size(*image.size, f"{path}: the image")
            if image.size[::-1] != tuple(self._image_sizes[i]):
                raise InputError(
                    f"{path}: the image has {_size(image.size[::-1])}, but {self._where(i)} "
                    f"says {_size(self._image_sizes[i])} (ih x iw). {REMEDY}"
                )
            return np.array(image.convert("RGB"))

    def load_labels(self, i: int) -> tuple[dict[str, np.ndarray], dict[str, list[int]]]:
        """Return the labels of image i.

        Returns
        -------
        maps : dict of uint16 (channels, height, width), by category
            Label maps, dominant channel first; 0 where a pixel has no label. Categories without
            a map are left out.
        whole : dict of list of int, by category
            Labels of the whole image, without 0. Categories without one are left out.

        Raises
        ------
        InputError
            If a label map is damaged, is no 8-bit RGB PNG of the size that the index gives, or
            holds a number that ``label.csv`` does not.
        """
        maps = {
            category: np.stack([self._load_map(i, category, path) for path in paths[i]])
            for category, paths in self._maps.items()
            if i in paths
        }
        whole = {category: list(w[i]) for category, w in self._whole.items() if i in w}
        return maps, whole

    def statistics(self) -> pd.DataFrame:
        """Count labels and images of every category, as in the paper's Table 1.

        Returns
        -------
        DataFrame
            ``category`` (six, and "total"); ``labels``; ``mean_images``, the mean number of
            images a label of the category is in (``frequency`` in ``c_<category>.csv``);
            ``images`` that have the category in the index. The total has distinct labels, all
            images, and no mean.
        """
        rows = []
        for category in CATEGORIES:
            classes = self._classes[self._classes["category"] == category]
            mean = classes["frequency"].mean() if len(classes) else 0.0
            images = len(self._maps[category].keys() | self._whole[category].keys())
            rows.append((category, len(classes), mean, images))
        rows.append(("total", sum(map(bool, self.names)), np.nan, len(self)))
        return pd.DataFrame(rows, columns=["category", "labels", "mean_images", "images"])

    def _check_columns(self, index: pd.DataFrame) -> None:
        """Refuse labels that no category that the data set lists would read."""
        for column, cells in index.items():
            if column in (*COLUMNS, "split", *self._categories):
                continue
            if column not in CATEGORIES:
                raise InputError(
                    f"{self.folder / 'index.csv'}, line 1: the column '{column}' is no category "
                    f"that is known, which are {', '.join(CATEGORIES)}. If it is none, take it "
                    "out; a data set with others is another one than Broden."
                )
            for line, cell in cells.items():
                if cell not in ("", "0"):
                    raise InputError(
                        f"{self.folder / 'index.csv'}, line {line}: there are labels of the "
                        f"category {column}, which category.csv does not list. {REMEDY}"
                    )

    def _check_names(self) -> None:
        lines: dict[str, int] = {}
        for line, name in zip(self._lines, self.image_names, strict=True):
            first = lines.setdefault(posixpath.normpath(name), line)
            if first != line:
                raise InputError(
                    f"{self.folder / 'index.csv'}, line {line}: the image {name} again, as in line "
                    f"{first}; it would count twice. {REMEDY}"
                )

    def _read_categories(self) -> list[str]:
        path = self.folder / "category.csv"
        names = read_table(path, ["name"], REMEDY)["name"]
        for (line, name), twice in zip(names.items(), names.duplicated(), strict=True):
            if name not in CATEGORIES or twice:
                raise InputError(
                    f"{path}, line {line}: category '{name}' {'again' if twice else 'is unknown'}. "
                    f"Give each once, out of: {', '.join(CATEGORIES)}."
                )
        for file in sorted(self.folder.glob("c_*.csv")):
            if file.stem[2:] not in set(names):
                raise InputError(
                    f"{file}: category.csv does not list the category '{file.stem[2:]}'. {REMEDY}"
                )
        return names.tolist()

    def _read_names(self) -> list[str]:
        path = self.folder / "label.csv"
        table = read_table(path, ["number", "name"], REMEDY, others=True)
        # Of the form object(12);part(3).
        homes = [cells for column, cells in table.items() if column == "category"]
        for line, cell in (item for cells in homes for item in cells.items()):
            for category in re.findall(r"([^;()]+)\(", cell):
                if category not in self._categories:
                    raise InputError(
                        f"{path}, line {line}: label '{table['name'][line]}' has the category "
                        f"'{category}', which category.csv does not list. {REMEDY}"
                    )
        numbers = whole_numbers(path, table["number"], 1, MAX_LABEL, REMEDY)
        unnamed = table["name"] == ""
        twice = pd.Series(numbers, table.index).duplicated()
        for wrong, what in ((unnamed, "has no name"), (twice, "is listed twice")):
            if wrong.any():
                line = table.index[wrong][0]
                raise InputError(
                    f"{path}, line {line}: label {table['number'][line]} {what}. {REMEDY}"
                )
        names = np.full(numbers.max() + 1, "", object)
        names[numbers] = table["name"]
        return names.tolist()

    def _read_classes(self, category: str) -> pd.DataFrame:
        path = self.folder / f"c_{category}.csv"
        table = read_table(path, ["number", "frequency", "coverage"], REMEDY, may_be_empty=True)
        numbers = whole_numbers(path, table["number"], 1, MAX_LABEL, REMEDY)
        coverage = pd.to_numeric(table["coverage"], errors="coerce").to_numpy(float)
        for line, number, covered in zip(table.index, numbers, coverage, strict=True):
            if not self._is_label(number):
                raise InputError(f"{path}, line {line}: label.csv has no label {number}. {REMEDY}")
            if not np.isfinite(covered):
                raise InputError(f"{path}, line {line}: coverage is not a number. {REMEDY}")
        frequency = whole_numbers(path, table["frequency"], 0, 2**31, REMEDY)
        return pd.DataFrame(
            {"category": category, "number": numbers, "coverage": coverage, "frequency": frequency}
        )

    def _find_primary(self) -> np.ndarray:
        # Classes are in the order of category.csv, and a stable sort keeps it among equals.
        greatest = self._classes.sort_values("coverage", kind="stable").groupby("number").last()
        primary = np.full(len(self.names), -1, np.int8)
        primary[greatest.index] = [CATEGORIES.index(c) for c in greatest["category"]]
        for number in np.flatnonzero(primary < 0):
            if self.names[number]:
                raise InputError(
                    f"{self.folder / 'label.csv'}: label {number} '{self.names[number]}' is in "
                    f"none of {', '.join(f'c_{c}.csv' for c in self._categories)}. {REMEDY}"
                )
        return primary

    def _read_cells(self, category: str, cells: list[str]) -> None:
        """Split a category's column of the index into paths of label maps and whole labels."""
        maps, whole = self._maps[category], self._whole[category]
        for i, cell in enumerate(cells):
            if not cell:
                continue
            for entry in cell.split(";"):
                if not (entry.isascii() and entry.isdigit()):
                    maps.setdefault(i, []).append(entry)
                elif (number := int(entry)) != 0:
                    if not self._is_label(number):
                        raise InputError(
                            f"{self._where(i)}: image {self.image_names[i]} has the {category} "
                            f"label {number}, which label.csv does not list. {REMEDY}"
                        )
                    whole.setdefault(i, []).append(number)

    def _check_files(self) -> None:
        # Every folder is listed once: looking for each file by itself takes much longer.
        listed: dict[str, set[str]] = {}

        def check(i: int, what: str, path: str) -> None:
            if _OUTSIDE.search(path):
                raise InputError(
                    f"{self._where(i)}: the path '{path}' leads out of {self._images}. Paths must "
                    "be relative to that folder, with / between names."
                )
            folder, _, name = path.rpartition("/")
            if folder not in listed:
                place = self._images / folder
                listed[folder] = {e.name for e in os.scandir(place)} if place.is_dir() else set()
            if name not in listed[folder]:
                raise InputError(
                    f"{self._where(i)}: the {what} '{path}' of image {self.image_names[i]} is "
                    f"missing in {self._images}. {REMEDY}"
                )

        for i, name in enumerate(self.image_names):
            check(i, "image file", name)
        for category, maps in self._maps.items():
            for i, paths in maps.items():
                for path in paths:
                    check(i, f"{category} label map", path)

    def _load_map(self, i: int, category: str, name: str) -> np.ndarray:
        path = self._images / name
        what = f"{path}: the {category} label map of image {self.image_names[i]}"
        with reading(path, what, REMEDY):
            content = path.read_bytes()
            head = read_head(content)
            if (head.bits, head.colour_type) != (8, RGB):
                raise InputError(
                    f"{what} must be an RGB PNG of 8 bits a channel, with label = R + 256 G; it "
                    f"has {head.bits} bits and PNG colour type {head.colour_type}, not {RGB}. "
                    "Convert it."
                )
            if (head.height, head.width) != tuple(self.sizes[i]):
                raise InputError(
                    f"{what} has {_size((head.height, head.width))}, but {self._where(i)} says "
                    f"{_size(self.sizes[i])} (sh x sw). {REMEDY}"
                )
            check_size(head.width, head.height, what)
            rgb = read_samples(content)
        if rgb[..., 2].any():
            raise InputError(
                f"{what} has blue that is not 0; labels are coded as R + 256 G. {REMEDY}"
            )
        labels = np.empty(rgb.shape[:2], np.dtype("<u2"))
        # A channel at a time, into the bytes: of what NumPy can do, that takes least time.
        low_and_high = labels.view(np.uint8).reshape(*labels.shape, 2)
        low_and_high[..., 0], low_and_high[..., 1] = rgb[..., 0], rgb[..., 1]
        known = self._known.take(labels)
        if not known.all():
            raise InputError(
                f"{what} holds label {labels[~known][0]}, which label.csv does not list. {REMEDY}"
            )
        return labels

    def _is_label(self, number: int) -> bool:
        return number < len(self.names) and self.names[number] != ""

    def _where(self, i: int) -> str:
        return f"{self.folder / 'index.csv'}, line {self._lines[i]}"


def _size(shape: tuple[int, ...] | np.ndarray) -> str:
    return f"{shape[0]} x {shape[1]} pixels"
