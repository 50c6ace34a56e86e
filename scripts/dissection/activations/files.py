"""Open the activation maps of a layer that `dissection.activations.cache` wrote.

A module of its own, without torch: most steps only read activations, and start much faster.
"""

import json
from pathlib import Path

import numpy as np

from dissection.activations.geometry import Geometry
from dissection.errors import InputError
from dissection.jobs.arrays import ARRAY_FILE_ERRORS
from dissection.jobs.files import layer_file_name


def open_layer(folder: str | Path, layer: str) -> tuple[np.ndarray, Geometry]:
    """Open what `cache_activations` wrote of one layer.

    Returns
    -------
    activations : float16 or float32 (images, units, height, width)
        Memory-mapped, read-only.
    geometry : Geometry

    Raises
    ------
    InputError
        If the files are missing or do not belong together.
    """
    base = Path(folder) / layer_file_name(layer)
    array_file, geometry_file = (base.with_name(base.name + end) for end in (".npy", ".json"))
    try:
        geometry = Geometry.from_json(json.loads(geometry_file.read_text(encoding="utf-8")))
        try:
            activations = np.load(array_file, mmap_mode="r", allow_pickle=False)
        except ValueError:  # an array without images cannot be mapped
            activations = np.load(array_file, allow_pickle=False)
    except ARRAY_FILE_ERRORS as error:
        raise InputError(
            f"The activations of layer '{layer}' in {folder} cannot be read ({error}). Delete the "
            "folder and compute them again."
        ) from error
    if (
        activations.ndim != 4
        or activations.shape[2:] != (geometry.height, geometry.width)
        or activations.dtype not in (np.float16, np.float32)
    ):
        raise InputError(
            f"{array_file}: {activations.dtype} {activations.shape} does not fit the geometry in "
            f"{geometry_file.name}. Delete the folder and compute the activations again."
        )
    return activations, geometry
