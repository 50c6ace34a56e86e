"""How many images a training set holds out. Light: without torch."""

from pathlib import Path

import pandas as pd

from dissection.jobs.arrays import array_shape
from dissection.training.image_folder import INDEX


def count_held_out(folder: str | Path) -> int:
    """Return the number of images that accuracies are measured on.

    Parameters
    ----------
    folder : path
        A training set of either kind (see `data.open_training_data`).
    """
    index = Path(folder) / INDEX
    if index.is_file():
        return int((pd.read_csv(index, usecols=["part"])["part"] == "held_out").sum())
    return array_shape(Path(folder) / "held_out_labels.npy")[0]
