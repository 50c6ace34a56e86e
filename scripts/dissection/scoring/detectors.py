"""What is a detector, and how many there are, by both rules.

A unit detects a concept if their IoU is greater than a threshold, not at it (paper, section 2.4).
Two rules count detectors (the paper's released tables):

``top_label``
    A unit counts once, in the category of its best concept.
``per_category``
    A unit counts in every category in which its best concept exceeds the threshold. The paper's
    published figures follow this rule.

All that shows or compares detectors takes the decision from here, as a column or a parameter.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from dissection.categories import CATEGORIES
from dissection.errors import InputError
from dissection.scoring.iou import BestConcepts

TOP_LABEL, PER_CATEGORY = RULES = ("top_label", "per_category")
PUBLISHED_RULE = PER_CATEGORY
SIGNIFICANT = 0.05


class DetectorCounts(NamedTuple):
    """Detecting units and distinct concepts, by rule (`RULES`) and category (six, then total).

    units, unique : int64 (..., 2, 7)
    """

    units: np.ndarray
    unique: np.ndarray


def exceeds(iou: np.ndarray, iou_threshold: float) -> np.ndarray:
    """Whether each IoU is above, not at, the threshold, which is at least 0 and below 1."""
    if not 0 <= iou_threshold < 1:
        raise InputError(f"IoU threshold {iou_threshold}: give a number from 0 up to 1.")
    return iou > iou_threshold


def detector_counts(best: BestConcepts, iou_threshold: float) -> DetectorCounts:
    """Count detectors and distinct concepts by both rules.

    Parameters
    ----------
    best : BestConcepts
        Of one network, or of many at once along leading axes.
    iou_threshold : float
        A unit detects a concept if its IoU is above, not at, this. At least 0, below 1.

    Returns
    -------
    DetectorCounts
        Totals: of ``top_label`` the sums over categories; of ``per_category`` the units that
        detect in any category, and the sum of the categories' distinct concepts.

    Examples
    --------
    >>> best = BestConcepts(np.array([[3, 5, 0, 0, 0, 0], [3, 0, 0, 0, 0, 0]]),
    ...                     np.array([[.1, .2, 0, 0, 0, 0], [.05, 0, 0, 0, 0, 0]]))
    >>> counts = detector_counts(best, 0.04)
    >>> counts.units.tolist()
    [[1, 1, 0, 0, 0, 0, 2], [2, 1, 0, 0, 0, 0, 2]]
    >>> counts.unique.tolist()
    [[1, 1, 0, 0, 0, 0, 2], [1, 1, 0, 0, 0, 0, 2]]
    """
    by_rule = _detects(best.iou, iou_threshold)
    units = by_rule.sum(axis=-2)
    total = by_rule.any(axis=-1).sum(axis=-1)
    # Distinct numbers of a column: sort it, count where the value changes to another than 0.
    found = np.sort(np.where(by_rule, best.label[..., None, :, :], 0), axis=-2)
    changes = np.diff(found, axis=-2, prepend=0) != 0
    unique = changes.sum(axis=-2)
    return DetectorCounts(
        np.concatenate([units, total[..., None]], axis=-1),
        np.concatenate([unique, unique.sum(axis=-1, keepdims=True)], axis=-1),
    )


def count_detectors(units: pd.DataFrame, iou_threshold: float) -> pd.DataFrame:
    """Count detectors and distinct concepts from a table of units, by both rules.

    Parameters
    ----------
    units : DataFrame
        As `unit_table` makes it, or as read from the paper's released tables.
    iou_threshold : float
        See `detector_counts`.

    Returns
    -------
    DataFrame
        ``rule``, ``category`` (six and ``total``), ``units``, ``unique``.
    """
    iou = _ious(units)
    # A name's number in its column; -1 + 1 where a cell is empty, which detects nothing.
    label = np.stack(
        [pd.factorize(units[f"{c}-label"])[0].astype(np.int32) + 1 for c in CATEGORIES], axis=-1
    )
    counts = detector_counts(BestConcepts(label, iou), iou_threshold)
    return count_table(units=counts.units, unique=counts.unique)


def mark_detections(units: pd.DataFrame, iou_threshold: float) -> pd.DataFrame:
    """Add to a table of units which of its concepts are detected.

    Parameters
    ----------
    units : DataFrame
        As `count_detectors` takes it.
    iou_threshold : float
        See `detector_counts`.

    Returns
    -------
    DataFrame
        The table with bool columns after its own: ``detects``, whether the unit detects its best
        concept (and so counts by ``top_label``), then for each category ``<c>-detects``, whether
        it detects the best concept of that category (and so counts in it by ``per_category``).
    """
    top_label, per_category = _detects(_ious(units), iou_threshold)
    marks = {f"{c}-detects": per_category[:, i] for i, c in enumerate(CATEGORIES)}
    return units.assign(detects=top_label.any(axis=-1), **marks)


def _detects(iou: np.ndarray, iou_threshold: float) -> np.ndarray:
    """Which of the best concepts (..., units, 6) are detected: bool (..., 2, units, 6), by rule."""
    detects = exceeds(iou, iou_threshold)
    top = np.arange(len(CATEGORIES)) == iou.argmax(axis=-1)[..., None]
    return np.stack([detects & top, detects], axis=-3)


def _ious(units: pd.DataFrame) -> np.ndarray:
    """IoUs of a table of units: float64 (units, 6)."""
    missing = [f"{c}-{what}" for c in CATEGORIES for what in ("label", "iou")]
    missing = [column for column in missing if column not in units.columns]
    if missing:
        raise InputError(f"The table of units lacks the columns {', '.join(missing)}.")
    iou = np.stack([units[f"{c}-iou"].to_numpy(float) for c in CATEGORIES], axis=-1)
    if not ((iou >= 0) & (iou <= 1)).all():
        raise InputError("The table of units has an IoU that is not a number from 0 to 1.")
    return iou


def count_table(**counts: np.ndarray) -> pd.DataFrame:
    categories = [*CATEGORIES, "total"]
    keys = {"rule": np.repeat(RULES, len(categories)), "category": categories * len(RULES)}
    return pd.DataFrame(keys | {name: values.ravel() for name, values in counts.items()})


def chance_note(units: pd.DataFrame, iou_threshold: float) -> str:
    """Say how many detectors have an IoU that chance seldom reaches.

    Parameters
    ----------
    units : DataFrame
        As units.csv, with ``p_value`` if permutations were asked for.
    iou_threshold : float

    Returns
    -------
    str
        Empty without permutations.

    Examples
    --------
    >>> chance_note(pd.DataFrame({"score": [0.2, 0.1, 0], "p_value": [0.01, 0.3, 1]}), 0.04)
    '1 of 2 units that detect a concept have p < 0.05.'
    """
    if "p_value" not in units:
        return ""
    p = units["p_value"][exceeds(units["score"], iou_threshold)]
    found = int((p < SIGNIFICANT).sum())
    return f"{found} of {len(p)} units that detect a concept have p < {SIGNIFICANT:g}."
