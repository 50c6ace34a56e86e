"""Annotations by name, as COCO's and labelme's files have them: what their labels mean."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dissection.datasets.image_files import check_size
from dissection.datasets.masks.files import listed
from dissection.datasets.masks.mask_files import MAX_VALUE
from dissection.datasets.masks.table import Codes, Names, check_label
from dissection.errors import InputError
from dissection.jobs.schemas import schema_problems
from dissection.jobs.tables import read_table

DEFAULT_CATEGORY = "object"
MOST_PROBLEMS = 5  # of a message


def read_annotations(file: Path, schema: dict[str, Any]) -> Any:
    """Read a JSON file and check its shape.

    Raises
    ------
    InputError
        Naming the file, and the places in it.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8-sig"), parse_constant=_refuse)
    except FileNotFoundError:
        raise InputError(f"{file} is missing. Check its path.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} cannot be read as JSON ({error}). Export it again.") from error
    if problems := schema_problems(found, schema):
        more = f"\n  ... and {len(problems) - MOST_PROBLEMS} more"
        raise InputError(
            f"{file} has another form than expected:\n  "
            + "\n  ".join(problems[:MOST_PROBLEMS])
            + (more if len(problems) > MOST_PROBLEMS else "")
        )
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"it has the number {constant}")


def named_codes(
    values: dict[int, str], table: Path | None, source: Path
) -> tuple[dict[str, list[str]], Codes]:
    """Return what labels that have names mean.

    Parameters
    ----------
    values : dict of str
        What the annotations call each value.
    table : Path, optional
        CSV with the columns label, as the annotations call it, category, and name if it shall be
        called otherwise. A label without a category is none. Without the table every label is an
        object.
    source : Path
        The annotations, for messages.

    Returns
    -------
    names : dict of list of str, by category
    codes : Codes

    Raises
    ------
    InputError
        If a value or a name is none that masks can have, or the table lacks a label or has others.
    """
    too_large = [value for value in values if not 0 < value <= MAX_VALUE]
    if too_large:
        raise InputError(f"{source}: the label number {too_large[0]} is not from 1 to {MAX_VALUE}.")
    meanings = _read_meanings(table, set(values.values())) if table else {}
    names, codes = Names(), Codes(np.zeros(MAX_VALUE + 1, bool))
    codes.known[0] = True
    for value, label in values.items():
        codes.known[value] = True
        meant = meanings.get(label, [] if table else [(label.strip(), DEFAULT_CATEGORY)])
        for name, category in meant:
            if not name:
                raise InputError(f"{source}: label number {value} has no name.")
            code = codes.of_category.setdefault(category, np.zeros(MAX_VALUE + 1, np.uint16))
            code[value] = names.code(category, name)
    if not names.by_category:
        raise InputError(f"{table or source} names no label.")
    return names.by_category, codes


def _read_meanings(table: Path, labels: set[str]) -> dict[str, list[tuple[str, str]]]:
    """By label, names and categories."""
    rows = read_table(table, ["label", "category"], "Correct the table.", optional=["name"])
    meanings: dict[str, list[tuple[str, str]]] = {}
    for line, row in rows.iterrows():
        where, label = f"{table}, line {line}", row["label"].strip()
        if label not in labels:
            raise InputError(
                f"{where}: the annotations have no label '{label}'. They have "
                f"{listed(sorted(labels))}."
            )
        meant = meanings.setdefault(label, [])
        if not row["category"].strip():
            continue
        name = row.get("name", "").strip() or label
        category = check_label(name, row["category"], where)
        if any(category == other for _, other in meant):
            raise InputError(
                f"{where}: '{label}' is a {category} already. List it once a category."
            )
        meant.append((name, category))
    if lacking := sorted(labels - meanings.keys()):
        raise InputError(
            f"{table} lacks labels of the annotations: {listed(lacking)}. Add a row for each; one "
            "without a category says that it is no label."
        )
    return meanings


def stacked(labels: Iterable[tuple[int, np.ndarray]], size: Sequence[int]) -> np.ndarray:
    """Lay labels over each other: a pixel that has several has them in several channels.

    Parameters
    ----------
    labels : iterable of (int, bool (height, width))
        Value, and where it is. A value may come several times.
    size : (int, int)
        Height and width.

    Returns
    -------
    uint16 (channels, height, width)
        At least one channel. 0 is no label.

    Examples
    --------
    >>> stacked([(5, np.array([[True, True]])), (7, np.array([[False, True]]))], (1, 2)).tolist()
    [[[5, 5]], [[0, 7]]]
    """
    channels = [np.zeros(size, np.uint16)]
    for value, where in labels:
        left = where.copy()
        for channel in channels:
            left &= channel != value
        for channel in channels:
            free = left & (channel == 0)
            channel[free] = value
            left &= ~free
        if left.any():
            channels.append(np.where(left, value, 0).astype(np.uint16))
    return np.stack(channels)


def checked_size(height: int, width: int, what: str) -> tuple[int, int]:
    """Return height and width, if an image of that size can be read; ``what`` begins the error."""
    check_size(width, height, what)
    return height, width
