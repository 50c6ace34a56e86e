"""PASCAL VOC 2010 with the objects of PASCAL-Context and the parts of PASCAL-Part."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dissection.datasets.sources.files import (
    by_stem,
    check_numbers,
    check_same_size,
    files_below,
    numbered_names,
    other_contents,
    read_mat,
    remedy,
    require_file,
)
from dissection.datasets.sources.records import Labels, SourceImage
from dissection.errors import InputError

CONTEXT, PART = "PASCAL-Context", "PASCAL-Part"
UNKNOWN = "unknown"  # of Context: no label

# A part's name from the codes of PASCAL-Part. Left and right, front and back, upper and lower are
# one part; repeats (_1, _2, ...) and objects are left out.
PARTS = {
    "arm": "llarm luarm rlarm ruarm",
    "back": "backside",
    "beak": "beak",
    "body": "body",
    "cap": "cap",
    "chain wheel": "chainwheel",
    "coach": "coach cfrontside cleftside crightside cbackside",
    "coach roof": "croofside",
    "door": "door",
    "ear": "lear rear",
    "engine": "engine",
    "eye": "leye reye",
    "eyebrow": "lebrow rebrow",
    "foot": "lfoot rfoot",
    "front": "frontside",
    "hair": "hair",
    "hand": "lhand rhand",
    "handle bar": "handlebar",
    "head": "head hfrontside hleftside hrightside hbackside",
    "head roof": "hroofside",
    "headlight": "headlight",
    "hoof": "lfho rfho lbho rbho",
    "horn": "lhorn rhorn",
    "leg": "lleg rleg lfleg rfleg lbleg rbleg lfuleg lflleg rfuleg rflleg lbuleg lblleg rbuleg "
    "rblleg luleg llleg ruleg rlleg",
    "license plate": "fliplate bliplate",
    "mirror": "leftmirror rightmirror",
    "mouth": "mouth",
    "muzzle": "muzzle",
    "neck": "neck",
    "nose": "nose",
    "paw": "lfpa rfpa lbpa rbpa",
    "plant": "plant",
    "pot": "pot",
    "roof": "roofside",
    "saddle": "saddle",
    "screen": "screen",
    "side": "leftside rightside",
    "stern": "stern",
    "tail": "tail",
    "torso": "torso",
    "wheel": "wheel fwheel bwheel",
    "window": "window",
    "wing": "lwing rwing",
}
PART_OF_CODE = {code: name for name, codes in PARTS.items() for code in codes.split()}
PART_NAMES = tuple(PARTS)


def part_name(code: str) -> str | None:
    """Return the name of a part by its code; None for a code that is not known.

    Examples
    --------
    >>> part_name("rear"), part_name("engine_3"), part_name("lfuleg"), part_name("gear")
    ('ear', 'engine', 'leg', None)
    """
    return PART_OF_CODE.get(re.sub(r"_\d+$", "", code))


@dataclass(frozen=True)
class Pascal:
    """See `dissection.datasets.sources.records.Reader`; ``about``: Context's and Part's files."""

    names: Mapping[str, Sequence[str]]
    images: Sequence[SourceImage]

    def labels(self, image: SourceImage) -> Labels:
        """Read an image's objects and parts, as far as it has them."""
        context, parts = image.about
        maps = {}
        if context:
            maps["object"] = [self._objects(context)]
        if parts and (painted := _parts(parts, image.photo)) is not None:
            maps["part"] = [painted]
        return Labels(maps, files={"object": [context], "part": [parts]})

    def _objects(self, path: Path) -> np.ndarray:
        numbers = np.asarray(read_mat(path, "LabelMap"))
        if numbers.ndim != 2 or numbers.dtype.kind not in "uif" or (numbers < 0).any():
            raise InputError(
                f"{path}: 'LabelMap' is no image of class numbers. {remedy(path.parent)}"
            )
        check_numbers(path, numbers, len(self.names["object"]), CONTEXT)
        return numbers.astype(np.uint16)


def open_source(folders: Mapping[str, Path]) -> Pascal:
    """Open the unpacked archives ``folders["photos"]``, ``["context"]`` and ``["parts"]``.

    Raises
    ------
    InputError
        If one holds something else, or a photo is missing.
    """
    folder = folders["photos"]
    photos = {
        path.stem: path
        for path in files_below(folder, [".jpg"]).values()
        if path.parent.name == "JPEGImages"
    }
    if not photos:
        raise other_contents(folder, "there are no photos in JPEGImages", "PASCAL VOC 2010")
    labels = require_file(folders["context"], "labels.txt", CONTEXT)
    objects = ["" if name == UNKNOWN else name for name in numbered_names(labels)[1:]]
    label_files = []
    for key, what in (("context", CONTEXT), ("parts", PART)):
        found = by_stem(files_below(folders[key], [".mat"]))
        if not found:
            raise other_contents(folders[key], "there are no .mat files", what)
        for name, path in found.items():
            if name not in photos:
                raise InputError(f"{path}: its photo {name}.jpg is missing in {folder}. "
                                 f"{remedy(folder)}")  # fmt: skip
        label_files.append(found)
    context, parts = label_files
    images = [
        SourceImage(path.name, path, (context.get(name), parts.get(name)))
        for name, path in photos.items()
        if name in context or name in parts
    ]
    return Pascal({"object": objects, "part": PART_NAMES}, images)


def _parts(path: Path, photo: Path) -> np.ndarray | None:
    """Paint an image's parts, later ones over earlier ones; None if it has no object at all."""
    annotation = read_mat(path, "anno")
    painted = None
    for instance in np.atleast_1d(_field(annotation, "objects", path)):
        mask = np.atleast_2d(_field(instance, "mask", path))
        if painted is None:
            painted = np.zeros(mask.shape, np.uint16)
        for part in np.atleast_1d(_field(instance, "parts", path)):
            code, where = str(_field(part, "part_name", path)), _field(part, "mask", path)
            name = part_name(code)
            if name is None:
                raise InputError(
                    f"{path}: the part code '{code}' of {_field(instance, 'class', path)} is not "
                    f"known. {remedy(path.parent)}"
                )
            where = np.atleast_2d(where)
            check_same_size(path, where, painted.shape, photo)
            painted[where != 0] = PART_NAMES.index(name) + 1
    return painted


def _field(struct: object, name: str, path: Path) -> np.ndarray:
    if not hasattr(struct, name):
        raise InputError(f"{path}: a record has no '{name}'. {remedy(path.parent)}")
    return getattr(struct, name)
