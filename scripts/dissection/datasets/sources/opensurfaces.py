"""OpenSurfaces, release 0, as its authors' own script leaves it: materials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dissection.datasets.sources.files import (
    by_stem,
    check_numbers,
    files_below,
    other_contents,
    read_channels,
    remedy,
    require_file,
)
from dissection.datasets.sources.records import Labels, SourceImage
from dissection.errors import InputError
from dissection.jobs.tables import read_table, whole_numbers

WHAT = "OpenSurfaces, processed by its authors' script"


@dataclass(frozen=True)
class OpenSurfaces:
    """See `dissection.datasets.sources.records.Reader`; ``about`` is the label image."""

    names: Mapping[str, Sequence[str]]
    images: Sequence[SourceImage]

    def labels(self, image: SourceImage) -> Labels:
        """Read an image's materials: the red channel."""
        numbers = read_channels(image.about)[..., 0].astype(np.uint16)
        check_numbers(image.about, numbers, len(self.names["material"]), WHAT)
        return Labels({"material": [numbers]}, files={"material": [image.about]})


def open_source(folders: Mapping[str, Path]) -> OpenSurfaces:
    """Open the unpacked archive, ``folders["archive"]``.

    Raises
    ------
    InputError
        If the table of colours is missing or wrong, or a photo is missing.
    """
    folder = folders["archive"]
    table = require_file(folder, "label-substance-colors.csv", WHAT)
    rows = read_table(table, ["substance_name", "red_color"], remedy(folder))
    reds = whole_numbers(table, rows["red_color"], 1, 255, remedy(folder))
    names = [""] * int(reds.max())
    for red, name in zip(reds, rows["substance_name"], strict=True):
        names[red - 1] = name
    base = table.parent
    photos = by_stem(files_below(base / "photos", [".jpg", ".jpeg"]))
    labels = by_stem(files_below(base / "photos-labels", [".png"]))
    if not labels:
        raise other_contents(folder, "there are no label images in photos-labels", WHAT)
    for name, path in labels.items():
        if name not in photos:
            raise InputError(f"{path}: its photo photos/{name}.jpg is missing. {remedy(folder)}")
    images = [SourceImage(photos[name].name, photos[name], path) for name, path in labels.items()]
    return OpenSurfaces({"material": names}, images)
