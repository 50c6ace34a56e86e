"""The forms in which labelled images come, by their names in the configuration."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dissection.datasets.masks.coco import read_coco
from dissection.datasets.masks.convert import import_labelled
from dissection.datasets.masks.folders import read_masks
from dissection.datasets.masks.labelme import read_labelme
from dissection.datasets.masks.layers import Labelled
from dissection.datasets.masks.scenes import FOLDERS, read_scenes, scenes_by_folder
from dissection.datasets.masks.voc import read_voc

FORMS: dict[str, Callable[..., Labelled]] = {
    "masks": read_masks,
    "coco": read_coco,
    "voc": read_voc,
    "labelme": read_labelme,
}


def import_form(
    form: str, options: Mapping[str, Any], folder: str | Path, processes: int = 1
) -> list[str]:
    """Write a data set in Broden format from labelled images.

    Parameters
    ----------
    form : str
        A key of `FORMS`.
    options : mapping
        What the form's reader takes, and ``longest_side`` and ``scenes``: "folders" or a table.
    folder : path
        Appears when the data set is complete.
    processes : int
        See `dissection.datasets.masks.convert.import_labelled`.

    Returns
    -------
    list of str
        The names of images that were left out.

    Raises
    ------
    InputError
    """
    own = dict(options)
    longest_side, scenes = own.pop("longest_side", None), own.pop("scenes", None)
    labelled = FORMS[form](**own)
    of_images = {}
    if scenes == FOLDERS:
        of_images = scenes_by_folder(labelled.images)
    elif scenes is not None:
        of_images = read_scenes(scenes, labelled.images)
    return import_labelled(labelled, folder, longest_side, of_images, processes)
