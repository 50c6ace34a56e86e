"""Turn a plain segmentation data set into one in Broden format.

The data set has a folder of images, one or more folders of masks and a table. A mask is a PNG
with one number a pixel (grey, or with a palette), of the same name as its image; the table says
what the numbers mean.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from dissection.datasets.broden_writer import BrodenImage, write_broden
from dissection.datasets.color_names import COLOR_NAMES, color_labels
from dissection.datasets.masks.files import (
    MaskedImage,
    find_images,
    listed,
    load_mask,
    load_upright,
    read_photograph,
)
from dissection.datasets.masks.orientation import Orientations, turned
from dissection.datasets.masks.table import MAX_VALUE, Codes, read_codes
from dissection.errors import InputError
from dissection.jobs.files import whole_folder
from dissection.jobs.logs import log, progress

MOST_LINES = 20  # of a message


def import_masks(
    images: str | Path,
    masks: Sequence[str | Path],
    table: str | Path,
    folder: str | Path,
    longest_side: int | None = None,
) -> None:
    """Write a data set in Broden format from images and masks.

    Images without any mask, and masks without an image, are left out and logged. The colour of
    every pixel is a label too, unless the table has labels of the category color.

    Parameters
    ----------
    images : path
        Folder of images, in folders of its own or not.
    masks : sequence of paths
        Folders of masks. A mask has its image's path with the ending ``.png``; its size is the
        image's, or the same scaled. A folder need not have a mask for each image. Several
        folders are several labels for the same pixels.
    table : path
        CSV with the columns value, name, category, and, if the folders differ in what the values
        mean, folder: the last name of a folder of masks, or nothing for all of them. A value
        without a name is no label. 0 is no label unless the table gives it a name.
    folder : path
        Appears when the data set is complete.
    longest_side : int, optional
        Images and masks with a longer side than this many pixels are scaled down to it.

    Raises
    ------
    InputError
        If the table is wrong, no image has a mask, a file cannot be used, sizes do not fit, or
        a mask has a value that the table does not list: all such values are named.
    """
    images, table = Path(images), Path(table)
    folders = [Path(mask_folder) for mask_folder in masks]
    names, codes = read_codes(table, folders)
    items = find_images(images, folders)
    stored = _check_masks(items, folders, codes, names, table)
    if "color" not in names:
        names["color"] = [f"{name}-c" for name in COLOR_NAMES]

    def converted() -> Iterator[BrodenImage]:
        for item in progress(items, "images"):
            yield _convert(item, codes, longest_side, stored)

    with whole_folder(folder) as partial:
        write_broden(partial, converted(), names)


def _check_masks(
    items: Sequence[MaskedImage],
    folders: Sequence[Path],
    codes: Sequence[Codes],
    names: dict[str, list[str]],
    table: Path,
) -> set[Path]:
    """Look at every mask before anything is written, so that one message names all problems.

    Return the masks that lie as their photographs are stored, and not as viewers show them.
    """
    misfits: list[str] = []
    # By folder and value that is not in the table: masks, and the number of pixels.
    unknown: dict[tuple[int, int], list[str]] = defaultdict(list)
    pixels: dict[tuple[int, int], int] = defaultdict(int)
    orientations = Orientations(folders)
    occurs = [np.zeros(MAX_VALUE + 1, bool) for _ in folders]
    for item in progress(items, "masks checked"):
        photo, first = read_photograph(item.image), None
        for k, path in item.masks.items():
            mask = load_mask(path)
            shown = orientations.add(k, path, mask.shape, photo)
            first = first or shown
            if not shown:
                size = _pixels(photo.shown)
                misfits.append(f"{path} has {_pixels(mask.shape)}, its image {size}")
            elif shown != first:
                misfits.append(
                    f"{path} has {_pixels(mask.shape)}, another mask of the image {_pixels(first)}"
                )
            counts = np.bincount(mask.ravel(), minlength=MAX_VALUE + 1)
            occurs[k] |= counts > 0
            for value in np.flatnonzero((counts > 0) & ~codes[k].known).tolist():
                unknown[k, value].append(path.name)
                pixels[k, value] += int(counts[value])
    if misfits:
        raise InputError(
            "A mask must have its image's size (height x width), or the same scaled, and all "
            f"masks of an image one size:{_lines(misfits)}\nScale or replace those masks."
        )
    if unknown:
        lines = [
            f"{folders[k]}: value {value}, {pixels[k, value]:,} pixels, masks: {listed(files)}"
            for (k, value), files in sorted(unknown.items())
        ]
        raise InputError(
            f"Masks have values that {table} does not list:{_lines(lines)}\n"
            "Add a row for each. A row without name and category says that a value is no label."
        )
    found = {
        (category, code)
        for seen, each in zip(occurs, codes, strict=True)
        for category, of_value in each.of_category.items()
        for code in np.unique(of_value[seen]).tolist()
    }
    absent = [
        name
        for category, places in names.items()
        for code, name in enumerate(places, start=1)
        if (category, code) not in found
    ]
    if len(absent) == sum(map(len, names.values())):
        raise InputError(f"No mask has any of the values to which {table} gives a name.")
    if absent:
        log.warning("%s: labels that no mask has: %s", table, listed(absent))
    return orientations.stored()


def _lines(problems: Sequence[str]) -> str:
    more = [f"... and {len(problems) - MOST_LINES} more"] if len(problems) > MOST_LINES else []
    return "".join(f"\n  {line}" for line in [*problems[:MOST_LINES], *more])


def _pixels(size: tuple[int, ...]) -> str:
    return f"{size[0]} x {size[1]} pixels"


def _convert(
    item: MaskedImage, codes: Sequence[Codes], longest_side: int | None, stored: set[Path]
) -> BrodenImage:
    image = load_upright(item.image)
    height, width = _fitted((image.height, image.width), longest_side)
    if (height, width) != (image.height, image.width):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    channels: dict[str, list[np.ndarray]] = defaultdict(list)
    for k, path in item.masks.items():
        mask = load_mask(path)
        if path in stored:
            mask = turned(mask, read_photograph(item.image).orientation)
        mask = _nearest(mask, _fitted(mask.shape, longest_side))
        for category, code in codes[k].of_category.items():
            channels[category].append(code[mask])
    if all("color" not in each.of_category for each in codes):
        channels["color"].append(_nearest(color_labels(pixels), mask.shape))
    maps = {category: np.stack(found) for category, found in channels.items()}
    return BrodenImage(f"{item.name}.png", pixels, maps)


def _fitted(size: tuple[int, ...], longest_side: int | None) -> tuple[int, int]:
    scale = min(1.0, (longest_side or np.inf) / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _nearest(array: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Scale an array by taking the pixel at the middle of each new one."""
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new)
        for new, old in zip(size, array.shape, strict=True)
    )
    return array[rows[:, None], columns]
