"""Read the table that says what the values of masks mean."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dissection.categories import CATEGORIES
from dissection.errors import InputError
from dissection.jobs.tables import read_table, whole_numbers

MAX_VALUE = 2**16 - 1  # of a pixel of a mask
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
    """

    known: np.ndarray
    of_category: dict[str, np.ndarray] = field(default_factory=dict)


def read_codes(table: Path, folders: Sequence[Path]) -> tuple[dict[str, list[str]], list[Codes]]:
    """Read the table of labels.

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
    rows = read_table(table, ["value", "name", "category"], REMEDY, optional=["folder"])
    if "folder" not in rows:
        rows["folder"] = ""
    rows["value"] = whole_numbers(table, rows["value"], 0, MAX_VALUE, REMEDY)
    names: dict[str, list[str]] = {}
    codes = [Codes(np.zeros(MAX_VALUE + 1, bool)) for _ in folders]
    for each in codes:
        each.known[0] = True
    for line, row in rows.iterrows():
        where = f"{table}, line {line}"
        name, category = row["name"].strip(), row["category"].strip()
        if name and category not in CATEGORIES:
            raise InputError(
                f"{where}: '{name}' has the category '{category}'; it must be one of "
                f"{', '.join(CATEGORIES)}."
            )
        if category and not name:
            raise InputError(
                f"{where}: a {category} without a name. Give it one, or leave the category empty "
                "too if the value is no label."
            )
        for number in _folders_of(row["folder"].strip(), folders, where):
            known, of_category = codes[number].known, codes[number].of_category
            known[row["value"]] = True
            if not name:
                continue
            places = names.setdefault(category, [])
            if name not in places:
                places.append(name)
            code = of_category.setdefault(category, np.zeros(MAX_VALUE + 1, np.uint16))
            if code[row["value"]]:
                raise InputError(
                    f"{where}: value {row['value']} of {folders[number]} already is the {category} "
                    f"'{places[code[row['value']] - 1]}'. List it once a category."
                )
            code[row["value"]] = places.index(name) + 1
    if not names:
        raise InputError(f"{table} names no label. Give some value a name and a category.")
    return names, codes


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
