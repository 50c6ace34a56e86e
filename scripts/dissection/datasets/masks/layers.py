"""Layers of labels: what a folder of masks, or a file of annotations, says about each image."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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

    def reader(self, name: str) -> Callable[[], np.ndarray]:
        """Return what reads an image's values, (channels, height, width), for `codes`.

        It holds no more than it needs for this image, so that it can be sent to another process.
        """


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


@dataclass(frozen=True, slots=True)
class Task:
    """What a process needs to know of an image.

    Attributes
    ----------
    name : str
    file : Path
    readers : tuple of callable or None
        See `Layer.reader`; None of a layer that has no labels of the image.
    stored : tuple of bool
        Whether the labels lie as the photograph is stored, and not as viewers show it.
    scene : str or None
        Of the whole image.
    """

    name: str
    file: Path
    readers: tuple[Callable[[], np.ndarray] | None, ...]
    stored: tuple[bool, ...] = ()
    scene: str | None = None
