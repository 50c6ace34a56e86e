"""Whether a unit's best IoU is more than chance gives: permutation p-values."""

from collections.abc import Iterable

import numpy as np

from dissection.scoring.iou import intersection_over_union
from dissection.scoring.tally import Tally


def permuted_images(images: int, seed: int, number: int) -> np.ndarray:
    """Return whose labels each image gets in a permutation: int64 (images,).

    Parameters
    ----------
    images : int
        Of the whole data set, whatever shard of it is tallied.
    seed : int
    number : int
        Of the permutation, from 1: another number of permutations draws the first ones alike.
    """
    return np.random.default_rng([seed, number]).permutation(images)


def p_values(tally: Tally, permuted: Iterable[Tally], primary: np.ndarray) -> np.ndarray:
    """Return for each unit how often chance reaches the IoU of its best concept.

    The null hypothesis is that where a unit fires has nothing to do with what an image shows: each
    image's activation map is compared with the labels of another image, one permutation for all
    units. A unit's best concept is the greatest of many IoUs, and so it is in each permutation: the
    maximum over all concepts is taken there, too, which corrects for their number (Westfall and
    Young, "Resampling-Based Multiple Testing", 1993). Units are not corrected for.

        p = (1 + permutations whose greatest IoU is at least the observed one)
            / (1 + permutations)

    which is never 0 (Phipson and Smyth, "Permutation P-values should never be zero", Statistical
    Applications in Genetics and Molecular Biology 9, 2010). Thresholds stay as they are: they
    depend on activations alone.

    Parameters
    ----------
    tally : Tally
        Its blocks are added up.
    permuted : iterable of Tally
        Of the same images, each tallied with `permuted_images`. One at a time is in memory.
    primary : int8 (labels + 1,)
        Category index of each label, -1 for label 0.

    Returns
    -------
    float64 (units,)
        Above 0, at most 1. 1 for a unit without a concept, and without permutations.
    """
    observed = _greatest(tally, primary)
    reached, permutations = np.zeros(len(observed), np.int64), 0
    for other in permuted:
        reached += _greatest(other, primary) >= observed
        permutations += 1
    return (1 + reached) / (1 + permutations)


def _greatest(tally: Tally, primary: np.ndarray) -> np.ndarray:
    """The IoU of each unit's best concept: float64 (units,)."""
    return intersection_over_union(tally, primary).max(axis=1)
