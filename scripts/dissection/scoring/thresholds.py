"""Exact activation thresholds: each unit's top quantile over all images and positions.

A value is turned into an integer key of the same order, and the keys of a unit are counted in a
histogram until the wanted order statistic is known: no sorting, no sketch, constant memory.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise

import numpy as np

from dissection.activations.float_keys import (
    BUCKETS,
    count_keys,
    greatest_activations,
    infinity_key,
    key_bits,
    key_dtype,
    key_values,
    not_finite,
)
from dissection.activations.shards import check_shards, chunks, count_chunks
from dissection.errors import InputError
from dissection.jobs.logs import progress
from dissection.scoring.notes import CONSTANT, FEW, SATURATED


def threshold_rank(positions: int, quantile: float) -> int:
    """Return how many of a unit's values may lie strictly above its threshold.

    T_k is the value with this 0-based index in descending order: the smallest value T of the
    unit with count(a > T) <= quantile * positions, so that P(a > T) <= quantile (paper,
    section 2.3: P(a_k > T_k) = 0.005).

    Parameters
    ----------
    positions : int
        Values of one unit: images x height x width. At least 1.
    quantile : float
        At least 0, below 1. Meant as the decimal number that it prints as.

    Raises
    ------
    InputError
        If either is out of range.

    Examples
    --------
    >>> threshold_rank(1000, 0.005)
    5
    >>> threshold_rank(100, 0.29)  # 0.29 * 100 is 28.999999999999996 in floating point
    29
    >>> threshold_rank(100, 0.005)
    0
    """
    if positions < 1:
        raise InputError("A threshold needs at least one activation value; there is none.")
    if not 0 <= quantile < 1:
        raise InputError(f"quantile is {quantile}: give a number from 0 up to, not including, 1.")
    rank = int(Fraction(repr(float(quantile))) * positions)
    if rank >= 2**32 - 1:
        raise InputError(
            f"quantile {quantile} of {positions} positions: at most {2**32 - 2} values can lie "
            "above a threshold. Give a smaller quantile or fewer images."
        )
    return rank


class ThresholdCounter:
    """Find every unit's threshold while its activations stream by.

    The threshold rises: as soon as more than the allowed number of values lie above a candidate,
    the next higher one takes its place, and what lies at or below the candidate need never be
    counted. After a tenth of the data most values cost one comparison.

    float16 needs one pass over the data; float32 two, the upper and then the lower 16 bits.
    Memory: at most 128 KiB a unit, or 256 KiB where more than 65,534 of a unit's values may lie
    above its threshold.

    Parameters
    ----------
    units : int
    positions : int
        Values of one unit in the whole data set: images x height x width.
    quantile : float
        See `threshold_rank`.
    dtype : numpy float16 or float32
    threads : int
        Share the units; the result does not depend on it.

    Examples
    --------
    >>> values = np.arange(1000, dtype=np.float16).reshape(250, 1, 2, 2)
    >>> counter = ThresholdCounter(1, 1000, 0.005, values.dtype)
    >>> for _ in range(counter.passes):
    ...     counter.update(values[:100])
    ...     counter.update(values[100:], first_image=100)
    ...     counter.end_pass()
    >>> counter.thresholds()
    array([994.], dtype=float32)
    """

    def __init__(
        self,
        units: int,
        positions: int,
        quantile: float,
        dtype: np.typing.DTypeLike,
        threads: int = 1,
    ) -> None:
        self._dtype = np.dtype(dtype)
        if self._dtype not in (np.float16, np.float32):
            raise InputError(f"Activations of {self._dtype}: give float16 or float32.")
        if threads < 1:
            raise InputError(f"{threads} threads: give at least 1.")
        self.passes = 1 if self._dtype == np.float16 else 2
        self._passes_done = 0
        self._positions = positions
        self._seen = 0
        self._rank = threshold_rank(positions, quantile)
        cuts = np.linspace(0, units, min(threads, max(units, 1)) + 1).astype(int)
        self._ranges = list(pairwise(cuts))
        # State of the search, per unit. `base` is the key of bucket 0, `bound` the bucket of the
        # candidate (-1: below everything), `above` the number of values in buckets above it.
        # No bucket ever counts more than rank + 1: beyond that the candidate has passed it.
        counts = np.uint16 if self._rank < 2**16 - 1 else np.uint32
        self._histogram = np.zeros((units, BUCKETS), counts)
        self._base = np.full(units, np.iinfo(key_dtype(self._dtype)).min, np.int64)
        self._bound = np.full(units, -1, np.int64)
        self._above = np.zeros(units, np.int64)

    def update(self, chunk: np.ndarray, first_image: int = 0) -> None:
        """Take in the activations of some images, once in each pass, in any order.

        Parameters
        ----------
        chunk : array (images, units, height, width)
            Of the counter's dtype.
        first_image : int
            Number of the chunk's first image, for the message about a bad value.

        Raises
        ------
        InputError
            If a value is not finite, or if the chunk does not fit the counter.
        """
        units = len(self._bound)
        if chunk.ndim != 4 or chunk.shape[1] != units or chunk.dtype != self._dtype:
            raise InputError(
                f"Activations {chunk.shape} of {chunk.dtype} where (images, {units}, height, "
                f"width) of {self._dtype} was expected."
            )
        if self._passes_done == self.passes:
            raise InputError("All passes are done: make a new counter for other activations.")
        images, _, height, width = chunk.shape
        self._seen += images * height * width
        bits = key_bits(chunk)
        infinity = infinity_key(self._dtype)
        shift = 16 * (self.passes - self._passes_done - 1)

        def count(units_range: tuple[int, int]) -> int:
            return count_keys(
                bits,
                *units_range,
                shift,
                infinity,
                self._rank,
                self._histogram,
                self._base,
                self._bound,
                self._above,
            )

        if len(self._ranges) == 1:
            places = [count(self._ranges[0])]
        else:
            with ThreadPoolExecutor(len(self._ranges)) as pool:
                places = list(pool.map(count, self._ranges))
        bad = [place for place in places if place >= 0]
        if bad:
            image, unit = divmod(min(bad), units)
            raise not_finite(unit, first_image + image)

    def end_pass(self) -> None:
        """Say that every image has been given once in this pass.

        Raises
        ------
        InputError
            If there were more or fewer positions than announced.
        """
        if self._seen != self._positions:
            raise InputError(
                f"{self._positions} positions of each unit were announced, {self._seen} were "
                "given. Activation files are missing or left over: compute them again."
            )
        self._seen = 0
        self._passes_done += 1
        if self._passes_done < self.passes:
            # The candidate's bucket is now the range to search, one bucket a key.
            self._base += self._bound << 16
            self._bound[:] = -1
            self._histogram[:] = 0

    def thresholds(self) -> np.ndarray:
        """Return the thresholds, float32 (units,), after the last pass.

        Every threshold is one of the unit's values. A unit fires where a > T, strictly: nowhere
        if the quantile allows no value above it (T is the maximum) or if the unit is constant.
        """
        if self._passes_done != self.passes:
            raise InputError(f"Only {self._passes_done} of {self.passes} passes are done.")
        return key_values(self._base + self._bound, self._dtype)


def compute_thresholds(
    shards: Sequence[np.ndarray], quantile: float, threads: int = 1
) -> np.ndarray:
    """Return the exact threshold T_k of every unit (paper, section 2.3).

    Parameters
    ----------
    shards : sequence of float16 or float32 arrays (images, units, height, width)
        Memory maps are read in pieces; resident memory stays small.
    quantile : float
        Share of values allowed above the threshold, 0.005 in the paper.
    threads : int
        The result does not depend on it, nor on how the images are split into shards.

    Returns
    -------
    float32 (units,)

    Raises
    ------
    InputError
        If shards do not belong together or hold a value that is not finite.

    Examples
    --------
    >>> activations = np.arange(200, dtype=np.float16).reshape(50, 2, 2, 1)
    >>> compute_thresholds([activations[:20], activations[20:]], quantile=0.02)
    array([193., 195.], dtype=float32)
    """
    images, (units, height, width) = check_shards(shards)
    counter = ThresholdCounter(units, images * height * width, quantile, shards[0].dtype, threads)
    for number in range(counter.passes):
        what = f"pieces of the activations (pass {number + 1} of {counter.passes})"
        for first_image, chunk in progress(chunks(shards), what, total=count_chunks(shards)):
            counter.update(chunk, first_image)
        counter.end_pass()
    return counter.thresholds()


def find_silent_units(
    shards: Sequence[np.ndarray], thresholds: np.ndarray, quantile: float
) -> dict[int, str]:
    """Find the units that cannot fire, and why.

    A unit fires where its map, interpolated, exceeds T_k: only if one of its values does. Where T_k
    is the unit's greatest value, because that is reached too often or too few values may lie above
    a threshold, the unit never fires.

    Parameters
    ----------
    shards : sequence of float16 or float32 arrays (images, units, height, width)
        Read until every unit has exceeded its threshold: all of it only if one never does.
    thresholds : float32 (units,)
        As `compute_thresholds` finds them in these shards.
    quantile : float
        That they were found with.

    Returns
    -------
    dict of a unit's number, from 1, to the reason
        ``constant`` if all its values are equal, or else ``too few positions`` if the quantile
        allows no value above a threshold, or else ``saturated``: more than the quantile of its
        values equal the greatest one.

    Examples
    --------
    >>> activations = np.array([[0, 1, 2, 3], [5] * 4, [0, 6, 6, 6]], np.float16)
    >>> activations = activations.reshape(1, 3, 2, 2)
    >>> find_silent_units([activations], compute_thresholds([activations], 0.25), 0.25)
    {2: 'constant', 3: 'saturated'}
    """
    images, (units, height, width) = check_shards(shards)
    silent = np.arange(units)  # so far
    smallest = np.full(units, np.inf, np.float32)
    what = "pieces with units that have not fired"
    for first_image, chunk in progress(chunks(shards), what, total=count_chunks(shards)):
        own = chunk[:, silent]
        least = -greatest_activations(-own, first_image).max(axis=0)
        smallest[silent] = np.minimum(smallest[silent], least)
        silent = silent[greatest_activations(own, first_image).max(axis=0) <= thresholds[silent]]
        if len(silent) == 0:
            break
    otherwise = SATURATED if threshold_rank(images * height * width, quantile) else FEW
    return {
        int(unit) + 1: CONSTANT if smallest[unit] == thresholds[unit] else otherwise
        for unit in silent
    }
