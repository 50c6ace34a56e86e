"""Layers of labels: what a folder of masks, or a file of annotations, says about each image."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from dissection.datasets.masks.mask_files import read_mask
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

    def read(self, name: str) -> np.ndarray:
        """Return an image's values, uint16 (1, height, width)."""
        palette = self.codes.palette
        pixels = read_mask(self.files[name], palette is not None, self.variable)
        return (pixels if palette is None else palette.numbers(pixels))[None]
