"""Look at every mask before anything is written, so that one message names all problems."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from dissection.datasets.masks.files import listed
from dissection.datasets.masks.layers import Layer, Task
from dissection.datasets.masks.mask_files import MAX_VALUE
from dissection.datasets.masks.orientation import Orientations
from dissection.datasets.masks.photographs import Photograph, read_photograph
from dissection.datasets.masks.table import Codes
from dissection.errors import InputError
from dissection.jobs.logs import log, progress
from dissection.jobs.processes import map_in_processes

MOST_LINES = 20  # of a message
# So many values that the table lacks, on so few of a mask's pixels, come of a loss.
LOSSY_VALUES, LOSSY_SHARE = 10, 0.5


@dataclass
class _Unknown:
    """A value that the table does not list: where it occurs."""

    masks: list[str] = field(default_factory=list)
    pixels: int = 0


@dataclass(frozen=True, slots=True)
class _Seen:
    """A mask as it is read: its size, its distinct values, and how often each occurs."""

    size: tuple[int, ...]
    values: np.ndarray
    counts: np.ndarray


def check_masks(
    tasks: Sequence[Task],
    layers: Sequence[Layer],
    names: Mapping[str, Sequence[str]],
    table: str,
    processes: int = 1,
) -> set[Path]:
    """Check sizes and values of all masks.

    Parameters
    ----------
    tasks : sequence of Task
    layers : sequence of Layer
    names : mapping of category to names
        What the codes mean.
    table : str
        What says so, for messages.
    processes : int

    Returns
    -------
    set of Path
        The places of masks that lie as their photographs are stored, and not as viewers show them.

    Raises
    ------
    InputError
    """
    misfits: list[str] = []
    unknown: dict[tuple[int, int], _Unknown] = defaultdict(_Unknown)  # by layer and value
    lossy: list[str] = []
    orientations = Orientations([layer.source for layer in layers])
    occurs = [np.zeros(MAX_VALUE + 1, bool) for _ in layers]
    looks = map_in_processes(partial(_look, [layer.codes for layer in layers]), tasks, processes)
    looked = zip(tasks, looks, strict=True)
    for task, (photo, masks) in progress(looked, "masks checked", len(tasks)):
        first = None
        for k, (layer, mask) in enumerate(zip(layers, masks, strict=True)):
            if mask is None:
                continue
            path, size = layer.place(task.name), mask.size
            shown = orientations.add(k, path, size, photo)
            first = first or shown
            if not shown:
                expected = _pixels(photo.shown)
                misfits.append(f"{path} has {_pixels(size)}, its image {expected}")
            elif shown != first:
                misfits.append(
                    f"{path} has {_pixels(size)}, another mask of the image {_pixels(first)}"
                )
            counts = np.zeros(MAX_VALUE + 1, np.int64)
            np.add.at(counts, layer.codes.new_numbers(mask.values), mask.counts)
            occurs[k] |= counts > 0
            unlisted = np.flatnonzero((counts > 0) & ~layer.codes.known)
            if (
                len(unlisted) >= LOSSY_VALUES
                and counts[unlisted].sum() < LOSSY_SHARE * counts.sum()
            ):
                lossy.append(f"{path}: {len(unlisted)} values")
            for value in unlisted.tolist():
                unknown[k, value].masks.append(path.name)
                unknown[k, value].pixels += int(counts[value])
    if misfits:
        raise InputError(
            "A mask must have its image's size (height x width), or the same scaled, and all "
            f"masks of an image one size:{_lines(misfits)}\nScale or replace those masks."
        )
    if lossy:
        raise InputError(
            f"Masks have many values that {table} does not list, on few of their pixels:"
            f"{_lines(lossy)}\nThis looks like JPEG, or like masks that were scaled smoothly: such "
            "values arise between those that were drawn. Export the masks without loss, as PNG, "
            "and scale them by nearest neighbour."
        )
    if unknown:
        lines = [
            f"{layers[k].source}: {layers[k].codes.shown(value)}, {found.pixels:,} pixels, masks: "
            f"{listed(found.masks)}"
            for (k, value), found in sorted(unknown.items())
        ]
        raise InputError(
            f"Masks have values that {table} does not list:{_lines(lines)}\n"
            "Add a row for each. A row without name and category says that a value is no label."
        )
    _check_use(layers, names, occurs, table)
    return orientations.stored()


def _look(codes: Sequence[Codes], task: Task) -> tuple[Photograph, list[_Seen | None]]:
    photo = read_photograph(task.file)
    return photo, [_seen(reader, each) for reader, each in zip(task.readers, codes, strict=True)]


def _seen(reader: Callable[[], np.ndarray] | None, codes: Codes) -> _Seen | None:
    if reader is None:
        return None
    values = reader()
    return _Seen(values.shape[1:], *codes.counted(values))


def _check_use(
    layers: Sequence[Layer],
    names: Mapping[str, Sequence[str]],
    occurs: Sequence[np.ndarray],
    table: str,
) -> None:
    """Log labels that no mask has; raise an InputError if there are no others."""
    found = {
        (category, code)
        for seen, layer in zip(occurs, layers, strict=True)
        for category, of_value in layer.codes.of_category.items()
        for code in np.unique(of_value[seen]).tolist()
    }
    absent = [
        name
        for category, places in names.items()
        for code, name in enumerate(places, start=1)
        if (category, code) not in found
    ]
    if names and len(absent) == sum(map(len, names.values())):
        raise InputError(f"No mask has any of the values to which {table} gives a name.")
    if absent:
        log.warning("%s: labels that no mask has: %s", table, listed(absent))


def _lines(problems: Sequence[str]) -> str:
    more = [f"... and {len(problems) - MOST_LINES} more"] if len(problems) > MOST_LINES else []
    return "".join(f"\n  {line}" for line in [*problems[:MOST_LINES], *more])


def _pixels(size: tuple[int, ...]) -> str:
    return f"{size[0]} x {size[1]} pixels"
