"""ADE20K with all classes, objects and parts of several levels, as of 2016 or 2021.

Of 2016, names and scenes are in index_ade20k.mat; of 2021, in a JSON file an image. The pickle
of 2021 is never opened.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dissection.datasets.sources.ade20k_scenes import NONE, scene_codes
from dissection.datasets.sources.files import (
    check_numbers,
    files_below,
    other_contents,
    read_channels,
    read_mat,
    remedy,
)
from dissection.datasets.sources.records import Labels, SourceImage
from dissection.errors import InputError

WHAT = "the full ADE20K"
INDEX = "index_ade20k.mat"
NOT_LABELED = f"{NONE}not labeled"
# Folders of 2021 that say of an image that it has no scene of its own.
NO_SCENE = {"unclassified", "outliers", "misc"}
_LABELS = re.compile(r"(.+)_(seg|parts_[1-9]\d?)")


@dataclass(frozen=True)
class Full:
    """See `dissection.datasets.sources.records.Reader`.

    ``about`` is the label image of objects, those of parts, level by level, and the scene.
    """

    names: Mapping[str, Sequence[str]]
    images: Sequence[SourceImage]

    def labels(self, image: SourceImage) -> Labels:
        """Read an image's objects and parts; its scene is known already."""
        objects, parts, scene = image.about
        files = {"object": [objects]} | ({"part": parts} if parts else {})
        maps = {category: [self._classes(path) for path in own] for category, own in files.items()}
        return Labels(maps, {"scene": [scene]} if scene else {}, files)

    def _classes(self, path: Path) -> np.ndarray:
        numbers = class_numbers(read_channels(path))
        check_numbers(path, numbers, len(self.names["object"]), WHAT)
        return numbers


def class_numbers(pixels: np.ndarray) -> np.ndarray:
    """Return the classes that a label image holds, uint16 (h, w), from its uint8 (h, w, 3).

    Examples
    --------
    >>> class_numbers(np.array([[[110, 39, 15]]], np.uint8)).tolist()
    [[2855]]
    """
    # Widened first: R // 10 * 256 does not fit into 8 bits.
    return pixels[..., 0].astype(np.uint16) // 10 * 256 + pixels[..., 1]


def open_source(folders: Mapping[str, Path]) -> Full:
    """Open the unpacked archive, ``folders["archive"]``, of either release.

    Raises
    ------
    InputError
        If the index is missing or wrong, or an image has no annotation.
    """
    folder = folders["archive"]
    photos = files_below(folder, [".jpg"])
    label_files = files_below(folder, [".png"])
    own: dict[str, dict[str, Path]] = {}
    for stem, path in label_files.items():
        if match := _LABELS.fullmatch(stem):
            own.setdefault(match[1], {})[match[2]] = path
    if not own:
        raise other_contents(folder, "there are no label images (*_seg.png)", WHAT)
    for stem, files in own.items():
        if stem not in photos:
            raise InputError(
                f"{next(iter(files.values()))}: its photo is missing. {remedy(folder)}"
            )
        if "seg" not in files:
            raise InputError(f"{photos[stem]}: its label image of objects (*_seg.png) is missing. "
                             f"{remedy(folder)}")  # fmt: skip
    photos = {stem: path for stem, path in photos.items() if stem in own}
    indices = sorted(folder.rglob(INDEX))
    classes, scene_of = _index_2016(indices[0]) if indices else _index_2021(folder, photos)
    for path in photos.values():
        if path.stem not in scene_of:
            raise InputError(f"{indices[0]} does not list the image {path.name}. {remedy(folder)}")
    scenes, codes = scene_codes(scene_of[path.stem] for path in photos.values())
    images = []
    for stem, path in photos.items():
        parts = sorted(
            (int(kind.removeprefix("parts_")), file)
            for kind, file in own[stem].items()
            if kind != "seg"
        )
        about = own[stem]["seg"], [file for _, file in parts], codes[scene_of[path.stem]]
        images.append(SourceImage(path.name, path, about))
    return Full({"object": classes, "part": classes, "scene": scenes}, images)


def _index_2016(path: Path) -> tuple[list[str], dict[str, str]]:
    """Names of the classes, and the scene of each image by its name without ending."""
    index = read_mat(path, "index")
    fields = ("objectnames", "filename", "scene")
    for name in fields:
        if not hasattr(index, name):
            raise InputError(f"{path}: the index has no '{name}'. {remedy(path.parent)}")
    objects, files, scenes = (
        [str(entry) for entry in np.atleast_1d(getattr(index, name))] for name in fields
    )
    if len(files) != len(scenes):
        raise InputError(
            f"{path}: {len(files)} file names, but {len(scenes)} scenes. {remedy(path.parent)}"
        )
    return objects, {Path(file).stem: scene for file, scene in zip(files, scenes, strict=True)}


def _index_2021(folder: Path, photos: Mapping[str, Path]) -> tuple[list[str], dict[str, str]]:
    """The same of the JSON files: an image's own file lists the classes that it has."""
    classes: dict[int, str] = {}
    scene_of = {}
    for photo in photos.values():
        path = photo.with_suffix(".json")
        try:
            annotation = json.loads(path.read_bytes())["annotation"]
            for entry in annotation["object"]:
                classes.setdefault(int(entry["name_ndx"]), str(entry["name"]))
            scene_of[photo.stem] = scene_of_2021([str(step) for step in annotation["scene"]])
        except FileNotFoundError:
            raise other_contents(
                folder, f"there is neither {INDEX} nor {path.name} beside its photo", WHAT
            ) from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(
                f"{path} is damaged, or not as in the release of 2021 "
                f"({type(error).__name__}: {error}). {remedy(folder)}"
            ) from error
    wrong = [number for number in classes if not 0 < number < 26 * 256]
    if wrong:
        raise InputError(f"{folder}: the class number {wrong[0]} cannot be. {remedy(folder)}")
    return [classes.get(number, "-") for number in range(1, max(classes, default=0) + 1)], scene_of


def scene_of_2021(steps: Sequence[str]) -> str:
    """Return an image's scene as the release of 2016 names it.

    Examples
    --------
    >>> scene_of_2021(["outdoor", "urban", "street"])
    'street'
    >>> scene_of_2021(["indoor", "transportation", "airport", "entrance"])
    'airport/entrance'
    """
    scene = "/".join(step.strip("/") for step in steps[2:]).replace("__", "/")
    return NOT_LABELED if not scene or NO_SCENE.intersection(steps) else scene
