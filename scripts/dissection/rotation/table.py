"""Detectors and accuracies of a layer in every basis: the table of slide 9."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from dissection.jobs.logs import log, progress
from dissection.rotation.accuracy import (
    linear_probe,
    probed_images,
    rotated_features,
    too_few_scenes,
)
from dissection.rotation.matrices import Basis
from dissection.rotation.turns import in_turns
from dissection.scoring.detectors import PUBLISHED_RULE, count_detectors
from dissection.scoring.iou import unit_table
from dissection.scoring.tally import Tally


def rotation_table(
    bases: Iterable[Basis],
    at_once: int,
    measure: Callable[[Sequence[Basis]], tuple[Sequence[Tally], Sequence[float]]],
    features: np.ndarray,
    scenes: np.ndarray,
    names: Sequence[str],
    primary: np.ndarray,
    iou_threshold: float,
    probe_splits: int,
) -> pd.DataFrame:
    """Return detectors, the network's accuracy and a linear probe's in every basis.

    Parameters
    ----------
    bases : iterable of Basis
        Made when their turn comes.
    at_once : int
        Bases of a turn; the table does not depend on it.
    measure : callable
        From some bases to a tally of each, and the network's accuracy in each: not a number
        where it has none.
    features : float64 (images, units)
        Mean activations in the layer's own basis.
    scenes : int (images,)
        What the probe tells apart; see `linear_probe`.
    names, primary
        Of the labels; see `unit_table`.
    iou_threshold : float
    probe_splits : int

    Returns
    -------
    DataFrame
        A row for each rule of counting, category and the total, of every basis: ``seed``,
        ``alpha``, ``rule``, ``category``, ``units``, ``unique``, ``accuracy``,
        ``probe_accuracy``, ``probe_spread``. Those of the probe are not numbers where too few
        images have scenes.
    """
    probed = probed_images(scenes, probe_splits).any()
    if not probed:
        log.warning("No linear probe. %s", too_few_scenes(probe_splits))
    tables = []
    for basis, tally, accuracy in progress(_measured(bases, at_once, measure), "bases"):
        counts = count_detectors(unit_table(tally, names, primary), iou_threshold)
        probe, spread = math.nan, math.nan
        if probed:
            rotated = rotated_features(features, basis.R)
            probe, spread = linear_probe(rotated, scenes, probe_splits, basis.seed)
            del rotated
        tables.append(
            counts.assign(
                seed=basis.seed,
                alpha=basis.alpha,
                accuracy=accuracy,
                probe_accuracy=probe,
                probe_spread=spread,
            )
        )
        log.info(
            "seed %d, alpha %g: %d unique detectors, accuracy %.3f, probe %.3f",
            *(basis.seed, basis.alpha, _total(counts), accuracy, probe),
        )
    order = ["seed", "alpha", "rule", "category", "units", "unique", "accuracy"]
    return pd.concat(tables, ignore_index=True)[[*order, "probe_accuracy", "probe_spread"]]


def _total(counts: pd.DataFrame) -> int:
    table = counts.set_index(["rule", "category"])
    return table.loc[(PUBLISHED_RULE, "total"), "unique"]


def _measured(
    bases: Iterable[Basis],
    at_once: int,
    measure: Callable[[Sequence[Basis]], tuple[Sequence[Tally], Sequence[float]]],
) -> Iterator[tuple[Basis, Tally, float]]:
    for turn in in_turns(bases, at_once):
        yield from zip(turn, *measure(turn), strict=True)
