"""From overlap tallies to IoU, each unit's best concepts, and the table of units."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from dissection.categories import CATEGORIES
from dissection.errors import InputError
from dissection.scoring.tally import Tally


class BestConcepts(NamedTuple):
    """Each unit's best concept in every category.

    label : int32 (..., units, 6), label number, 0 if the best IoU is 0
    iou : float64 (..., units, 6)
    """

    label: np.ndarray
    iou: np.ndarray


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
    check_primary(tally, primary)
    return iou_of_sums(
        tally.intersection.sum(axis=0),
        tally.unit_area.sum(axis=0),
        tally.label_area.sum(axis=0),
        primary,
    )


def iou_of_sums(
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


def check_primary(tally: Tally, primary: np.ndarray) -> None:
    if tally.label_area.shape[-1] != len(primary):
        raise InputError(
            f"The tally counts {tally.label_area.shape[-1] - 1} labels, the data set has "
            f"{len(primary) - 1}. Compute the tally again."
        )
