"""ADE20K with 150 classes (ADEChallengeData2016): objects and scenes, no parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dissection.datasets.sources.ade20k_scenes import scene_codes
from dissection.datasets.sources.files import (
    by_stem,
    check_numbers,
    files_below,
    other_contents,
    read_lines,
    read_numbers,
    remedy,
    require_file,
)
from dissection.datasets.sources.records import Labels, SourceImage
from dissection.errors import InputError

WHAT = "ADE20K's 150 classes (ADEChallengeData2016)"


@dataclass(frozen=True)
class Challenge:
    """See `dissection.datasets.sources.records.Reader`; ``about`` is the label image, the scene."""

    names: Mapping[str, Sequence[str]]
    images: Sequence[SourceImage]

    def labels(self, image: SourceImage) -> Labels:
        """Read an image's objects; its scene is known already."""
        path, scene = image.about
        numbers = read_numbers(path)
        check_numbers(path, numbers, len(self.names["object"]), WHAT)
        whole = {"scene": [scene]} if scene else {}
        return Labels({"object": [numbers]}, whole, {"object": [path]})


def open_source(folders: Mapping[str, Path]) -> Challenge:
    """Open the unpacked archive, ``folders["archive"]``.

    Raises
    ------
    InputError
        If tables are missing or wrong, or an image has no annotation or no scene.
    """
    folder = folders["archive"]
    objects = _object_names(require_file(folder, "objectInfo150.txt", WHAT))
    scene_of = _scenes(require_file(folder, "sceneCategories.txt", WHAT))
    photos = by_stem(files_below(folder / "images", [".jpg"]))
    annotations = by_stem(files_below(folder / "annotations", [".png"]))
    if not photos:
        raise other_contents(folder, "there are no photos in images", WHAT)
    for name, path in photos.items():
        if name not in annotations:
            raise InputError(f"{path}: its label image {name}.png is missing. {remedy(folder)}")
    for name, path in annotations.items():
        if name not in photos:
            raise InputError(f"{path}: its photo {name}.jpg is missing. {remedy(folder)}")
        if name not in scene_of:
            raise InputError(f"sceneCategories.txt has no scene of {name}. {remedy(folder)}")
    scenes, codes = scene_codes(scene_of[name] for name in photos)
    images = [
        SourceImage(path.name, path, (annotations[name], codes[scene_of[name]]))
        for name, path in photos.items()
    ]
    return Challenge({"object": objects, "scene": scenes}, images)


def _object_names(path: Path) -> list[str]:
    names = []
    for place, line in enumerate(read_lines(path)):
        cells = [cell.strip() for cell in line.split("\t")]
        if place == 0:
            continue  # Idx, Ratio, Train, Val, Stuff, Name
        if len(cells) < 2 or cells[0] != str(place):
            raise InputError(
                f"{path}, line {place + 1}: the class number {place} was expected, with its name "
                f"in the last column, tabs between. {remedy(path.parent)}"
            )
        names.append(cells[-1])
    return names


def _scenes(path: Path) -> dict[str, str]:
    found = {}
    for place, line in enumerate(read_lines(path), start=1):
        name, _, scene = line.partition(" ")
        if not scene.strip():
            raise InputError(
                f"{path}, line {place}: an image's name and its scene were expected. "
                f"{remedy(path.parent)}"
            )
        found[name] = scene.strip()
    return found
