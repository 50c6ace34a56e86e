"""From overlap tallies to IoU, best concepts and detector counts by both rules.

Two rules count detectors at an IoU threshold (paper, section 2.4 and its released tables):

``top_label``
    A unit counts once, in the category of its best concept.
``per_category``
    A unit counts in every category in which its best concept exceeds the threshold. The paper's
    published figures follow this rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from dissection.categories import CATEGORIES
from dissection.errors import InputError
from dissection.logs import progress

if TYPE_CHECKING:
    from dissection.tally import Tally

RULES = ("top_label", "per_category")
IOU_THRESHOLD = 0.04  # paper, section 2.4
BOOTSTRAP_VALUES = 4_000_000  # IoUs held at a time while resampling: 32 MB an array


class BestConcepts(NamedTuple):
    """Each unit's best concept in every category.

    label : int32 (..., units, 6), label number, 0 if the best IoU is 0
    iou : float64 (..., units, 6)
    """

    label: np.ndarray
    iou: np.ndarray


class DetectorCounts(NamedTuple):
    """Detecting units and distinct concepts, by rule (`RULES`) and category (six, then total).

    units, unique : int64 (..., 2, 7)
    """

    units: np.ndarray
    unique: np.ndarray


def intersection_over_union(tally: Tally, primary: np.ndarray) -> np.ndarray:
    """Return IoU_{k,c} of every unit and label (paper, section 2.3, equation 1).

    Both sums run over the images that have a label of c's category; for whole images without one
    the tally counts no unit area.

    Parameters
    ----------
    tally : Tally
        Its blocks are added up.
    primary : int8 (labels + 1,)
        Category index of each label, -1 for label 0.

    Returns
    -------
    float64 (units, labels + 1)
        0 where the union is empty, and for label 0.

    Raises
    ------
    InputError
        If the tally was made for another number of labels.
    """
    _check_primary(tally, primary)
    return _iou(
        tally.intersection.sum(axis=0),
        tally.unit_area.sum(axis=0),
        tally.label_area.sum(axis=0),
        primary,
    )


def _iou(
    intersection: np.ndarray, unit_area: np.ndarray, label_area: np.ndarray, primary: np.ndarray
) -> np.ndarray:
    """IoU from sums: (..., units, labels + 1), (..., units, 6), (..., labels + 1)."""
    union = unit_area[..., np.maximum(primary, 0)] + label_area[..., None, :] - intersection
    iou = np.zeros(intersection.shape)
    np.divide(intersection, union, out=iou, where=(union > 0) & (primary >= 0))
    return iou


def best_concepts(iou: np.ndarray, primary: np.ndarray) -> BestConcepts:
    """Return each unit's best concept of every category; ties go to the lowest label number.

    Parameters
    ----------
    iou : float64 (..., units, labels + 1)
    primary : int8 (labels + 1,)

    Examples
    --------
    >>> iou = np.array([[0, 0.1, 0.3, 0.3]])
    >>> best = best_concepts(iou, primary=np.array([-1, 0, 1, 1], np.int8))
    >>> best.label
    array([[1, 2, 0, 0, 0, 0]], dtype=int32)
    >>> best.iou
    array([[0.1, 0.3, 0. , 0. , 0. , 0. ]])
    """
    label = np.zeros((*iou.shape[:-1], len(CATEGORIES)), np.int32)
    best = np.zeros(label.shape)
    for category in range(len(CATEGORIES)):
        numbers = np.flatnonzero(primary == category)
        if len(numbers) == 0:
            continue
        ious = iou[..., numbers]
        position = ious.argmax(axis=-1)
        best[..., category] = np.take_along_axis(ious, position[..., None], axis=-1)[..., 0]
        label[..., category] = np.where(best[..., category] > 0, numbers[position], 0)
    return BestConcepts(label, best)


def detector_counts(best: BestConcepts, iou_threshold: float = IOU_THRESHOLD) -> DetectorCounts:
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
    >>> counts = detector_counts(best)
    >>> counts.units.tolist()
    [[1, 1, 0, 0, 0, 0, 2], [2, 1, 0, 0, 0, 0, 2]]
    >>> counts.unique.tolist()
    [[1, 1, 0, 0, 0, 0, 2], [1, 1, 0, 0, 0, 0, 2]]
    """
    if not 0 <= iou_threshold < 1:
        raise InputError(f"IoU threshold {iou_threshold}: give a number from 0 up to 1.")
    detects = best.iou > iou_threshold  # (..., units, 6)
    top = np.arange(len(CATEGORIES)) == best.iou.argmax(axis=-1)[..., None]
    by_rule = np.stack([detects & top, detects], axis=-3)  # (..., 2, units, 6)
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


def unit_table(tally: Tally, names: Sequence[str], primary: np.ndarray) -> pd.DataFrame:
    """Return one row a unit, best first, with the columns of the paper's released tables.

    Parameters
    ----------
    tally : Tally
    names : sequence of str
        Of the labels, by number; entry 0 unused.
    primary : int8 (labels + 1,)

    Returns
    -------
    DataFrame
        ``unit`` (from 1), ``category``, ``label`` and ``score`` of the best concept, then for
        each category the best concept of that category: ``<c>-label`` its name, ``<c>-truth``
        its area in pixels, ``<c>-activation`` the unit's area in images that have a label of the
        category, ``<c>-intersect`` and ``<c>-iou``. Best: greatest IoU, ties to the category
        that comes first and the label of the lowest number. Where the best IoU is 0 there is no
        concept: the name is empty and its numbers are 0.
    """
    iou = intersection_over_union(tally, primary)
    if len(names) != len(primary):
        raise InputError(f"{len(names)} names of labels for {len(primary)} labels.")
    best = best_concepts(iou, primary)
    intersection = tally.intersection.sum(axis=0)
    label_area = tally.label_area.sum(axis=0)
    unit_area = tally.unit_area.sum(axis=0)
    text = np.array(["", *list(names)[1:]], object)
    units = np.arange(len(iou))
    top = best.iou.argmax(axis=-1)
    top_label = best.label[units, top]
    columns: dict[str, np.ndarray] = {
        "unit": units + 1,
        "category": np.where(top_label > 0, np.array(CATEGORIES, object)[top], ""),
        "label": text[top_label],
        "score": best.iou[units, top],
    }
    for c, category in enumerate(CATEGORIES):
        label = best.label[:, c]
        columns[f"{category}-label"] = text[label]
        columns[f"{category}-truth"] = np.where(label > 0, label_area[label], 0)
        columns[f"{category}-activation"] = unit_area[:, c]
        columns[f"{category}-intersect"] = np.where(label > 0, intersection[units, label], 0)
        columns[f"{category}-iou"] = best.iou[:, c]
    table = pd.DataFrame(columns)
    return table.sort_values(["score", "unit"], ascending=[False, True], ignore_index=True)


def count_detectors(units: pd.DataFrame, iou_threshold: float = IOU_THRESHOLD) -> pd.DataFrame:
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
    missing = [f"{c}-{what}" for c in CATEGORIES for what in ("label", "iou")]
    missing = [column for column in missing if column not in units.columns]
    if missing:
        raise InputError(f"The table of units lacks the columns {', '.join(missing)}.")
    # A name's number in its column; -1 + 1 where a cell is empty, which detects nothing.
    label = np.stack(
        [pd.factorize(units[f"{c}-label"])[0].astype(np.int32) + 1 for c in CATEGORIES], axis=-1
    )
    iou = np.stack([units[f"{c}-iou"].to_numpy(float) for c in CATEGORIES], axis=-1)
    if not ((iou >= 0) & (iou <= 1)).all():
        raise InputError("The table of units has an IoU that is not a number from 0 to 1.")
    counts = detector_counts(BestConcepts(label, iou), iou_threshold)
    return _count_table(units=counts.units, unique=counts.unique)


def bootstrap_detectors(
    tally: Tally,
    primary: np.ndarray,
    iou_threshold: float = IOU_THRESHOLD,
    samples: int = 500,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return intervals of the detector counts by resampling blocks of images.

    The tally's blocks are drawn with replacement, as many as there are, their counts are added
    up, and IoU, best concepts and detector counts are computed again; activation thresholds stay
    as they are. Image i is in block i mod B, so a block is a systematic sample of the data set:
    every B-th image. Where the images are ordered by source, each block has every source in its
    due share, and the spread between blocks is what another selection of images of the same
    composition would change. It does not contain the spread between networks trained from
    other initial weights, which needs several networks.

    The interval is the count ± z standard errors, z the normal quantile of the level and the
    standard error that of the resampled counts; it ends at 0. The percentiles of the resampled
    counts would lie too high, because a count of maxima above a threshold is not a smooth function
    of the data: resampling adds noise to every IoU, and a category's best IoU is the greatest of
    many noisy ones. Of images drawn from a known distribution (64 units, 60 concepts, 20 to 100
    blocks) the counts of unique detectors had mean 31 and standard deviation 2.5; the resampled
    counts lay between 29.5 and 39.5, but their standard deviation was right (2.6).

    Parameters
    ----------
    tally : Tally
        Of at least 2 blocks.
    primary : int8 (labels + 1,)
    iou_threshold : float
    samples : int
        Resamples, at least 2; some hundreds.
    seed : int
    level : float
        Of confidence, between 0 and 1.

    Returns
    -------
    DataFrame
        ``rule``, ``category`` (six and ``total``); the interval ``units_low`` to ``units_high``
        and the standard error ``units_se``, and the same of ``unique``.
    """
    _check_primary(tally, primary)
    blocks, units, labels = tally.intersection.shape
    if blocks < 2:
        raise InputError("A bootstrap needs a tally of at least 2 blocks of images; this has 1.")
    if samples < 2 or not 0 < level < 1:
        raise InputError(
            f"Bootstrap of {samples} samples, level {level}: give at least 2 samples, "
            "and a level between 0 and 1."
        )
    generator = np.random.default_rng(seed)
    # Sums of integers below 2^53: exact in float64, in whatever order they are added.
    weights = generator.multinomial(blocks, np.full(blocks, 1 / blocks), samples).astype(float)
    label_area = weights @ tally.label_area
    label = np.empty((samples, units, len(CATEGORIES)), np.int32)
    iou = np.empty(label.shape)
    step = max(1, BOOTSTRAP_VALUES // (samples * labels))
    for first in progress(range(0, units, step), "groups of units resampled"):
        some = slice(first, first + step)
        intersection = np.tensordot(weights, tally.intersection[:, some].astype(float), axes=1)
        unit_area = np.tensordot(weights, tally.unit_area[:, some].astype(float), axes=1)
        resampled = _iou(intersection, unit_area, label_area, primary)
        label[:, some], iou[:, some] = best_concepts(resampled, primary)
    resampled_counts = detector_counts(BestConcepts(label, iou), iou_threshold)
    best = best_concepts(intersection_over_union(tally, primary), primary)
    counts = detector_counts(best, iou_threshold)
    z = NormalDist().inv_cdf((1 + level) / 2)
    columns = {}
    for name in DetectorCounts._fields:
        count = getattr(counts, name)
        error = getattr(resampled_counts, name).std(axis=0, ddof=1)
        columns[f"{name}_low"] = np.maximum(count - z * error, 0)
        columns[f"{name}_high"] = count + z * error
        columns[f"{name}_se"] = error
    return _count_table(**columns)


def _count_table(**counts: np.ndarray) -> pd.DataFrame:
    categories = [*CATEGORIES, "total"]
    keys = {"rule": np.repeat(RULES, len(categories)), "category": categories * len(RULES)}
    return pd.DataFrame(keys | {name: values.ravel() for name, values in counts.items()})


def _check_primary(tally: Tally, primary: np.ndarray) -> None:
    if tally.label_area.shape[-1] != len(primary):
        raise InputError(
            f"The tally counts {tally.label_area.shape[-1] - 1} labels, the data set has "
            f"{len(primary) - 1}. Compute the tally again."
        )
