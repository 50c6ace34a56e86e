"""Detectors and accuracies of a layer in every basis: the table of slide 9."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from dissection.jobs.logs import log, progress
from dissection.rotation.accuracy import linear_probe, rotated_features
from dissection.rotation.matrices import RotationPath, random_rotation
from dissection.scoring.detectors import PUBLISHED_RULE, count_detectors
from dissection.scoring.iou import unit_table
from dissection.scoring.tally import Tally


class Basis(NamedTuple):
    """A basis on the way from a layer's own to a random one.

    seed : int
        Of the random rotation Q.
    alpha : float
        Share of the way, 0 to 1.
    R : float64 (units, units)
        Q^alpha.
    """

    seed: int
    alpha: float
    R: np.ndarray


def rotated_bases(units: int, seeds: Sequence[int], alphas: Sequence[float]) -> list[Basis]:
    """Return the bases of all steps towards all random rotations, seed by seed."""
    bases = []
    for seed in seeds:
        path = RotationPath(random_rotation(units, seed))
        bases += [Basis(seed, alpha, path.power(alpha)) for alpha in alphas]
    return bases


def rotation_table(
    bases: Sequence[Basis],
    tallies: Sequence[Tally],
    accuracies: Sequence[float],
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
    bases : sequence of Basis
    tallies : sequence of Tally
        One a basis.
    accuracies : sequence of float
        Of the network, one a basis; not a number where it has none.
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
        A row for each category and the total of every basis: ``seed``, ``alpha``, ``category``,
        ``units`` and ``unique`` by the rule of published counts, ``accuracy``,
        ``probe_accuracy``, ``probe_spread``.
    """
    tables = []
    measured = zip(bases, tallies, accuracies, strict=True)
    for basis, tally, accuracy in progress(measured, "probes", total=len(bases)):
        counts = count_detectors(unit_table(tally, names, primary), iou_threshold)
        counts = counts[counts["rule"] == PUBLISHED_RULE]
        rotated = rotated_features(features, basis.R)
        probe, spread = linear_probe(rotated, scenes, probe_splits, basis.seed)
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
            *(basis.seed, basis.alpha, counts["unique"].iloc[-1], accuracy, probe),
        )
    order = ["seed", "alpha", "category", "units", "unique", "accuracy", "probe_accuracy"]
    return pd.concat(tables, ignore_index=True)[[*order, "probe_spread"]]
