"""Dissect a layer in rotated bases, from its cached activations (paper, section 3.2)."""

from collections.abc import Sequence

import numpy as np

from dissection.geometry import Geometry
from dissection.labels import LabelStore
from dissection.logs import progress
from dissection.rotation import rotate
from dissection.shards import check_shards, chunks, count_chunks
from dissection.tally import Tally, tally_overlaps
from dissection.thresholds import ThresholdCounter


def dissect_rotated(
    shards: Sequence[np.ndarray],
    rotations: Sequence[np.ndarray],
    quantile: float,
    store: LabelStore,
    geometry: Geometry,
) -> list[Tally]:
    """Tally the overlaps of every rotated basis with the labels.

    A rotated activation is rounded to the type of the cached ones, as if it had been cached
    itself. Thresholds are found anew for each basis. The activations are read once for the
    thresholds (twice if they are float32) and once for the tallies, whatever the number of
    rotations; rotated activations exist for one piece of the images at a time.

    Parameters
    ----------
    shards : sequence of float16 or float32 arrays (images, units, height, width)
    rotations : sequence of float (units, units)
        r = R a replaces the activations a.
    quantile : float
        Share of positions above a threshold (see `thresholds.threshold_rank`).
    store : LabelStore
    geometry : Geometry
        Of the layer: a rotated unit has the receptive field of the units that it mixes.

    Returns
    -------
    list of Tally, one a rotation, each of one block
    """
    images, (units, height, width) = check_shards(shards)
    dtype = shards[0].dtype
    counters = [
        ThresholdCounter(units, images * height * width, quantile, dtype) for _ in rotations
    ]
    total = count_chunks(shards)
    for _ in range(counters[0].passes):
        for first, chunk in progress(chunks(shards), "pieces of the thresholds", total=total):
            for counter, R in zip(counters, rotations, strict=True):
                counter.update(_rotated(chunk, R), first)
        for counter in counters:
            counter.end_pass()
    thresholds = [counter.thresholds() for counter in counters]
    del counters  # a quarter of a mebibyte a unit each

    tallies: list[Tally | None] = [None] * len(rotations)
    for first, chunk in progress(chunks(shards), "pieces of the tallies", total=total):
        for i, R in enumerate(rotations):
            rotated = _rotated(chunk, R)
            tally = tally_overlaps(rotated, thresholds[i], store, geometry, first_image=first)
            tallies[i] = tally if tallies[i] is None else tallies[i] + tally
    return tallies


def _rotated(chunk: np.ndarray, R: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # the counter names unit and image of what became infinite
        return rotate(chunk, R).astype(chunk.dtype)
