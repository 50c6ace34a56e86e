"""COCO-Stuff 164k: objects and stuff, as pixel maps of COCO's images of 2017."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dissection.datasets.sources.files import (
    by_stem,
    check_numbers,
    files_below,
    numbered_names,
    other_contents,
    read_numbers,
    remedy,
    require_file,
)
from dissection.datasets.sources.records import Labels, SourceImage
from dissection.errors import InputError

WHAT = "COCO-Stuff's pixel maps"
UNLABELED = 255


@dataclass(frozen=True)
class CocoStuff:
    """See `dissection.datasets.sources.records.Reader`; ``about`` is the label image."""

    names: Mapping[str, Sequence[str]]
    images: Sequence[SourceImage]

    def labels(self, image: SourceImage) -> Labels:
        """Read an image's objects. A pixel holds the class's number in labels.txt, less 1."""
        values = read_numbers(image.about)
        numbers = np.where(values == UNLABELED, 0, values + 1).astype(np.uint16)
        check_numbers(image.about, numbers, len(self.names["object"]), WHAT)
        return Labels({"object": [numbers]}, files={"object": [image.about]})


def open_source(folders: Mapping[str, Path]) -> CocoStuff:
    """Open the unpacked ``folders["photos"]`` and ``["maps"]``, with the table in ``["labels"]``.

    The maps are those of all images of 2017: only those of the photos that are there are read.

    Raises
    ------
    InputError
        If the table of classes is missing or wrong, or no photo has a map.
    """
    names = numbered_names(require_file(folders["labels"], "cocostuff-labels.txt", WHAT))[1:]
    photos = by_stem(files_below(folders["photos"], [".jpg"]))
    maps = by_stem(files_below(folders["maps"], [".png"]))
    both = sorted(photos.keys() & maps.keys())
    if not both:
        raise other_contents(folders["maps"], "no photo has a pixel map", WHAT)
    if lonely := sorted(photos.keys() - maps.keys()):
        raise InputError(
            f"{photos[lonely[0]]}: its pixel map {lonely[0]}.png is missing in "
            f"{folders['maps']}. {remedy(folders['maps'])}"
        )
    images = [SourceImage(photos[name].name, photos[name], maps[name]) for name in both]
    return CocoStuff({"object": [name.removesuffix("-other") for name in names]}, images)
