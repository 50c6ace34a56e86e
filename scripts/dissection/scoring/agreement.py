"""How far the units of a layer agree with a table of the same units that somebody released.

Units are compared one by one, by number: the paper's released tables count them from 1 in the
order of the network's channels, as `iou.unit_table` does.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from dissection.categories import CATEGORIES
from dissection.errors import InputError
from dissection.jobs.tables import read_table, whole_numbers
from dissection.scoring.detectors import exceeds

REMEDY = "It should have the columns of the paper's released tables, or of a units.csv."
BEST = "best"  # where a table has a row for every category: the best concept of any


def read_released(file: str | Path) -> pd.DataFrame:
    """Read a released table of units.

    Parameters
    ----------
    file : path
        CSV with ``unit`` (from 1) and for each category ``<c>-label`` and ``<c>-iou``.
        ``<c>-activation``, the unit's area in pixels, and ``threshold``, its T_k, are read if they
        are there.

    Returns
    -------
    DataFrame
        These columns, by unit; labels are text, all else numbers.

    Raises
    ------
    InputError
        If it is no such table: the message has the line.
    """
    file = Path(file)
    needed = ["unit", *(f"{c}-{what}" for c in CATEGORIES for what in ("label", "iou"))]
    cells = read_table(file, needed, REMEDY, others=True)
    optional = [*(f"{c}-activation" for c in CATEGORIES), "threshold"]
    table = cells[[*needed, *(name for name in optional if name in cells)]].copy()
    table["unit"] = whole_numbers(file, cells["unit"], 1, len(cells), REMEDY)
    if table["unit"].duplicated().any():
        line = table.index[table["unit"].duplicated()][0]
        raise InputError(
            f"{file}, line {line}: unit {table['unit'][line]} stands there twice. {REMEDY}"
        )
    for name in table.columns[1:]:
        if not name.endswith("-label"):
            table[name] = _numbers(file, cells[name], 1 if name.endswith("-iou") else np.inf)
    return table.sort_values("unit", ignore_index=True)


def _numbers(file: Path, cells: pd.Series, greatest: float) -> np.ndarray:
    low = -np.inf if cells.name == "threshold" else 0
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(float)
    wrong = ~(np.isfinite(numbers) & (numbers >= low) & (numbers <= greatest))
    if wrong.any():
        line = cells.index[wrong][0]
        words = "a number" if low < 0 else "a number from 0" + (" to 1" if greatest == 1 else "")
        raise InputError(
            f"{file}, line {line}: {cells.name} is '{cells[line]}', but must be {words}. {REMEDY}"
        )
    return numbers


def compare_units(
    units: pd.DataFrame, released: pd.DataFrame, thresholds: np.ndarray
) -> pd.DataFrame:
    """Compare units one by one.

    Parameters
    ----------
    units : DataFrame
        As `iou.unit_table` makes it.
    released : DataFrame
        As `read_released` returns it. A concept without a name, as the released tables have some,
        counts as none.
    thresholds : float (units,)
        T_k of every unit, by its number.

    Returns
    -------
    DataFrame
        By unit: ``unit``; ``released_category``, ``released_label`` and ``released_iou`` of its
        best concept in the released table; ``category``, ``label`` and ``iou`` of that in this
        one; ``same_label``, whether they are the same concept, or there is none in either;
        ``difference``, of the two IoUs if they are, else the greater of them; ``area_ratio``, of
        the unit's area here to that released, in the images of the released concept's category;
        ``threshold_ratio``, of T_k here to that released. Ratios are not numbers where the
        released table does not say, or says 0. Then for each category ``<c>-released-label``,
        ``<c>-label``, ``<c>-released-iou`` and ``<c>-iou``.

    Raises
    ------
    InputError
        If the tables have another number of units: they are not of the same layer.
    """
    if len(units) != len(released):
        raise InputError(
            f"The released table has {len(released)} units, but the layer has {len(units)}: it is "
            "of another network or another layer."
        )
    units = units.sort_values("unit", ignore_index=True)
    category, label, iou = _best(units)
    released_category, released_label, released_iou = _best(released)
    same = (category == released_category) & (label == released_label)
    columns = {
        "unit": units["unit"],
        "released_category": released_category,
        "released_label": released_label,
        "released_iou": released_iou,
        "category": category,
        "label": label,
        "iou": iou,
        "same_label": same,
        "difference": np.where(same, np.abs(iou - released_iou), np.maximum(iou, released_iou)),
        "area_ratio": _area_ratio(units, released, released_category),
        "threshold_ratio": _ratio(
            thresholds, released.get("threshold", pd.Series(np.nan, units.index))
        ),
    }
    for c in CATEGORIES:
        columns[f"{c}-released-label"] = released[f"{c}-label"]
        columns[f"{c}-label"] = units[f"{c}-label"]
        columns[f"{c}-released-iou"] = _named_iou(released, c)
        columns[f"{c}-iou"] = _named_iou(units, c)
    return pd.DataFrame(columns)


def compare_categories(agreement: pd.DataFrame, iou_threshold: float) -> pd.DataFrame:
    """Sum up a comparison for each category, and for the units' best concepts of all.

    Parameters
    ----------
    agreement : DataFrame
        As `compare_units` makes it.
    iou_threshold : float

    Returns
    -------
    DataFrame
        ``category`` (six, then "best"); ``units`` that have a concept in either table;
        ``same_labels``, how many of them the same; ``correlation``, Pearson's of the IoUs of
        these units, not a number where it is not defined; ``mean_difference`` of the IoUs, here
        minus released; ``released_detectors``, ``detectors``, ``same_detectors``: units that
        detect their concept in the released table, in this one, and the same one in both;
        ``released_unique``, ``unique``: distinct concepts that they detect.
    """
    rows = []
    for category in (*CATEGORIES, BEST):
        theirs, ours = _concepts(agreement, category)
        in_either = (theirs["iou"] > 0) | (ours["iou"] > 0)
        same = in_either & (theirs["concept"] == ours["concept"])
        detected = [table[exceeds(table["iou"], iou_threshold)] for table in (theirs, ours)]
        both = detected[0].index.intersection(detected[1].index)
        rows.append(
            {
                "category": category,
                "units": int(in_either.sum()),
                "same_labels": int(same.sum()),
                "correlation": _correlation(theirs["iou"][in_either], ours["iou"][in_either]),
                "mean_difference": (ours["iou"] - theirs["iou"])[in_either].mean(),
                "released_detectors": len(detected[0]),
                "detectors": len(detected[1]),
                "same_detectors": int(same[both].sum()),
                "released_unique": detected[0]["concept"].nunique(),
                "unique": detected[1]["concept"].nunique(),
            }
        )
    return pd.DataFrame(rows)


def compare_labels(agreement: pd.DataFrame, iou_threshold: float) -> pd.DataFrame:
    """Count the detectors of every concept in both tables.

    Parameters
    ----------
    agreement : DataFrame
        As `compare_units` makes it.
    iou_threshold : float

    Returns
    -------
    DataFrame
        ``category``, ``label``; ``released_units``, ``units``, ``both``: how many units detect it
        in the released table, in this one, in both. Within a category, those that most units
        detect in the released table come first.
    """
    rows = []
    for category in CATEGORIES:
        theirs, ours = (
            table[exceeds(table["iou"], iou_threshold)] for table in _concepts(agreement, category)
        )
        for label in sorted({*theirs["label"], *ours["label"]}):
            one, other = (set(table.index[table["label"] == label]) for table in (theirs, ours))
            rows.append((category, label, len(one), len(other), len(one & other)))
    table = pd.DataFrame(rows, columns=["category", "label", "released_units", "units", "both"])
    order = table["category"].map(CATEGORIES.index)
    return (
        table.assign(order=order)
        .sort_values(["order", "released_units", "units", "label"], ascending=[1, 0, 0, 1])
        .drop(columns="order")
        .reset_index(drop=True)
    )


def agreement_note(agreement: pd.DataFrame, categories: pd.DataFrame) -> str:
    """Say how far a layer agrees, in a sentence.

    Parameters
    ----------
    agreement : DataFrame
        As `compare_units` makes it.
    categories : DataFrame
        As `compare_categories` makes it.
    """
    row = categories.set_index("category").loc[BEST]
    parts = [f"{row['same_labels']:.0f} of {row['units']:.0f} units have the same best concept"]
    if np.isfinite(row["correlation"]):
        parts.append(f"IoU correlates with r = {row['correlation']:.3f}")
    parts.append(
        f"{row['same_detectors']:.0f} of {row['released_detectors']:.0f} released detectors are "
        "the same here"
    )
    for what, column in (("areas", "area_ratio"), ("thresholds", "threshold_ratio")):
        if agreement[column].notna().any():
            parts.append(f"{what} here / released {agreement[column].median():.3f} (median)")
    return "; ".join(parts)


def _named_iou(units: pd.DataFrame, category: str) -> np.ndarray:
    """IoUs of a category's best concepts: 0 where it has no name."""
    return np.where(units[f"{category}-label"] == "", 0.0, units[f"{category}-iou"].astype(float))


def _best(units: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Category, name and IoU of each unit's best concept; empty names and 0 if it has none."""
    ious = np.stack([_named_iou(units, c) for c in CATEGORIES], axis=-1)
    top, rows = ious.argmax(axis=-1), np.arange(len(units))
    iou = ious[rows, top]
    labels = np.stack([units[f"{c}-label"].to_numpy(object) for c in CATEGORIES], axis=-1)
    category = np.where(iou > 0, np.array(CATEGORIES, object)[top], "")
    return category, np.where(iou > 0, labels[rows, top], ""), iou


def _area_ratio(units: pd.DataFrame, released: pd.DataFrame, categories: np.ndarray) -> np.ndarray:
    ratio = np.full(len(units), np.nan)
    for c in CATEGORIES:
        if f"{c}-activation" in released:
            own = categories == c
            areas = units[f"{c}-activation"], released[f"{c}-activation"]
            ratio[own] = _ratio(*(area.to_numpy(float)[own] for area in areas))
    return ratio


def _ratio(numbers: np.ndarray, others: np.ndarray) -> np.ndarray:
    numbers, others = np.asarray(numbers, float), np.asarray(others, float)
    return np.divide(numbers, others, out=np.full(numbers.shape, np.nan), where=others != 0)


def _concepts(agreement: pd.DataFrame, category: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Concept, label and IoU of a category, or of the best one: released, and here."""
    if category == BEST:
        tables = [
            pd.DataFrame(
                {
                    "label": agreement[f"{prefix}label"],
                    "category": agreement[f"{prefix}category"],
                    "iou": agreement[f"{prefix}iou"],
                }
            )
            for prefix in ("released_", "")
        ]
    else:
        tables = [
            pd.DataFrame(
                {
                    "label": agreement[f"{category}{infix}-label"],
                    "category": category,
                    "iou": agreement[f"{category}{infix}-iou"],
                }
            )
            for infix in ("-released", "")
        ]
    for table in tables:
        # A name may be that of concepts of two categories.
        table["concept"] = list(zip(table["category"], table["label"], strict=True))
    return tables[0], tables[1]


def _correlation(one: pd.Series, other: pd.Series) -> float:
    if len(one) < 2 or one.nunique() < 2 or other.nunique() < 2:
        return np.nan
    return float(np.corrcoef(one, other)[0, 1])
