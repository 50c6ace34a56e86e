"""What a reader of a published data set gives: its images, and the raw labels of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True, slots=True)
class SourceImage:
    """An image of a source.

    Attributes
    ----------
    file : str
        Its name within the source, with ending. Together with the source's name it decides
        the split and the order of rows.
    photo : Path
    about : Any
        What the reader needs to find the image's labels; nobody else looks at it.
    """

    file: str
    photo: Path
    about: Any = None


@dataclass(frozen=True, slots=True)
class Labels:
    """Raw labels of an image.

    Attributes
    ----------
    maps : mapping of category to list of uint16 (h, w)
        Channels, of the photo's size: places in the reader's names of the category, plus 1; 0 is
        no label.
    whole : mapping of category to list of int
        The same for labels of the whole image, dominant first.
    files : mapping of category to list of Path
        The file that each channel was read from.
    """

    maps: Mapping[str, list[np.ndarray]] = field(default_factory=dict)
    whole: Mapping[str, list[int]] = field(default_factory=dict)
    files: Mapping[str, list[Path]] = field(default_factory=dict)


class Reader(Protocol):
    """A source, opened. It is sent to other processes, so it holds no open files.

    Attributes
    ----------
    names : mapping of category to sequence of str
        Raw names, as they stand in the source, of the labels that may occur.
    images : sequence of SourceImage
    """

    names: Mapping[str, Sequence[str]]
    images: Sequence[SourceImage]

    def labels(self, image: SourceImage) -> Labels:
        """Read the labels of an image.

        Raises
        ------
        InputError
            If one of its files is missing, damaged or not what the source's format says.
        """
        ...
