"""The counts that intersections over union are made of, and their file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dissection.categories import CATEGORIES
from dissection.errors import InputError
from dissection.jobs.arrays import ARRAY_FILE_ERRORS
from dissection.jobs.files import whole_file


@dataclass(frozen=True)
class Tally:
    """Pixel counts of binary maps M_k and labels L_c, summed over the images of each block.

    Blocks are groups of images, for resampling. Tallies of different images add up.

    Attributes
    ----------
    intersection : int64 (blocks, units, L + 1)
        Sum of |M_k ∩ L_c|, labels of whole images included.
    unit_area : int64 (blocks, units, 6)
        Sum of |M_k| over the images that have a label whose primary category is the given one.
    label_area : int64 (blocks, L + 1)
        Sum of |L_c|.
    """

    intersection: np.ndarray
    unit_area: np.ndarray
    label_area: np.ndarray

    def __iadd__(self, other: Tally) -> Tally:
        """Add the counts of other images."""
        require_same(self.intersection.shape, other.intersection.shape)
        for counts, more in zip(vars(self).values(), vars(other).values(), strict=True):
            counts += more
        return self

    @classmethod
    def zeros(cls, blocks: int, units: int, labels: int) -> Tally:
        """Return the tally of no image."""
        return cls(
            np.zeros((blocks, units, labels + 1), np.int64),
            np.zeros((blocks, units, len(CATEGORIES)), np.int64),
            np.zeros((blocks, labels + 1), np.int64),
        )

    def save(self, path: str | Path) -> None:
        """Write a compressed ``.npz`` file, whole or not at all."""
        with whole_file(path) as partial, partial.open("wb") as file:
            np.savez_compressed(file, **vars(self))

    def in_one_block(self) -> Tally:
        """Return the tally of the same images, all in one block."""
        return Tally(*(counts.sum(axis=0, keepdims=True) for counts in vars(self).values()))

    @classmethod
    def load(cls, path: str | Path) -> Tally:
        """Read what `save` wrote."""
        try:
            with Path(path).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                return cls(file["intersection"], file["unit_area"], file["label_area"])
        except ARRAY_FILE_ERRORS as error:
            raise InputError(
                f"{path} is not a complete tally ({error}). Delete it and run again."
            ) from error

    @classmethod
    def load_sum(cls, paths: Iterable[str | Path]) -> Tally:
        """Add up the tallies in some files, at least one; two are in memory at a time."""
        first, *others = paths
        total = cls.load(first)
        for path in others:
            total += cls.load(path)
        return total


def require_same(shape: tuple[int, ...], other: tuple[int, ...]) -> None:
    if shape != other:
        raise InputError(
            "These tallies do not belong together: their (blocks, units, labels + 1) are "
            f"{shape} and {other}. Compute them again with the same labels, layer and number of "
            "blocks."
        )
