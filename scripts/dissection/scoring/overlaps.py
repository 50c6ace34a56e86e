"""The compiled loops that count the pixels of binary maps and labels; see `tally`."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from dissection.activations.geometry import Geometry, interpolants, map_coordinates
from dissection.labels.segments import (
    FIRST_LABEL,
    FIRST_PIXEL,
    FIRST_SEGMENT,
    FIRST_WHOLE,
    Segments,
)


class Grids(NamedTuple):
    """Where label pixels lie between map positions, for each size of labels that occurs.

    of_image : int64 (images,)
        Which of the sizes each image's labels have.
    first_rows : int64 (sizes, map height + 1)
        Label rows first_rows[g, r] up to first_rows[g, r + 1] lie between map rows r and r + 1;
        those of the last map row lie on it.
    row_weights : float64 (sizes, greatest label height)
        Weight of map row r + 1.
    first_columns : uint64 (sizes, map width + 1)
        The same for columns; unsigned, because an index that cannot be negative is faster.
    column_weights : float64 (sizes, greatest label width)
    """

    of_image: np.ndarray
    first_rows: np.ndarray
    row_weights: np.ndarray
    first_columns: np.ndarray
    column_weights: np.ndarray


def make_grids(sizes: np.ndarray, geometry: Geometry) -> Grids:
    """Return the grids of images with label maps of these sizes, int32 (images, 2)."""
    distinct, of_image = np.unique(sizes, axis=0, return_inverse=True)
    coordinates = [map_coordinates(geometry, int(sh), int(sw)) for sh, sw in distinct]
    first_rows, row_weights = _bands([y for y, _ in coordinates], geometry.height)
    first_columns, column_weights = _bands([x for _, x in coordinates], geometry.width)
    return Grids(
        of_image.reshape(-1),
        first_rows,
        row_weights,
        first_columns.astype(np.uint64),
        column_weights,
    )


def _bands(coordinates: list[np.ndarray], positions: int) -> tuple[np.ndarray, np.ndarray]:
    firsts, weights = [], np.zeros((len(coordinates), max(map(len, coordinates))))
    for size, pixels in enumerate(coordinates):
        lower, _, weight = interpolants(pixels, positions)
        firsts.append(np.searchsorted(lower, np.arange(positions + 1)))  # lower is ascending
        weights[size, : len(weight)] = weight
    return np.stack(firsts), weights


def maps_as_float64(chunk: np.ndarray, images: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Return some maps of float16 or float32 (images, units, height, width) as float64."""
    if chunk.dtype == np.float32:
        return np.asarray(chunk)[images, units].astype(np.float64)
    # NumPy's own conversion takes several times as long.
    maps = np.empty((len(images), *chunk.shape[2:]))
    bits = np.asarray(chunk).view(np.int16)[images, units]
    _widen(bits.reshape(-1), maps.reshape(-1).view(np.int64))
    return maps


@numba.njit(cache=True, nogil=True)
def _widen(bits: np.ndarray, wide_bits: np.ndarray) -> None:
    """Turn the bits (n,) of finite float16 numbers into those of float64 numbers.

    With its exponent and fraction in the place where a float64 has them, a float16 is 2**1008
    times too small, also if it is subnormal.
    """
    for i in range(len(bits)):
        number = np.int64(bits[i])
        wide_bits[i] = ((number & 0x7FFF) << 42) | ((number >> 15) << 63)
    numbers = wide_bits.view(np.float64)
    for i in range(len(numbers)):
        numbers[i] *= 2.0**1008


@numba.njit(cache=True, nogil=True)
def count_labels(
    segments: Segments, label_images: np.ndarray, blocks: np.ndarray, label_area: np.ndarray
) -> None:
    """Add the labels' areas in some images to ``label_area``, int64 (blocks, L + 1).

    ``label_images`` and ``blocks`` are int64 (images,): whose labels, and into which block.
    """
    for i in range(len(label_images)):
        image = label_images[i]
        counts = label_area[blocks[i]]
        place = segments.starts[image, FIRST_LABEL]
        for segment in range(
            segments.starts[image, FIRST_SEGMENT], segments.starts[image + 1, FIRST_SEGMENT]
        ):
            for _ in range(segments.lengths[segment]):
                counts[segments.labels[place]] += segments.areas[segment]
                place += 1
        pixels = segments.starts[image + 1, FIRST_PIXEL] - segments.starts[image, FIRST_PIXEL]
        for place in range(
            segments.starts[image, FIRST_WHOLE], segments.starts[image + 1, FIRST_WHOLE]
        ):
            counts[segments.whole[place]] += pixels


@numba.njit(cache=True, nogil=True)
def count_overlaps(
    maps: np.ndarray,
    thresholds: np.ndarray,
    bars: np.ndarray,
    units: np.ndarray,
    blocks: np.ndarray,
    label_images: np.ndarray,
    sizes: np.ndarray,
    grids: Grids,
    segments: Segments,
    intersection: np.ndarray,
    unit_area: np.ndarray,
) -> None:
    """Add the areas of binary maps, and their overlaps with labels.

    Parameters
    ----------
    maps : float64 (maps, height, width)
        A_k, each of one unit in one image.
    thresholds, bars : float64 (maps,)
        T_k, and the number that one of its four neighbours exceeds if a pixel exceeds T_k.
    units, blocks, label_images, sizes : int64 (maps,)
        The map's unit and block, whose labels it meets, and which of the grids.
    grids : Grids
    segments : Segments
    intersection : int64 (blocks, units, L + 1)
    unit_area : int64 (blocks, units, 6)
    """
    _, height, width = maps.shape
    histogram = np.zeros(2**16, np.int64)  # pixels of a binary map by segment
    for m in range(len(maps)):
        a, threshold, bar = maps[m], thresholds[m], bars[m]
        image, size = label_images[m], sizes[m]
        row_length = segments.sizes[image, 1]
        pixels = segments.pixels[
            segments.starts[image, FIRST_PIXEL] : segments.starts[image + 1, FIRST_PIXEL]
        ]
        first_rows, row_weights = grids.first_rows[size], grids.row_weights[size]
        first_columns, column_weights = grids.first_columns[size], grids.column_weights[size]
        area = 0
        row_passes = _any_above(a[0], bar)
        for r in range(height):
            below = min(r + 1, height - 1)
            upper_passes, row_passes = row_passes, _any_above(a[below], bar)
            if not (upper_passes or row_passes):
                continue
            for c in range(width):
                right = min(c + 1, width - 1)
                highest = max(max(a[r, c], a[r, right]), max(a[below, c], a[below, right]))
                if highest <= bar:
                    continue
                for y in range(first_rows[r], first_rows[r + 1]):
                    # The arithmetic of geometry.upsample: rows first, then columns.
                    w = row_weights[y]
                    v = a[r, c] + w * (a[below, c] - a[r, c])
                    step = (a[r, right] + w * (a[below, right] - a[r, right])) - v
                    if max(v, v + step) <= threshold:
                        continue
                    line = pixels[y * row_length : (y + 1) * row_length]
                    for x in range(first_columns[c], first_columns[c + 1]):
                        if v + column_weights[x] * step > threshold:
                            histogram[line[x]] += 1
                            area += 1
        if area == 0:
            continue
        counts = intersection[blocks[m], units[m]]
        place = segments.starts[image, FIRST_LABEL]
        first_segment = segments.starts[image, FIRST_SEGMENT]
        for segment in range(segments.starts[image + 1, FIRST_SEGMENT] - first_segment):
            length = segments.lengths[first_segment + segment]
            if histogram[segment] > 0:
                for j in range(length):
                    counts[segments.labels[place + j]] += histogram[segment]
                histogram[segment] = 0
            place += length
        for place in range(
            segments.starts[image, FIRST_WHOLE], segments.starts[image + 1, FIRST_WHOLE]
        ):
            counts[segments.whole[place]] += area
        for category in range(unit_area.shape[2]):
            if segments.present[image, category]:
                unit_area[blocks[m], units[m], category] += area


@numba.njit(cache=True, nogil=True)
def _any_above(values: np.ndarray, bar: float) -> bool:
    above = False
    for value in values:
        above |= value > bar
    return above
