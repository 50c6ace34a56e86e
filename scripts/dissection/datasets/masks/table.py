"""Read the table that says what the values of masks mean."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from dissection.categories import CATEGORIES
from dissection.datasets.masks.mask_files import MAX_VALUE
from dissection.datasets.masks.palette import OTHERS, Palette, colour_text, parse_colour
from dissection.errors import InputError, did_you_mean
from dissection.jobs.tables import read_table, whole_numbers

REMEDY = "Correct the table."


@dataclass(frozen=True)
class Codes:
    """What the values of one folder's masks mean.

    Attributes
    ----------
    known : bool (65536,)
        Values that the table lists, and 0.
    of_category : dict of uint16 (65536,), by category
        Code of each value: a place in the category's names, plus 1; 0 is no label.
    palette : Palette or None
        Of masks of colours, the values of these.
    """

    known: np.ndarray
    of_category: dict[str, np.ndarray] = field(default_factory=dict)
    palette: Palette | None = None

    def numbers(self, values: np.ndarray) -> np.ndarray:
        """Return values as a layer reads them, uint16: of colours their numbers."""
        return values if self.palette is None else self.palette.numbers(values)

    def counted(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the distinct values, as a layer reads them, and how often each occurs."""
        numbers = self.numbers(values)
        counts = np.bincount(numbers.ravel(), minlength=MAX_VALUE + 1)
        found = np.flatnonzero(counts)
        if self.palette is None:
            return found, counts[found]
        found = found[found != OTHERS]
        others, of_others = np.unique(values[numbers == OTHERS], return_counts=True)
        colours = np.array(self.palette.colours)[found]
        return np.append(colours, others), np.append(counts[found], of_others)

    def new_numbers(self, values: np.ndarray) -> np.ndarray:
        """Return `numbers` of distinct values; unknown colours get some, in their order."""
        if self.palette is None:
            return values
        return np.array([self.palette.number(colour) for colour in values.tolist()], np.int64)

    def shown(self, value: int) -> str:
        """Return a value as messages call it."""
        if self.palette is None:
            return f"value {value}"
        if value == OTHERS:
            return "other colours"
        return f"colour {colour_text(self.palette.colours[value])}"


class Names:
    """Distinct names of labels by category, in the order of their first appearance."""

    def __init__(self) -> None:
        self.by_category: dict[str, list[str]] = {}

    def code(self, category: str, name: str) -> int:
        """Return a name's place in its category, plus 1."""
        places = self.by_category.setdefault(category, [])
        if name not in places:
            places.append(name)
        return places.index(name) + 1


def read_codes(
    table: Path, folders: Sequence[Path], void: Sequence[int] = ()
) -> tuple[dict[str, list[str]], list[Codes]]:
    """Read the table of labels.

    Parameters
    ----------
    table : Path
        CSV with the columns name, category, value or color or both, and folder if need be. Where
        a row has a color, the masks of its folder hold colours.
    folders : sequence of Path
    void : sequence of int
        Values that are no labels, in all folders.

    Returns
    -------
    names : dict of list of str, by category
        Distinct names, in the table's order.
    codes : list of Codes
        One a folder.

    Raises
    ------
    InputError
        Naming file and line.
    """
    rows = read_table(table, ["name", "category"], REMEDY, optional=["value", "color", "folder"])
    given = [column for column in ("value", "color") if column in rows]
    if not given:
        raise InputError(f"{table}, line 1: no column 'value' or 'color'. {REMEDY}")
    for column in ("value", "color", "folder"):
        rows[column] = rows[column].str.strip() if column in rows else ""
    of_rows = [
        _folders_of(row.folder, folders, f"{table}, line {row.Index}") for row in rows.itertuples()
    ]
    coloured = {
        number
        for color, numbers in zip(rows["color"], of_rows, strict=True)
        if color
        for number in numbers
    }
    names = Names()
    codes = [
        Codes(np.zeros(MAX_VALUE + 1, bool), palette=Palette() if k in coloured else None)
        for k in range(len(folders))
    ]
    for number, each in enumerate(codes):
        each.known[[0, *void]] = True
        if void and number in coloured:
            raise InputError(
                f"{folders[number]}: its masks have colours, as {table} says, so that void, which "
                "lists numbers, does not fit. Give the colours of what is no label rows of their "
                "own, without name and category."
            )
    for (line, row), numbers in zip(rows.iterrows(), of_rows, strict=True):
        where = f"{table}, line {line}"
        category = check_label(row["name"].strip(), row["category"], where)
        name = row["name"].strip()
        for number in numbers:
            value = _value(table, rows, line, codes[number])
            if name and value in void and codes[number].palette is None:
                raise InputError(
                    f"{where}: value {value} is void by the configuration, but has a name. Take it "
                    "out of void, or leave name and category empty."
                )
            _enter(codes[number], value, name, category, names, where, folders[number])
    if not names.by_category:
        raise InputError(f"{table} names no label. Give some value a name and a category.")
    return names.by_category, codes


def check_label(name: str, category: str, where: str) -> str:
    """Return a label's category, as it is called here; "" if it is no label.

    Raises
    ------
    InputError
        If there is no such category, or just one of the two is given.
    """
    found = category_named(category)
    if name and not found:
        raise InputError(
            f"{where}: '{name}' has no category. Give it one of {', '.join(CATEGORIES)}; or leave "
            "the name empty, too, if the value is no label."
        )
    if name and found not in CATEGORIES:
        raise InputError(
            f"{where}: '{name}' has the category '{category.strip()}'; it must be one of "
            f"{', '.join(CATEGORIES)}.{did_you_mean(found, CATEGORIES)}"
        )
    if found and not name:
        raise InputError(
            f"{where}: a {found} without a name. Give it one, or leave the category empty "
            "too if the value is no label."
        )
    return found if name else ""


def category_named(text: str) -> str:
    """Return the category that a person means: in capitals, in the plural, or spelt otherwise.

    Examples
    --------
    >>> category_named(" Objects"), category_named("colour"), category_named("thing")
    ('object', 'color', 'thing')
    """
    plain = text.strip()
    for word in (plain, plain.lower(), plain.lower().replace("colour", "color")):
        for name in (word, re.sub(r"s$", "", word)):
            if name in CATEGORIES:
                return name
    return plain


def _value(table: Path, rows: pd.DataFrame, line: int, codes: Codes) -> int:
    if codes.palette is None:
        return int(whole_numbers(table, rows.loc[[line], "value"], 0, MAX_VALUE, REMEDY)[0])
    where, color = f"{table}, line {line}", rows.loc[line, "color"]
    if not color:
        raise InputError(
            f"{where}: no color, but other rows of the folder have one. Its masks hold either "
            "colours or numbers; give every row a color."
        )
    return codes.palette.number(parse_colour(color, where))


def _enter(
    codes: Codes, value: int, name: str, category: str, names: Names, where: str, folder: Path
) -> None:
    codes.known[value] = True
    if not name:
        return
    code = codes.of_category.setdefault(category, np.zeros(MAX_VALUE + 1, np.uint16))
    if code[value]:
        raise InputError(
            f"{where}: {codes.shown(value)} of {folder} already is the {category} "
            f"'{names.by_category[category][code[value] - 1]}'. List it once a category."
        )
    code[value] = names.code(category, name)


def _folders_of(cell: str, folders: Sequence[Path], where: str) -> list[int]:
    if not cell:
        return list(range(len(folders)))
    found = [k for k, folder in enumerate(folders) if Path(cell) == folder]
    found = found or [k for k, folder in enumerate(folders) if cell == folder.name]
    if len(found) != 1:
        raise InputError(
            f"{where}: '{cell}' names {len(found) or 'none'} of the folders of masks, which are "
            f"{', '.join(map(str, folders))}. Give the last name of one, its whole path where "
            "last names are the same, or nothing if the row is for all of them."
        )
    return found
