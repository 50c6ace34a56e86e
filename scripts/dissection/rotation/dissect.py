"""Dissect a layer in rotated bases, from its cached activations (paper, section 3.2)."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import torch

from dissection.activations.float_keys import NotFiniteError
from dissection.activations.geometry import Geometry
from dissection.activations.shards import check_shards, chunks, count_chunks
from dissection.errors import InputError
from dissection.jobs.logs import progress
from dissection.labels.store import LabelStore
from dissection.rotation.matrices import CPU, Basis, one_thread_each, rotate
from dissection.scoring.counting import tally_overlaps
from dissection.scoring.tally import Tally
from dissection.scoring.thresholds import ThresholdCounter

CHUNK_BYTES = 8 * 2**20  # of cached activations: less work for memory and caches than with more


def dissect_rotated(
    shards: Sequence[np.ndarray],
    bases: Sequence[Basis],
    quantile: float,
    store: LabelStore,
    geometry: Geometry,
    threads: int = 1,
    device: torch.device = CPU,
) -> list[Tally]:
    """Tally the overlaps of every rotated basis with the labels.

    A rotated activation is rounded to the type of the cached ones, as if it had been cached
    itself. Thresholds are found anew for each basis. The activations are read once for the
    thresholds (twice if they are float32) and once for the tallies, whatever the number of
    bases; rotated activations exist for one piece of the images at a time. See `turns` for the
    memory that it takes.

    Parameters
    ----------
    shards : sequence of float16 or float32 arrays (images, units, height, width)
    bases : sequence of Basis
        r = R a replaces the activations a.
    quantile : float
        Share of positions above a threshold (see `thresholds.threshold_rank`).
    store : LabelStore
    geometry : Geometry
        Of the layer: a rotated unit has the receptive field of the units that it mixes.
    threads : int
        Share the bases. The result does not depend on it; each holds a matrix of float32 and
        about 20 MB.
    device : torch.device
        That computes the matrix products: about half of the work on a CPU, the rest of which,
        counting, is the CPU's.

    Returns
    -------
    list of Tally, one a basis, each of one block

    Raises
    ------
    InputError
        If a matrix does not fit the activations, or a rotated activation is too large for their
        type.
    """
    images, (units, height, width) = check_shards(shards)
    dtype = shards[0].dtype
    counters = [ThresholdCounter(units, images * height * width, quantile, dtype) for _ in bases]
    total = count_chunks(shards, CHUNK_BYTES)
    pieces = partial(chunks, shards, CHUNK_BYTES)
    with one_thread_each(), ThreadPoolExecutor(threads) as pool:
        for _ in range(counters[0].passes):
            for first, chunk in progress(pieces(), "pieces of the thresholds", total=total):

                def count(i: int, chunk=chunk, first=first) -> None:
                    try:
                        counters[i].update(rotate(chunk, bases[i].R, dtype, device), first)
                    except NotFiniteError as error:
                        raise _too_large(bases[i], error, dtype) from error

                for _ in pool.map(count, range(len(bases))):
                    pass
            for counter in counters:
                counter.end_pass()
        thresholds = [counter.thresholds() for counter in counters]
        counters.clear()  # a quarter of a mebibyte a unit each

        tallies: list[Tally | None] = [None] * len(bases)
        for first, chunk in progress(pieces(), "pieces of the tallies", total=total):

            def tally(i: int, chunk=chunk, first=first) -> None:
                rotated = rotate(chunk, bases[i].R, dtype, device)
                tallies[i] = tally_overlaps(
                    rotated, thresholds[i], store, geometry, first_image=first, tally=tallies[i]
                )

            for _ in pool.map(tally, range(len(bases))):
                pass
    return tallies


def _too_large(basis: Basis, error: NotFiniteError, dtype: np.dtype) -> InputError:
    """The activations themselves are finite: what is not has become too large by the rotation."""
    advice = "Check the network's weights and its preprocessing."
    if dtype == np.float16:
        advice = "Set dissection.precision: float32."
    return InputError(
        f"Rotated with seed {basis.seed} to alpha {basis.alpha:g}, unit {error.unit + 1} has an "
        f"activation at image {error.image} (counted from 0) that is larger than "
        f"{np.finfo(dtype).max:g}, the largest value of {dtype}, though the activations that it "
        f"is mixed from are not. {advice}"
    )
