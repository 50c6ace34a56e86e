"""Turn labelled images into a data set in Broden format."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from dissection.datasets.broden_writer import BrodenImage, write_broden
from dissection.datasets.color_names import COLOR_NAMES, color_labels
from dissection.datasets.masks.checks import check_masks
from dissection.datasets.masks.files import check_names, listed
from dissection.datasets.masks.layers import Labelled, Layer, Task
from dissection.datasets.masks.orientation import turned
from dissection.datasets.masks.photographs import load_upright, read_photograph
from dissection.datasets.masks.table import Codes
from dissection.datasets.resizing import nearest
from dissection.jobs.files import whole_folder
from dissection.jobs.logs import log, progress
from dissection.jobs.processes import useful_processes


def import_labelled(
    labelled: Labelled,
    folder: str | Path,
    longest_side: int | None = None,
    scenes: Mapping[str, str] | None = None,
    processes: int = 1,
) -> list[str]:
    """Write a data set in Broden format.

    Images without any label are left out and logged. The colour of every pixel is a label too,
    unless there are labels of the category color.

    Parameters
    ----------
    labelled : Labelled
    folder : path
        Appears when the data set is complete.
    longest_side : int, optional
        Images and masks with a longer side than this many pixels are scaled down to it.
    scenes : mapping of str, optional
        Scenes of whole images, by the images' names.
    processes : int
        At most; few images take fewer. Changes no byte of the result.

    Returns
    -------
    list of str
        The names of images that were left out.

    Raises
    ------
    InputError
        If a file cannot be used, sizes do not fit, or a mask has a value whose meaning is not
        known: all such values are named.
    """
    images, layers, names, table = labelled
    scenes = _scene_names(scenes or {}, names)
    kept = {
        name: file
        for name, file in sorted(images.items())
        if name in scenes or any(name in layer for layer in layers)
    }
    if left_out := sorted(images.keys() - kept.keys()):
        log.warning("left out, images without a mask: %s", listed(left_out))
    check_names(set(kept))
    processes = useful_processes(processes, len(kept))
    tasks = [
        Task(
            name,
            file,
            tuple(layer.reader(name) if name in layer else None for layer in layers),
            scene=scenes.get(name),
        )
        for name, file in kept.items()
    ]
    stored = check_masks(tasks, layers, names, table, processes)
    tasks = [replace(task, stored=_stored(task.name, layers, stored)) for task in tasks]
    all_names = dict(names)
    if "color" not in all_names:
        all_names["color"] = [f"{name}-c" for name in COLOR_NAMES]
    make = partial(
        _convert,
        codes=[layer.codes for layer in layers],
        longest_side=longest_side,
        scenes=all_names.get("scene", ()),
    )
    with whole_folder(folder) as partial_folder:
        write_broden(partial_folder, progress(tasks, "images"), all_names, make, processes)
    return left_out


def _stored(name: str, layers: Sequence[Layer], stored: set[Path]) -> tuple[bool, ...]:
    return tuple(name in layer and layer.place(name) in stored for layer in layers)


def _scene_names(scenes: Mapping[str, str], names: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Names of scenes, with the released Broden's ending where something else is called so."""
    others = {name for category, own in names.items() if category != "scene" for name in own}
    return {name: f"{s}-s" if s in others else s for name, s in scenes.items()}


def _convert(
    task: Task, codes: Sequence[Codes], longest_side: int | None, scenes: Sequence[str]
) -> BrodenImage:
    image = load_upright(task.file)
    height, width = _fitted((image.height, image.width), longest_side)
    if (height, width) != (image.height, image.width):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    size: tuple[int, ...] = (height, width)
    channels: dict[str, list[np.ndarray]] = defaultdict(list)
    for reader, stored, own in zip(task.readers, task.stored, codes, strict=True):
        for values in reader() if reader else ():
            if stored:
                values = turned(values, read_photograph(task.file).orientation)
            values = nearest(values, _fitted(values.shape, longest_side))
            size = values.shape
            mask = own.numbers(values)
            for category, code in own.of_category.items():
                channels[category].append(code[mask])
    if all("color" not in own.of_category for own in codes):
        channels["color"].append(nearest(color_labels(pixels), size))
    whole: dict[str, list[str]] = {"scene": [task.scene]} if task.scene else {}
    _take_whole(channels, whole, scenes)
    maps = {category: np.stack(found) for category, found in channels.items() if found}
    return BrodenImage(f"{task.name}.png", pixels, maps, whole)


def _take_whole(
    channels: dict[str, list[np.ndarray]],
    whole: dict[str, list[str]],
    scenes: Sequence[str],
) -> None:
    """Make scenes that cover all of an image labels of the whole image, as Broden's are."""
    left = []
    for mask in channels.pop("scene", []):
        if not mask.flat[0] or (mask != mask.flat[0]).any():
            left.append(mask)
        elif (name := scenes[mask.flat[0] - 1]) not in whole.setdefault("scene", []):
            whole["scene"].append(name)
    channels["scene"] = left


def _fitted(size: tuple[int, ...], longest_side: int | None) -> tuple[int, int]:
    scale = min(1.0, (longest_side or np.inf) / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
