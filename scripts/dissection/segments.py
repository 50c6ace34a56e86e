"""Labels of an image as segments, ready for compiled loops.

Many labels can lie on one pixel: an object, its part, a material, a colour. A *segment* is one
distinct set of labels that some pixel of an image has. An image is then one map of segment
numbers and a short table of what each segment stands for, and a pixel is counted once, whatever
the number of its labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from dissection.categories import CATEGORIES
from dissection.errors import InputError

if TYPE_CHECKING:  # to be loaded, it takes longer than some jobs that read packed labels
    from dissection.broden import Broden

MAX_SEGMENTS = 2**16 - 1  # in an image


class Segments(NamedTuple):
    """Labels of images, one after another in flat arrays.

    sizes : int32 (images, 2)
        Height and width of the label maps.
    starts : int64 (images + 1, 4)
        Where each image begins in: pixels; areas and lengths; labels; whole.
    present : bool (images, 6)
        Whether the image has a label whose primary category is the given one.
    pixels : uint16
        Segment of each pixel, row by row.
    areas : int32
        Pixels of each segment.
    lengths : uint16
        Number of labels of each segment.
    labels : uint16
        Labels of the first segment, of the second, ...; ascending within a segment.
    whole : uint16
        Labels of whole images, ascending within an image; they are in no segment.
    """

    sizes: np.ndarray
    starts: np.ndarray
    present: np.ndarray
    pixels: np.ndarray
    areas: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray
    whole: np.ndarray


def pack_image(broden: Broden, i: int) -> Segments:
    """Return the labels of image i, as `Segments` of one image.

    ``starts`` has one row: where the image ends if it begins at 0.

    Raises
    ------
    InputError
        If a label map cannot be used, or if the image has more than 65,535 segments.
    """
    maps, whole = broden.load_labels(i)
    whole_labels = np.array(sorted({n for numbers in whole.values() for n in numbers}), np.uint16)
    n_pixels = int(broden.sizes[i].prod())
    planes = np.concatenate(
        [np.zeros((0, n_pixels), np.uint16), *(m.reshape(-1, n_pixels) for m in maps.values())]
    )
    pixels, areas, lengths, labels = _segments(planes, whole_labels)
    if len(lengths) > MAX_SEGMENTS:
        raise InputError(
            f"Image {broden.image_names[i]} has {len(lengths)} different sets of labels on its "
            f"pixels; at most {MAX_SEGMENTS} can be packed. Give it smaller label maps."
        )
    present = np.zeros((1, len(CATEGORIES)), bool)
    present[0, broden.primary[labels]] = True
    present[0, broden.primary[whole_labels]] = True
    return Segments(
        sizes=broden.sizes[i : i + 1],
        starts=np.array([[n_pixels, len(lengths), len(labels), len(whole_labels)]], np.int64),
        present=present,
        pixels=pixels,
        areas=areas,
        lengths=lengths,
        labels=labels,
        whole=whole_labels,
    )


@numba.njit(cache=True, nogil=True)
def _segments(
    planes: np.ndarray, whole: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return pixels, areas, lengths and labels, as in `Segments`, of an image's label maps.

    ``planes`` is uint16 (maps, pixels), and ``whole`` has the labels of the whole image, which
    count once where they are drawn as well. With too many segments, pixels are not numbered.
    """
    rows, n_pixels = planes.shape
    # First the distinct tuples of labels, which are few, then the sets among those.
    tuple_of_pixel, first_pixel = number_columns(planes)
    sets = np.zeros((rows, len(first_pixel)), np.uint16)
    for t in range(len(first_pixel)):
        length = 0
        for row in range(rows):
            label = planes[row, first_pixel[t]]
            if label == 0 or _has(whole, label) or _has(sets[:length, t], label):
                continue
            place = length
            while place > 0 and sets[place - 1, t] > label:
                sets[place, t] = sets[place - 1, t]
                place -= 1
            sets[place, t] = label
            length += 1
    segment_of_tuple, first_tuple = number_columns(sets)
    count = len(first_tuple)
    pixels, areas = np.empty(n_pixels, np.uint16), np.zeros(count, np.int32)
    lengths, labels = np.zeros(count, np.uint16), np.empty(rows * count, np.uint16)
    place = 0
    for segment in range(count):
        for label in sets[:, first_tuple[segment]]:
            if label > 0:
                labels[place] = label
                place += 1
                lengths[segment] += 1
    if count <= MAX_SEGMENTS:
        for i in range(n_pixels):
            segment = segment_of_tuple[tuple_of_pixel[i]]
            pixels[i] = segment
            areas[segment] += 1
    return pixels, areas, lengths, labels[:place].copy()


@numba.njit(cache=True, nogil=True)
def _has(values: np.ndarray, value: int) -> bool:
    found = False
    for other in values:  # no array is made of the answers, as it is for any()
        found |= other == value
    return found


@numba.njit(cache=True, nogil=True)
def number_columns(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the distinct columns of an array in order of appearance.

    Parameters
    ----------
    columns : uint16 (rows, n)

    Returns
    -------
    numbers : int32 (n,)
        Number of each column, from 0.
    firsts : int32 (distinct,)
        Where each number appears first.

    Examples
    --------
    >>> numbers, firsts = number_columns(np.array([[7, 7, 5, 7], [1, 1, 1, 2]], np.uint16))
    >>> numbers.tolist(), firsts.tolist()
    ([0, 0, 1, 2], [0, 2, 3])
    """
    rows, n = columns.shape
    keys = np.zeros(n, np.uint64)
    free = 64  # bits of the keys
    for row in range(rows):
        if free < 16:  # the numbers of the columns so far stand for these, and are shorter
            numbers = _number(keys)[0]
            for i in range(n):
                keys[i] = numbers[i]
            free = 32
        for i in range(n):
            keys[i] = keys[i] << np.uint64(16) | np.uint64(columns[row, i])
        free -= 16
    return _number(keys)


@numba.njit(cache=True, nogil=True)
def _number(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the distinct keys, uint64 (n,), in order of appearance."""
    n = len(keys)
    slots = 2
    while slots < 2 * n:
        slots *= 2
    table = np.full(slots, -1, np.int32)  # numbers by hash, open addressing
    distinct = np.empty(n, np.uint64)
    numbers = np.empty(n, np.int32)
    firsts = np.empty(n, np.int32)
    count = 0
    for i in range(n):
        key = keys[i]
        slot = np.int64(key * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(32)) & (slots - 1)
        # No short cut for a key like the one before: where labels change often, guessing wrong
        # takes the processor longer than looking up.
        while table[slot] >= 0 and distinct[table[slot]] != key:
            slot = (slot + 1) & (slots - 1)
        if table[slot] < 0:
            table[slot] = count
            distinct[count] = key
            firsts[count] = i
            count += 1
        numbers[i] = table[slot]
    return numbers, firsts[:count].copy()
