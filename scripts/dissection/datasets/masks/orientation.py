"""Masks of photographs that lie on their side, or upside down.

A camera stores a photograph as its sensor lies and notes in EXIF how to turn it. Some programs
draw masks on the turned photograph, as viewers show it, others on the stored pixels.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dissection.datasets.masks.files import listed
from dissection.datasets.masks.photographs import Photograph
from dissection.errors import InputError
from dissection.jobs.logs import log


def turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return stored pixels (height, width) as viewers show them.

    Parameters
    ----------
    pixels : array (height, width)
    orientation : int
        1 to 8, of EXIF.

    Examples
    --------
    >>> turned(np.array([[1, 2]]), 6).tolist()
    [[1], [2]]
    """
    if orientation > 4:  # rows and columns change places
        pixels = pixels.T
    down = -1 if orientation in (3, 4, 7, 8) else 1
    across = -1 if orientation in (2, 3, 6, 7) else 1
    return pixels[::down, ::across]


def same_shape(size: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether one size is the other, scaled and then rounded, up or down, to whole pixels."""
    (height, width), (other_height, other_width) = size, other
    # From h' = s h + d, w' = s w + e with d, e both in [0, 1), or both in [-1/2, 1/2].
    return abs(other_height * width - other_width * height) < max(*size, *other)


@dataclass
class Lying:
    """How the masks of a folder lie, of those photographs that viewers turn."""

    shown: list[Path] = field(default_factory=list)
    stored: list[Path] = field(default_factory=list)
    either: list[Path] = field(default_factory=list)


class Orientations:
    """Finds out how masks lie.

    A mask that has only the size of the stored pixels was drawn on them. Where the size does not
    tell, at half a turn, mirror images and squares, the other masks of the same folder do; if
    none does, the mask was drawn on what viewers show, and the log says so.

    Parameters
    ----------
    folders : sequence of Path
        Of masks.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._lying: dict[int, Lying] = defaultdict(Lying)

    def add(
        self, folder: int, mask: Path, size: tuple[int, ...], photo: Photograph
    ) -> tuple[int, ...] | None:
        """Note how a mask lies, by its size.

        Return its size when it lies as viewers show the photograph, None if neither way fits.
        """
        shown, stored = same_shape(photo.shown, size), same_shape(photo.stored, size)
        lying = self._lying[folder]
        if photo.orientation == 1:
            return size if shown else None
        if shown and stored:
            lying.either.append(mask)
        elif shown:
            lying.shown.append(mask)
        elif stored:
            lying.stored.append(mask)
            return size[::-1]
        return size if shown else None

    def stored(self) -> set[Path]:
        """Return the masks that lie as their photographs are stored; log what was found.

        Raises
        ------
        InputError
            If the size of a mask does not tell how it lies, and others of its folder differ.
        """
        found: set[Path] = set()
        for number, lying in sorted(self._lying.items()):
            folder, names = self._folders[number], listed([path.name for path in lying.either])
            if lying.either and lying.shown and lying.stored:
                raise InputError(
                    f"{folder}: viewers turn the photographs of these masks (EXIF orientation), "
                    "and their size does not tell whether they were drawn on what viewers show or "
                    f"on the stored pixels: {names}. Other masks of the folder differ: "
                    f"{lying.shown[0].name} lies as shown, {lying.stored[0].name} as stored. Turn "
                    "the pixels of these photographs and take the orientation out, or sort the "
                    "masks into two folders."
                )
            if lying.stored:
                found.update(lying.stored, lying.either)
                log.warning(
                    "%s: masks drawn on the stored pixels of photographs that viewers turn; they "
                    "are turned alike: %s",
                    folder,
                    listed([path.name for path in lying.stored]),
                )
            if lying.either:
                log.warning(
                    "%s: masks of photographs that viewers turn, whose size does not tell how they "
                    "lie; taken as drawn on %s: %s",
                    folder,
                    "the stored pixels, as others are" if lying.stored else "what viewers show",
                    names,
                )
        return found
