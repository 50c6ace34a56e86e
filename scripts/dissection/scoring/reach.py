"""How great an IoU the size of a concept allows: the table of a data set's concepts.

A unit fires at a small share of all positions, the quantile of its threshold. Of a concept that
covers much more than that, it can only cover a part: at a quantile of 0.005 and a threshold
of 0.04 on the IoU, one with more than 12.5 % of the pixels of the data set is out of reach.
"""

import numpy as np
import pandas as pd

from dissection.categories import CATEGORIES
from dissection.labels.store import LabelStore
from dissection.scoring.detectors import exceeds
from dissection.scoring.overlaps import count_labels

IMAGES_AT_ONCE = 256


def concept_table(store: LabelStore, quantile: float, iou_threshold: float) -> pd.DataFrame:
    """Return size and greatest possible IoU of every concept that some image has.

    It is assumed that a unit fires at no more than the quantile of all pixels of the data set, as
    its activations exceed T_k at no more than the quantile of all positions. Interpolation makes
    that area half as large for most units, but larger for some whose activations are high at
    single positions (of the smoke run's units the greatest fires at 2.4 times the quantile), so
    that this is no strict bound on what single units reach. All of the area may lie on the
    concept, and nothing outside in images of the concept's category, so that

        IoU <= min(1, quantile * pixels of the data set / area of the concept)

    Parameters
    ----------
    store : LabelStore
    quantile : float
        Share of positions above a threshold (see `thresholds.threshold_rank`).
    iou_threshold : float
        A concept is within reach if its greatest possible IoU is greater.

    Returns
    -------
    DataFrame
        By number of the label: ``name``, ``category``, ``images`` that have it, ``area`` in
        pixels, ``share`` of the pixels of the images that have a label of its category,
        ``greatest_iou``, ``within_reach``.
    """
    images, area = _count(store)
    numbers = np.flatnonzero(images)
    category, area = store.primary[numbers], area[numbers]
    pixels = store.sizes.prod(axis=1, dtype=np.int64)
    of_category = pixels @ store.segments.present
    greatest = np.minimum(1, quantile * pixels.sum() / area)
    return pd.DataFrame(
        {
            "name": np.array(store.names, object)[numbers],
            "category": np.array(CATEGORIES, object)[category],
            "images": images[numbers],
            "area": area,
            "share": area / of_category[category],
            "greatest_iou": greatest,
            "within_reach": exceeds(greatest, iou_threshold),
        }
    )


def _count(store: LabelStore) -> tuple[np.ndarray, np.ndarray]:
    """Images and pixels of each label, int64 (L + 1,)."""
    images, area = np.zeros((2, store.n_labels + 1), np.int64)
    for first in range(0, len(store), IMAGES_AT_ONCE):
        some = np.arange(first, min(first + IMAGES_AT_ONCE, len(store)))
        areas = np.zeros((len(some), store.n_labels + 1), np.int64)
        count_labels(store.segments, some, some - first, areas)
        images += (areas > 0).sum(axis=0)
        area += areas.sum(axis=0)
    return images, area
