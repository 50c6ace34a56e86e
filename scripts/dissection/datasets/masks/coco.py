"""COCO's annotations: instances as polygons or run lengths, panoptic ones as coloured PNGs.

The formats are described at cocodataset.org, "Data format"; pycocotools draws the instances.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from dissection.datasets.masks.annotations import (
    checked_size,
    named_codes,
    read_annotations,
    stacked,
)
from dissection.datasets.masks.files import find_images, listed
from dissection.datasets.masks.layers import Labelled
from dissection.datasets.masks.mask_files import read_mask
from dissection.datasets.masks.palette import packed
from dissection.datasets.masks.table import Codes
from dissection.errors import InputError
from dissection.jobs.logs import log

SCHEMA = {
    "type": "object",
    "required": ["images", "annotations", "categories"],
    "properties": {key: {"type": "array"} for key in ("images", "annotations", "categories")},
}


@dataclass(frozen=True)
class CocoLayer:
    """Annotations of a COCO file.

    Attributes
    ----------
    source : Path
        The file.
    codes : Codes
        By the categories' numbers.
    entries : mapping of dict
        What the file says about an image, by the image's name.
    annotations : mapping of list of dict
        By the image's number.
    panoptic : Path or None
        The folder of panoptic PNGs.
    """

    source: Path
    codes: Codes
    entries: Mapping[str, dict]
    annotations: Mapping[int, list[dict]]
    panoptic: Path | None = None

    def __contains__(self, name: str) -> bool:
        """Return whether the file lists an image."""
        return name in self.entries

    def place(self, name: str) -> Path:
        """Return where an image's annotations are, for messages."""
        entry = self.entries[name]
        if self.panoptic:
            return self.panoptic / self.annotations[entry["id"]][0]["file_name"]
        return self.source / entry["file_name"]

    def reader(self, name: str) -> Callable[[], np.ndarray]:
        """Return what reads an image's labels, numbers of categories, (channels, height, width)."""
        entry, place = self.entries[name], self.place(name)
        own = self.annotations.get(entry["id"], [])
        if self.panoptic:
            return partial(_read_panoptic, place, own[0]["segments_info"])
        return partial(_read_instances, own, entry["height"], entry["width"], place)


def read_coco(
    images: str | Path,
    annotations: str | Path,
    panoptic: str | Path | None = None,
    labels: str | Path | None = None,
) -> Labelled:
    """Read a file of COCO's.

    Parameters
    ----------
    images : path
        Folder of images. Those that the annotations do not list are left out and logged.
    annotations : path
        JSON file of instances, or panoptic.
    panoptic : path, optional
        Folder of the PNGs of panoptic annotations.
    labels : path, optional
        What the labels mean; see `dissection.datasets.masks.annotations.named_codes`.

    Raises
    ------
    InputError
    """
    file, images = Path(annotations), Path(images)
    content = read_annotations(file, SCHEMA)
    _check_entries(file, content, bool(panoptic))
    values = {category["id"]: category["name"] for category in content["categories"]}
    names, codes = named_codes(values, labels and Path(labels), file)
    by_image = defaultdict(list)
    for annotation in content["annotations"]:
        by_image[annotation["image_id"]].append(annotation)
    found = find_images(images)
    entries = {}
    absent = []
    for entry in content["images"]:
        name = PurePosixPath(entry["file_name"]).with_suffix("").as_posix()
        if panoptic and entry["id"] not in by_image:
            continue
        if name in found:
            entries[name] = entry
        else:
            absent.append(entry["file_name"])
    if absent:
        log.warning("%s: images that %s lacks: %s", file, images, listed(absent))
    if not entries:
        raise InputError(f"{file}: {images} has none of its images: {listed(absent)}.")
    layer = CocoLayer(file, codes, entries, dict(by_image), panoptic and Path(panoptic))
    return Labelled(found, [layer], names, str(labels or annotations))


def _check_entries(file: Path, content: Any, panoptic: bool) -> None:
    """Check what every entry must have, and that numbers of images and categories lead somewhere.

    By hand: a schema takes minutes for the hundreds of megabytes of such files.
    """
    shape = {"file_name": str, "segments_info": list} if panoptic else {"category_id": int}
    kinds: dict[str, dict[str, type]] = {
        "images": {"id": int, "file_name": str, "height": int, "width": int},
        "categories": {"id": int, "name": str},
        "annotations": {"image_id": int, **shape},
    }
    for key, fields in kinds.items():
        for k, entry in enumerate(content[key]):
            _check_fields(entry, fields, f"{file}: {key}.{k}")
    images = {entry["id"] for entry in content["images"]}
    if len(images) != len(content["images"]):
        raise InputError(f"{file}: two images have one id.")
    categories = {entry["id"] for entry in content["categories"]}
    for k, annotation in enumerate(content["annotations"]):
        where = f"{file}: annotations.{k}"
        if annotation["image_id"] not in images:
            raise InputError(f"{where}: there is no image {annotation['image_id']}.")
        for part in annotation["segments_info"] if panoptic else [annotation]:
            if panoptic:
                _check_fields(part, {"id": int, "category_id": int}, where)
            if part["category_id"] not in categories:
                raise InputError(f"{where}: there is no category {part['category_id']}.")


def _check_fields(entry: Any, fields: Mapping[str, type], where: str) -> None:
    for field, kind in fields.items():
        value = entry.get(field) if isinstance(entry, dict) else None
        if type(value) is not kind:
            words = {int: "a whole number", str: "a text", list: "a list"}
            raise InputError(f"{where}: {field} must be {words[kind]}, and is {value!r:.40}.")


def _read_instances(annotations: list[dict], height: int, width: int, place: Path) -> np.ndarray:
    """The categories' numbers, uint16 (channels, height, width), of an image's instances."""
    size = checked_size(height, width, f"{place}: the image")
    return stacked(_instances(annotations, size, place), size)


def _instances(
    annotations: list[dict], size: tuple[int, int], place: Path
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield number of the category and bool (height, width) of each annotation."""
    for annotation in annotations:
        where = f"{place}: annotation {annotation.get('id', '')}"
        shape = annotation.get("segmentation")
        if isinstance(shape, list):
            if not shape:
                continue
            counts = _filled([_polygon(points, where, max(size)) for points in shape], size)
        elif isinstance(shape, dict):
            counts = _runs(shape, size, where)
        else:
            raise InputError(f"{where} has no segmentation. Export the file with it.")
        inside = np.arange(len(counts)) % 2 == 1
        # Pixels go down the columns.
        yield annotation["category_id"], np.repeat(inside, counts).reshape(size[::-1]).T


def _filled(polygons: list[list[float]], size: tuple[int, int]) -> list[int]:
    """Return run lengths of the pixels in any of the polygons."""
    # Imported here because only jobs that draw COCO's polygons need it. Its own way from run
    # lengths to pixels does not go with new versions of NumPy.
    from pycocotools import mask as coco_mask

    return _counts(coco_mask.merge(coco_mask.frPyObjects(polygons, *size))["counts"].decode())


def _polygon(points: Any, where: str, side: int) -> list[float]:
    """Return a polygon's coordinates, if it is one: x and y of each corner."""
    try:
        found = np.array(points, float)
    except (TypeError, ValueError, OverflowError):
        found = np.empty(0)
    if found.ndim != 1 or found.size < 6 or found.size % 2 or np.isnan(found).any():
        raise InputError(
            f"{where} has a polygon that is none: it takes x and y of at least three corners. "
            "Export the file again."
        )
    # Beyond the image nothing is drawn; very far beyond, the library's integers end.
    return np.clip(found, -4 * side, 8 * side).tolist()


def _runs(shape: dict, size: tuple[int, int], where: str) -> list[int]:
    """Return run lengths, if they fill the image."""
    counts = shape.get("counts")
    counts = _counts(counts) if isinstance(counts, str) else counts
    if not isinstance(counts, list) or any(type(n) is not int or n < 0 for n in counts):
        raise InputError(f"{where} has run lengths that are none. Export the file again.")
    if shape.get("size") != list(size) or sum(counts) != size[0] * size[1]:
        raise InputError(
            f"{where} has run lengths for {sum(counts):,} pixels in the size {shape.get('size')}, "
            f"its image has {size[0]} x {size[1]}. Export the file again."
        )
    return counts


def _counts(text: str) -> list[int] | None:
    """Return the run lengths of COCO's compressed form; None if it is none.

    Numbers in digits of 5 bits, the lowest first, each as a character from "0" on; bit 6 says that
    more follow, the last one's bit 5 is the sign. From the fourth on they are differences to the
    number two before.
    """
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        digit = ord(letter) - ord("0")
        if not 0 <= digit < 64 or shift > 60:
            return None
        value |= (digit & 0x1F) << shift
        shift += 5
        if digit & 0x20:
            continue
        if digit & 0x10:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    return None if shift else counts


def _read_panoptic(path: Path, segments: list[dict]) -> np.ndarray:
    """The categories' numbers, uint16 (1, height, width), of a panoptic PNG."""
    numbers = packed(read_mask(path, colours=True)[..., ::-1])  # R counts least
    found, places = np.unique(numbers, return_inverse=True)
    category = {segment["id"]: segment["category_id"] for segment in segments} | {0: 0}
    unknown = [str(number) for number in found.tolist() if number not in category]
    if unknown:
        raise InputError(
            f"{path}: the mask has segments that the annotations do not list: {listed(unknown)}. "
            "A segment's number is R + 256 G + 65536 B. Take masks and annotations of one export."
        )
    values = np.array([category[number] for number in found.tolist()], np.uint16)
    return values[places.reshape(numbers.shape)][None]
