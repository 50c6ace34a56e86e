"""The images that excite each unit most, with their activation maps (slide 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dissection.activations.shards import check_shards, chunks, count_chunks
from dissection.errors import InputError
from dissection.jobs.arrays import ARRAY_FILE_ERRORS
from dissection.jobs.files import whole_file
from dissection.jobs.logs import progress


@dataclass(frozen=True)
class TopImages:
    """Each unit's images of greatest maximum activation, best first.

    Attributes
    ----------
    images : int64 (units, count)
        Numbers of the images, from 0.
    maxima : float32 (units, count)
        Greatest activation of the unit in the image.
    maps : float32 (units, count, height, width)
        Activation maps.
    """

    images: np.ndarray
    maxima: np.ndarray
    maps: np.ndarray

    def save(self, path: str | Path) -> None:
        """Write a compressed ``.npz`` file, whole or not at all."""
        with whole_file(path) as partial, partial.open("wb") as file:
            np.savez_compressed(file, images=self.images, maxima=self.maxima, maps=self.maps)

    @classmethod
    def load(cls, path: str | Path) -> TopImages:
        """Read what `save` wrote."""
        try:
            with Path(path).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                return cls(file["images"], file["maxima"], file["maps"])
        except ARRAY_FILE_ERRORS as error:
            raise InputError(
                f"{path} is not a file of top images ({error}). Delete it and run again."
            ) from error


def top_images_bytes(units: int, count: int, positions: int) -> int:
    """Return what the maps of `TopImages` take while they are copied, of some positions each."""
    return 8 * units * count * positions


def find_top_images(shards: Sequence[np.ndarray], count: int) -> TopImages:
    """Find the images with the greatest maximum activation of each unit.

    Equal maxima: the image of the lower number comes first. The result does not depend on how
    the images are split into shards.

    Parameters
    ----------
    shards : sequence of float16 or float32 arrays (images, units, height, width)
    count : int
        Images a unit, at least 1; all images if there are fewer.

    Raises
    ------
    InputError
        If shards do not belong together, or if a value is not finite.

    Examples
    --------
    >>> activations = np.array([1, 3, 2, 3], np.float16).reshape(4, 1, 1, 1)
    >>> find_top_images([activations], count=3).images
    array([[1, 3, 2]])
    """
    # Imported here: it takes longer than a page that only loads top images needs for the rest.
    from dissection.activations.float_keys import greatest_activations

    if count < 1:
        raise InputError(f"{count} top images a unit: give at least 1.")
    _, (units, _, _) = check_shards(shards)
    images = np.empty((units, 0), np.int64)
    maxima = np.empty((units, 0), np.float32)
    what = "pieces of the activations"
    for first_image, chunk in progress(chunks(shards), what, total=count_chunks(shards)):
        greatest = greatest_activations(chunk, first_image).T  # (units, images of the chunk)
        numbers = np.arange(first_image, first_image + len(chunk))
        maxima = np.concatenate([maxima, greatest], axis=1)
        images = np.concatenate([images, np.tile(numbers, (units, 1))], axis=1)
        # A stable sort keeps the order of images, which is ascending, among equal maxima.
        best = np.argsort(-maxima, axis=1, kind="stable")[:, :count]
        maxima = np.take_along_axis(maxima, best, axis=1)
        images = np.take_along_axis(images, best, axis=1)
    return TopImages(images, maxima, _maps(shards, images))


def _maps(shards: Sequence[np.ndarray], images: np.ndarray) -> np.ndarray:
    units, count = images.shape
    maps = np.empty((units, count, *shards[0].shape[2:]), np.float32)
    first = 0
    for shard in shards:
        unit, place = np.nonzero((images >= first) & (images < first + len(shard)))
        maps[unit, place] = shard[images[unit, place] - first, unit]
        first += len(shard)
    return maps
