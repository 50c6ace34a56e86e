"""PASCAL VOC's folders: JPEGImages, and masks with a palette in SegmentationClass."""

from pathlib import Path

import numpy as np

from dissection.datasets.masks.files import SAME_NAME, match_masks
from dissection.datasets.masks.folders import MaskFolder
from dissection.datasets.masks.layers import Labelled
from dissection.datasets.masks.mask_files import MAX_VALUE
from dissection.datasets.masks.table import Codes, read_codes
from dissection.errors import InputError

# The numbers of the development kit, from 1; 0 is the background, 255 the border of objects.
CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip
VOID = 255
IMAGES, MASKS = "JPEGImages", "SegmentationClass"


def read_voc(folder: str | Path, labels: str | Path | None = None) -> Labelled:
    """Read a folder such as VOCdevkit/VOC2012.

    Parameters
    ----------
    folder : path
    labels : path, optional
        What the masks' numbers mean, in the columns value, name and category. Without it they are
        PASCAL's twenty classes, all objects.

    Raises
    ------
    InputError
    """
    folder = Path(folder)
    images, masks = folder / IMAGES, folder / MASKS
    if not images.is_dir() or not masks.is_dir():
        raise InputError(
            f"{folder} has no folders {IMAGES} and {MASKS}. Give the folder of one year, such as "
            "VOCdevkit/VOC2012."
        )
    if labels:
        names, (codes,) = read_codes(Path(labels), [masks], [VOID])
    else:
        names, codes = {"object": list(CLASSES)}, Codes(np.zeros(MAX_VALUE + 1, bool))
        codes.known[[*range(len(CLASSES) + 1), VOID]] = True
        codes.of_category["object"] = np.zeros(MAX_VALUE + 1, np.uint16)
        codes.of_category["object"][1 : len(CLASSES) + 1] = np.arange(1, len(CLASSES) + 1)
    found, (files,) = match_masks(images, [masks], SAME_NAME, SAME_NAME)
    return Labelled(found, [MaskFolder(masks, files, codes)], names, str(labels or masks))
