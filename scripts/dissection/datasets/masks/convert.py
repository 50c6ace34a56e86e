"""Turn a plain segmentation data set into one in Broden format.

The data set has a folder of images, one or more folders of masks and a table. A mask has one
number, or one colour, a pixel and a name made of its image's; the table says what they mean.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from dissection.datasets.broden_writer import BrodenImage, write_broden
from dissection.datasets.color_names import COLOR_NAMES, color_labels
from dissection.datasets.masks.checks import check_masks
from dissection.datasets.masks.files import SAME_NAME, check_names, listed, match_masks
from dissection.datasets.masks.layers import Layer, MaskFolder
from dissection.datasets.masks.orientation import turned
from dissection.datasets.masks.photographs import load_upright, read_photograph
from dissection.datasets.masks.table import read_codes
from dissection.jobs.files import whole_folder
from dissection.jobs.logs import log, progress


def import_masks(
    images: str | Path,
    masks: Sequence[str | Path],
    table: str | Path,
    folder: str | Path,
    longest_side: int | None = None,
    *,
    void: Sequence[int] = (),
    mask_name: str = SAME_NAME,
    image_name: str = SAME_NAME,
    variable: str | None = None,
    scenes: Mapping[str, str] | None = None,
) -> None:
    """Write a data set in Broden format from images and masks.

    Images without any mask, and masks without an image, are left out and logged. The colour of
    every pixel is a label too, unless the table has labels of the category color.

    Parameters
    ----------
    images : path
        Folder of images, in folders of its own or not.
    masks : sequence of paths
        Folders of masks, as `dissection.datasets.masks.mask_files` reads them. A mask's size is
        the image's, or the same scaled. A folder need not have a mask for each image. Several
        folders are several labels for the same pixels.
    table : path
        CSV with the columns value or color, name, category, and, if the folders differ in what
        the values mean, folder: the last name of a folder of masks, or nothing for all of them. A
        value without a name is no label. 0, and black, is no label unless the table gives it a
        name.
    folder : path
        Appears when the data set is complete.
    longest_side : int, optional
        Images and masks with a longer side than this many pixels are scaled down to it.
    void : sequence of int
        Values that are no labels.
    mask_name, image_name : str
        How masks and images are called; see `dissection.datasets.masks.files.find_masks`.
    variable : str, optional
        Of MATLAB files: the array that is the mask.
    scenes : mapping of str, optional
        Scenes of whole images, by the images' names.

    Raises
    ------
    InputError
        If the table is wrong, no image has a mask, a file cannot be used, sizes do not fit, or
        a mask has a value that the table does not list: all such values are named.
    """
    images, table = Path(images), Path(table)
    folders = [Path(mask_folder) for mask_folder in masks]
    names, codes = read_codes(table, folders, void)
    found, files = match_masks(images, folders, mask_name, image_name)
    layers = [MaskFolder(*layer, variable) for layer in zip(folders, files, codes, strict=True)]
    import_labelled(found, layers, names, folder, str(table), longest_side, scenes)


def import_labelled(
    images: Mapping[str, Path],
    layers: Sequence[Layer],
    names: dict[str, list[str]],
    folder: str | Path,
    table: str,
    longest_side: int | None = None,
    scenes: Mapping[str, str] | None = None,
) -> None:
    """Write a data set in Broden format from images and layers of labels.

    Parameters
    ----------
    images : mapping of Path
        By their names. Those without any label are left out and logged.
    layers : sequence of Layer
    names : dict of category to names
        What the layers' codes mean.
    folder : path
        Appears when the data set is complete.
    table : str
        Where the names come from, for messages.
    longest_side, scenes
        As in `import_masks`.

    Raises
    ------
    InputError
    """
    scenes = scenes or {}
    kept = {
        name: file
        for name, file in sorted(images.items())
        if name in scenes or any(name in layer for layer in layers)
    }
    if left_out := sorted(images.keys() - kept.keys()):
        log.warning("left out, images without a mask: %s", listed(left_out))
    check_names(set(kept), Path(table))
    stored = check_masks(kept, layers, names, table)
    all_names = dict(names)
    if "color" not in all_names:
        all_names["color"] = [f"{name}-c" for name in COLOR_NAMES]

    def converted() -> Iterator[BrodenImage]:
        for name, file in progress(list(kept.items()), "images"):
            yield _convert(name, file, layers, longest_side, stored, all_names, scenes.get(name))

    with whole_folder(folder) as partial:
        write_broden(partial, converted(), all_names)


def _convert(
    name: str,
    file: Path,
    layers: Sequence[Layer],
    longest_side: int | None,
    stored: set[Path],
    names: Mapping[str, Sequence[str]],
    scene: str | None,
) -> BrodenImage:
    image = load_upright(file)
    height, width = _fitted((image.height, image.width), longest_side)
    if (height, width) != (image.height, image.width):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    size: tuple[int, ...] = (height, width)
    channels: dict[str, list[np.ndarray]] = defaultdict(list)
    for layer in layers:
        if name not in layer:
            continue
        for mask in layer.read(name):
            if layer.place(name) in stored:
                mask = turned(mask, read_photograph(file).orientation)
            mask = _nearest(mask, _fitted(mask.shape, longest_side))
            size = mask.shape
            for category, code in layer.codes.of_category.items():
                channels[category].append(code[mask])
    if all("color" not in layer.codes.of_category for layer in layers):
        channels["color"].append(_nearest(color_labels(pixels), size))
    whole: dict[str, list[str]] = {"scene": [scene]} if scene else {}
    _take_whole(channels, whole, names, "scene")
    maps = {category: np.stack(found) for category, found in channels.items() if found}
    return BrodenImage(f"{name}.png", pixels, maps, whole)


def _take_whole(
    channels: dict[str, list[np.ndarray]],
    whole: dict[str, list[str]],
    names: Mapping[str, Sequence[str]],
    category: str,
) -> None:
    """Make masks that have one label all over labels of the whole image, as Broden's scenes are."""
    found = channels.get(category, [])
    for mask in found:
        if mask.flat[0] and (mask == mask.flat[0]).all():
            name = names[category][mask.flat[0] - 1]
            if name not in whole.setdefault(category, []):
                whole[category].append(name)
    channels[category] = [m for m in found if not m.flat[0] or (m != m.flat[0]).any()]


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
