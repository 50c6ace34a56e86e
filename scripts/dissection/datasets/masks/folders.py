"""Folders of masks.

A mask has one number, or one colour, a pixel, and a name made of its image's; a table says what
they mean.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from dissection.datasets.masks.files import SAME_NAME, match_masks
from dissection.datasets.masks.layers import Labelled
from dissection.datasets.masks.mask_files import read_mask
from dissection.datasets.masks.palette import packed
from dissection.datasets.masks.table import Codes, read_codes


@dataclass(frozen=True)
class MaskFolder:
    """A folder of masks.

    Attributes
    ----------
    source : Path
    files : mapping of Path
        By the image's name.
    codes : Codes
    variable : str or None
        Of MATLAB files: the array that is the mask.
    """

    source: Path
    files: Mapping[str, Path]
    codes: Codes
    variable: str | None = None

    def __contains__(self, name: str) -> bool:
        """Return whether an image has a mask here."""
        return name in self.files

    def place(self, name: str) -> Path:
        """Return an image's mask."""
        return self.files[name]

    def reader(self, name: str) -> Callable[[], np.ndarray]:
        """Return what reads an image's values, (1, height, width)."""
        return partial(_values, self.files[name], self.codes.palette is not None, self.variable)


def _values(file: Path, colours: bool, variable: str | None) -> np.ndarray:
    pixels = read_mask(file, colours, variable)
    return (packed(pixels) if colours else pixels)[None]


def read_masks(
    images: str | Path,
    masks: Sequence[str | Path],
    labels: str | Path,
    void: Sequence[int] = (),
    mask_name: str = SAME_NAME,
    image_name: str = SAME_NAME,
    variable: str | None = None,
) -> Labelled:
    """Find images and their masks.

    Masks without an image are logged.

    Parameters
    ----------
    images : path
        Folder of images, in folders of its own or not.
    masks : sequence of paths
        Folders of masks, as `dissection.datasets.masks.mask_files` reads them. A mask's size is
        the image's, or the same scaled. A folder need not have a mask for each image. Several
        folders are several labels for the same pixels.
    labels : path
        CSV with the columns value or color, name, category, and, if the folders differ in what
        the values mean, folder: the last name of a folder of masks, or nothing for all of them. A
        value without a name is no label. 0, and black, is no label unless the table gives it a
        name.
    void : sequence of int
        Values that are no labels.
    mask_name, image_name : str
        How masks and images are called; see `dissection.datasets.masks.files.find_masks`.
    variable : str, optional
        Of MATLAB files: the array that is the mask.

    Raises
    ------
    InputError
        If the table is wrong or no image has a mask.
    """
    images, labels = Path(images), Path(labels)
    folders = [Path(folder) for folder in masks]
    names, codes = read_codes(labels, folders, void)
    found, files = match_masks(images, folders, mask_name, image_name)
    layers = [MaskFolder(*layer, variable) for layer in zip(folders, files, codes, strict=True)]
    return Labelled(found, layers, names, str(labels))
