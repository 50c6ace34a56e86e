"""Layers of labels: what a folder of masks, or a file of annotations, says about each image."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from dissection.datasets.masks.table import Codes


class Layer(Protocol):
    """Labels of some of the images.

    Attributes
    ----------
    source : Path
        The folder or the file that they come from, for messages.
    codes : Codes
        What the values mean.
    """

    source: Path
    codes: Codes

    def __contains__(self, name: str) -> bool:
        """Return whether an image has labels here."""

    def place(self, name: str) -> Path:
        """Return where an image's labels are, for messages."""

    def read(self, name: str) -> np.ndarray:
        """Return an image's values, uint16 (channels, height, width)."""


class Labelled(NamedTuple):
    """Images with what is known of their labels.

    Attributes
    ----------
    images : mapping of Path
        By their names, which are paths with "/" without ending.
    layers : sequence of Layer
    names : dict of list of str, by category
        What the layers' codes mean.
    source : str
        What says so, for messages.
    """

    images: Mapping[str, Path]
    layers: Sequence[Layer]
    names: dict[str, list[str]]
    source: str
