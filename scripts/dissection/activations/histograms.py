"""The distribution of each unit's activations (slide 5)."""

from collections.abc import Sequence

import numba
import numpy as np

from dissection.activations.float_keys import greatest_activations
from dissection.activations.shards import check_shards, chunks, count_chunks
from dissection.errors import InputError
from dissection.jobs.logs import progress


def activation_histograms(
    shards: Sequence[np.ndarray], maxima: np.ndarray, bins: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distribution of every unit's activations over all images and positions.

    Parameters
    ----------
    shards : sequence of float16 or float32 arrays (images, units, height, width)
    maxima : float32 (units,)
        Greatest activation of each unit, as `top_images.find_top_images` finds it.
    bins : int
        Of equal width, from the unit's smallest activation, or 0 if none is below that, to its
        greatest. A unit with one value alone, which leaves no width, has bins up to 1 above it.

    Returns
    -------
    counts : int64 (units, bins)
    edges : float32 (units, bins + 1)

    Examples
    --------
    >>> activations = np.array([0, 0, 1, 4], np.float16).reshape(1, 1, 2, 2)
    >>> activation_histograms([activations], np.array([4], np.float32), bins=2)
    (array([[3, 1]]), array([[0., 2., 4.]], dtype=float32))
    >>> activation_histograms([activations - 4], np.array([0], np.float32), bins=2)
    (array([[3, 1]]), array([[-4., -2.,  0.]], dtype=float32))
    """
    _, (units, _, _) = check_shards(shards)
    if len(maxima) != units or bins < 1:
        raise InputError(f"{len(maxima)} maxima for {units} units, {bins} bins: these do not fit.")
    low = np.minimum(_minima(shards), 0).astype(np.float64)
    width = np.where(maxima > low, maxima - low, 1)
    counts = np.zeros((units, bins), np.int64)
    what = "pieces of the activations"
    for _, chunk in progress(chunks(shards), what, total=count_chunks(shards)):
        values = chunk.astype(np.float32).reshape(len(chunk), units, -1)
        _count(values, low, width, counts)
    edges = low[:, None] + width[:, None] * np.arange(bins + 1) / bins
    return counts, edges.astype(np.float32)


def _minima(shards: Sequence[np.ndarray]) -> np.ndarray:
    """Each unit's smallest activation, float32 (units,)."""
    what = "pieces of the smallest activations"
    pieces = progress(chunks(shards), what, total=count_chunks(shards))
    return np.min([-greatest_activations(-chunk, i).max(axis=0) for i, chunk in pieces], axis=0)


@numba.njit(cache=True, nogil=True)
def _count(values: np.ndarray, low: np.ndarray, width: np.ndarray, counts: np.ndarray) -> None:
    images, units, positions = values.shape
    bins = counts.shape[1]
    for image in range(images):
        for unit in range(units):
            scale = bins / width[unit]
            for position in range(positions):
                # The maximum itself belongs to the last bin.
                place = int((values[image, unit, position] - low[unit]) * scale)
                counts[unit, min(place, bins - 1)] += 1
