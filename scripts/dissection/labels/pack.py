"""Pack the label maps of a data set: every map is read once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numba
import numpy as np

from dissection.categories import CATEGORIES
from dissection.datasets.broden import Broden
from dissection.errors import InputError
from dissection.jobs.arrays import GrowingArray
from dissection.jobs.files import whole_folder
from dissection.jobs.logs import progress
from dissection.jobs.processes import map_in_processes
from dissection.labels.segments import Segments
from dissection.labels.store import DTYPES, FORMAT

MAX_SEGMENTS = 2**16 - 1  # in an image
IMAGES_A_TASK = 64
IMAGES_A_PROCESS = 4000  # for fewer, starting one more process takes longer than it saves


def pack_labels(broden: Broden, folder: str | Path, processes: int = 1) -> None:
    """Read every label map once and write a label store; see `LabelStore`.

    The files are the same, byte by byte, whatever the number of processes. Large data sets are
    read by several new interpreters, so a script that calls this needs the usual
    ``if __name__ == "__main__"``.

    Parameters
    ----------
    broden : Broden
    folder : path
        Replaced as a whole, and only if all images could be read.
    processes : int
        At most.

    Raises
    ------
    InputError
        If a label map cannot be used, or if an image has more than 65,535 segments.
    """
    rows = {"sizes": (2,), "starts": (4,), "present": (len(CATEGORIES),)}
    with whole_folder(folder) as unfinished, ExitStack() as stack:
        files = {
            name: stack.enter_context(
                GrowingArray(unfinished / f"{name}.npy", dtype, rows.get(name, ()))
            )
            for name, dtype in DTYPES.items()
        }
        start = np.zeros((1, 4), np.int64)
        files["starts"].append(start)
        total = -(-len(broden) // IMAGES_A_TASK)
        for packed in progress(_packed(broden, processes), "pieces of the labels", total):
            starts = start + np.cumsum(packed.starts, axis=0)
            for name, array in packed._replace(starts=starts)._asdict().items():
                files[name].append(array)
            start = starts[-1:]
        description = {
            "format": FORMAT,
            "categories": list(CATEGORIES),
            "shapes": {name: file.shape for name, file in files.items()},
            "names": broden.names,
            "primary": broden.primary.tolist(),
        }
        text = json.dumps(description, ensure_ascii=False)
        (unfinished / "store.json").write_text(text + "\n", encoding="utf-8")


def _packed(broden: Broden, processes: int) -> Iterator[Segments]:
    """Yield packed images, some at a time."""
    tasks = [
        range(start, min(start + IMAGES_A_TASK, len(broden)))
        for start in range(0, len(broden), IMAGES_A_TASK)
    ]
    processes = max(1, min(processes, len(broden) // IMAGES_A_PROCESS))
    return map_in_processes(partial(_pack_images, broden), tasks, processes)


def _pack_images(broden: Broden, images: range) -> Segments:
    # A few long arrays go from process to process faster than many short ones.
    return Segments(
        *map(np.concatenate, zip(*(pack_image(broden, i) for i in images), strict=True))
    )


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
    present = np.zeros((1, broden.category_count), bool)
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
    # With pandas.factorize and NumPy in place of this and the loops above, packing an image takes
    # 1.3 to 1.5 times as long: together with a library's decoder too much (benchmarks/README.md).
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
