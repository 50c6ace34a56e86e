"""Labels of an image as segments, ready for compiled loops.

Many labels can lie on one pixel: an object, its part, a material, a colour. A *segment* is one
distinct set of labels that some pixel of an image has. An image is then one map of segment
numbers and a short table of what each segment stands for, and a pixel is counted once, whatever
the number of its labels.
"""

from typing import NamedTuple

import numba
import numpy as np

from dissection.broden import CATEGORIES, Broden
from dissection.errors import InputError

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
    # First the distinct tuples of labels, which are few, then the sets among those.
    tuple_of_pixel, first_pixel = number_columns(planes)
    sets = _as_sets(planes[:, first_pixel], whole_labels)
    segment_of_tuple, first_tuple = number_columns(sets)
    sets = sets[:, first_tuple].T
    if len(sets) > MAX_SEGMENTS:
        raise InputError(
            f"Image {broden.image_names[i]} has {len(sets)} different sets of labels on its "
            f"pixels; at most {MAX_SEGMENTS} can be packed. Give it smaller label maps."
        )
    pixels = segment_of_tuple.astype(np.uint16)[tuple_of_pixel]
    labels = sets[sets > 0]
    categories = broden.primary[np.concatenate([labels, whole_labels])]
    return Segments(
        sizes=broden.sizes[i : i + 1],
        starts=np.array([[n_pixels, len(sets), len(labels), len(whole_labels)]], np.int64),
        present=(np.bincount(categories, minlength=len(CATEGORIES)) > 0)[None],
        pixels=pixels,
        areas=np.bincount(pixels, minlength=len(sets)).astype(np.int32),
        lengths=(sets > 0).sum(axis=1).astype(np.uint16),
        labels=labels,
        whole=whole_labels,
    )


def _as_sets(tuples: np.ndarray, whole_labels: np.ndarray) -> np.ndarray:
    """Sort each column of labels, with 0 for duplicates and for labels of the whole image."""
    sets = np.sort(tuples, axis=0)
    for label in whole_labels:  # one that is drawn as well must count once
        sets[sets == label] = 0
    sets[1:][sets[1:] == sets[:-1]] = 0
    sets.sort(axis=0)
    return sets


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
    keys = np.zeros(columns.shape[1], np.uint64)
    free = 64  # bits of the keys
    for row in columns:
        if free < 16:  # the numbers of the columns so far stand for these, and are shorter
            keys = _number(keys)[0].astype(np.uint64)
            free = 32
        keys = keys << np.uint64(16) | row
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
    numbers = np.empty(n, np.int32)
    firsts = np.empty(n, np.int32)
    count = 0
    for i in range(n):
        key = keys[i]
        if i > 0 and key == keys[i - 1]:  # most pixels have their neighbour's labels
            numbers[i] = numbers[i - 1]
            continue
        slot = np.int64(key * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(32)) & (slots - 1)
        while table[slot] >= 0 and keys[firsts[table[slot]]] != key:
            slot = (slot + 1) & (slots - 1)
        if table[slot] < 0:
            table[slot] = count
            firsts[count] = i
            count += 1
        numbers[i] = table[slot]
    return numbers, firsts[:count].copy()
