"""Count the pixels that units and labels share: the sums of the intersection over union.

The binary map of a unit in an image is M_k = S_k > T_k, where S_k is the activation map A_k
interpolated bilinearly, anchored at the receptive-field centres, at the label resolution (paper,
section 2.2). The comparison is strict: T_k is defined by P(a > T_k) <= 0.005, and a constant
unit, or one with T_k = 0, must not fire everywhere. From the paper's >= it differs only where
S_k equals T_k exactly.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np

from dissection.activations.float_keys import (
    _largest_of_maps,
    infinity_key,
    key_bits,
    key_values,
    not_finite,
)
from dissection.activations.geometry import Geometry
from dissection.activations.shards import check_shards, chunks, count_chunks
from dissection.errors import InputError
from dissection.jobs.logs import progress
from dissection.labels.segments import Segments
from dissection.labels.store import LabelStore
from dissection.scoring.overlaps import (
    Grids,
    count_labels,
    count_overlaps,
    make_grids,
    maps_as_float64,
)
from dissection.scoring.tally import Tally, require_same

CHUNK_BYTES = 8 * 2**20  # of activations; at most four times as much if all are above threshold
# Rounding can lift an interpolated value above all of its neighbours, by less than this share of
# the largest magnitude in the map (a few times 2**-53).
ROUNDING = 2.0**-46


def tally_overlaps(
    activations: np.ndarray,
    thresholds: np.ndarray,
    store: LabelStore,
    geometry: Geometry,
    first_image: int,
    blocks: int = 1,
    label_images: np.ndarray | None = None,
    threads: int = 1,
    tally: Tally | None = None,
) -> Tally:
    """Count the pixels of binary maps, of labels, and of both (paper, section 2.3).

    Parameters
    ----------
    activations : float16 or float32 (images, units, height, width)
        Of images ``first_image``, ``first_image + 1``, ... of the data set; there may be none.
        Memory-mapped ones are read piece by piece.
    thresholds : float32 (units,)
        T_k.
    store : LabelStore
    geometry : Geometry
        Of the layer.
    first_image : int
    blocks : int
        Image i counts in block i % blocks.
    label_images : int (images of the data set,), optional
        Image i is scored with the labels of image ``label_images[i]``: a permutation gives the
        overlap expected by chance.
    threads : int
        Share the units. The result does not depend on it.
    tally : Tally, optional
        Of other images: the counts are added to it, in place, instead of to a new one.

    Returns
    -------
    Tally
        It takes blocks x units x (L + 7) x 8 bytes: 79 MB for 32 blocks of 256 units with
        Broden's labels, 632 MB for 2,048 units.

    Raises
    ------
    InputError
        If shapes do not agree, the store lacks images, or a value is not finite.
    """
    thresholds = np.asarray(thresholds, np.float32)
    _check(activations, thresholds, geometry, blocks, threads)
    images, units = activations.shape[:2]
    label_of = _label_images(label_images, first_image, images, len(store))
    if tally is None:
        tally = Tally.zeros(blocks, units, store.n_labels)
    require_same(tally.intersection.shape, (blocks, units, store.n_labels + 1))
    if images == 0:
        return tally
    block_of = np.arange(first_image, first_image + images) % blocks
    grids = make_grids(store.sizes[label_of], geometry)
    pieces = chunks([activations], CHUNK_BYTES)
    total = count_chunks([activations], CHUNK_BYTES)
    with ThreadPoolExecutor(threads) as pool:
        for start, chunk in progress(pieces, "pieces of the activations", total):
            labels, into = (of[start : start + len(chunk)] for of in (label_of, block_of))
            count_labels(store.segments, labels, into, tally.label_area)
            found = _maps_above(chunk, thresholds, first_image + start, pool, threads)
            piece = _Piece(chunk, thresholds, labels, into, grids.of_image[start:])
            count = partial(_count_maps, piece, grids, store.segments, tally)
            for _ in pool.map(count, found.shares(threads)):
                pass
            store.release()
    return tally


class _Piece(NamedTuple):
    """Some images' activations; the units' thresholds; each image's labels, block and grid."""

    activations: np.ndarray
    thresholds: np.ndarray
    labels: np.ndarray
    blocks: np.ndarray
    grids: np.ndarray


class _Maps(NamedTuple):
    """Maps that may exceed T_k: image and unit in a piece, and the bar that they pass.

    A bar lies so little below the threshold that an interpolated value exceeds the threshold
    only if one of its four neighbours exceeds the bar.
    """

    image: np.ndarray
    unit: np.ndarray
    bar: np.ndarray

    def shares(self, count: int) -> list[_Maps]:
        """Split them into about equal shares: no two have a unit in common."""
        if count == 1 or len(self.unit) == 0:
            return [self]
        ends = np.sort(self.unit)[np.arange(1, count) * len(self.unit) // count]
        share_of = np.searchsorted(ends, self.unit, side="right")
        return [_Maps(*(of[share_of == share] for of in self)) for share in range(count)]


def _count_maps(piece: _Piece, grids: Grids, segments: Segments, tally: Tally, maps: _Maps) -> None:
    """Add these maps' areas, and their overlaps with labels, to the tally."""
    count_overlaps(
        maps_as_float64(piece.activations, maps.image, maps.unit),
        piece.thresholds[maps.unit].astype(np.float64),
        maps.bar,
        maps.unit,
        piece.blocks[maps.image],
        piece.labels[maps.image],
        piece.grids[maps.image],
        grids,
        segments,
        tally.intersection,
        tally.unit_area,
    )


def _check(
    activations: np.ndarray,
    thresholds: np.ndarray,
    geometry: Geometry,
    blocks: int,
    threads: int,
) -> None:
    if len(activations):
        check_shards([activations])
    _, units, height, width = activations.shape
    if thresholds.shape != (units,):
        raise InputError(
            f"There are {units} units, but thresholds of shape {thresholds.shape}. Compute the "
            "layer's thresholds again."
        )
    for unit in np.flatnonzero(~np.isfinite(thresholds)):
        raise InputError(
            f"The threshold of unit {unit + 1} is {thresholds[unit]}. Compute the layer's "
            "thresholds again."
        )
    if (geometry.height, geometry.width) != (height, width):
        raise InputError(
            f"The activation maps have {height} x {width} positions, but the layer's geometry "
            f"says {geometry.height} x {geometry.width}. Compute the layer's activations again."
        )
    for number, what in ((blocks, "blocks"), (threads, "threads")):
        if number < 1:
            raise InputError(f"{number} {what}: give at least 1.")


def _label_images(
    label_images: np.ndarray | None, first_image: int, images: int, labelled: int
) -> np.ndarray:
    """Return whose labels each image gets: int64 (images,)."""
    end = first_image + images
    known = labelled if label_images is None else len(label_images)
    if first_image < 0 or end > known:
        raise InputError(
            f"The activations are of images {first_image} to {end - 1} (counted from 0), but there "
            f"are labels for {known} images. Use labels and activations of one data set."
        )
    if label_images is None:
        return np.arange(first_image, end)
    chosen = np.asarray(label_images)[first_image:end]
    if chosen.dtype.kind not in "iu" or not ((chosen >= 0) & (chosen < labelled)).all():
        raise InputError(f"label_images must be whole numbers from 0 to {labelled - 1}.")
    return chosen.astype(np.int64)


def _maps_above(
    chunk: np.ndarray,
    thresholds: np.ndarray,
    first_image: int,
    pool: ThreadPoolExecutor,
    threads: int,
) -> _Maps:
    """Return the maps of a piece that may exceed T_k, by image."""
    found = pool.map(_largest_of_maps, np.array_split(key_bits(chunk), threads))
    keys, magnitudes = map(np.concatenate, zip(*found, strict=True))
    for image, unit in np.argwhere(magnitudes >= infinity_key(chunk.dtype)):
        raise not_finite(unit, first_image + image)
    largest = key_values(magnitudes, chunk.dtype).astype(np.float64)
    bars = thresholds.astype(np.float64) - ROUNDING * largest
    image, unit = np.nonzero(key_values(keys, chunk.dtype) > bars)
    return _Maps(image, unit, bars[image, unit])
