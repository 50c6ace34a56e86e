"""labelme's annotations: a JSON file an image, with polygons and other shapes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from dissection.datasets.image_files import is_note_of_a_system
from dissection.datasets.masks.annotations import (
    checked_size,
    named_codes,
    read_annotations,
    stacked,
)
from dissection.datasets.masks.files import find_images, listed
from dissection.datasets.masks.layers import Labelled
from dissection.datasets.masks.table import Codes
from dissection.errors import InputError
from dissection.jobs.logs import log

LEAST_POINTS = {"polygon": 3, "rectangle": 2, "circle": 2}  # of the shapes that have an area
POINT = {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number"}}
SCHEMA = {
    "type": "object",
    "required": ["shapes", "imageHeight", "imageWidth"],
    "properties": {
        "imageHeight": {"type": "integer", "minimum": 1},
        "imageWidth": {"type": "integer", "minimum": 1},
        "shapes": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["label", "points"],
                "properties": {
                    "label": {"type": "string", "minLength": 1},
                    "points": {"type": "array", "minItems": 1, "items": POINT},
                    "shape_type": {"type": "string"},
                },
            },
        },
    },
}


@dataclass(frozen=True)
class LabelmeLayer:
    """Files of labelme's.

    Attributes
    ----------
    source : Path
        Their folder.
    codes : Codes
    files : mapping of Path
        By the image's name.
    values : mapping of int
        By the label.
    """

    source: Path
    codes: Codes
    files: Mapping[str, Path]
    values: Mapping[str, int]

    def __contains__(self, name: str) -> bool:
        """Return whether an image has a file."""
        return name in self.files

    def place(self, name: str) -> Path:
        """Return an image's file."""
        return self.files[name]

    def reader(self, name: str) -> Callable[[], np.ndarray]:
        """Return what reads an image's labels, (channels, height, width)."""
        return partial(_read_shapes, self.files[name], self.values)


def _read_shapes(file: Path, values: Mapping[str, int]) -> np.ndarray:
    content = read_annotations(file, SCHEMA)
    size = checked_size(content["imageHeight"], content["imageWidth"], f"{file}: the image")
    drawn = (
        (values[shape["label"]], _drawn(shape, size))
        for shape in content["shapes"]
        if _is_drawn(shape)
    )
    return stacked(drawn, size)


def read_labelme(
    images: str | Path, annotations: str | Path, labels: str | Path | None = None
) -> Labelled:
    """Read labelme's files.

    Parameters
    ----------
    images : path
        Folder of images.
    annotations : path
        Folder of JSON files, which may be the same: one of each image's name.
    labels : path, optional
        What the labels mean; see `dissection.datasets.masks.annotations.named_codes`.

    Raises
    ------
    InputError
    """
    images, annotations = Path(images), Path(annotations)
    found = find_images(images)
    if not annotations.is_dir():
        raise InputError(f"The folder of annotations {annotations} does not exist.")
    files = {
        path.relative_to(annotations).with_suffix("").as_posix(): path
        for path in sorted(annotations.rglob("*.json"))
        if not is_note_of_a_system(path.name)
    }
    if lonely := sorted(files.keys() - found.keys()):
        log.warning("%s: annotations without an image: %s", annotations, listed(lonely))
    files = {name: path for name, path in files.items() if name in found}
    if not files:
        raise InputError(f"No image in {images} has a file of annotations in {annotations}.")
    found_labels: set[str] = set()
    for path in files.values():
        shapes = read_annotations(path, SCHEMA)["shapes"]
        found_labels.update(shape["label"] for shape in shapes if _is_drawn(shape))
        if others := sorted({_kind(shape) for shape in shapes if not _is_drawn(shape)}):
            log.warning("%s: shapes that have no area are left out: %s", path, ", ".join(others))
    values = {label: value for value, label in enumerate(sorted(found_labels), start=1)}
    if not values:
        raise InputError(f"{annotations} has no shape with an area: {', '.join(LEAST_POINTS)}.")
    by_value = dict(enumerate(values, start=1))
    names, codes = named_codes(by_value, labels and Path(labels), annotations)
    layer = LabelmeLayer(annotations, codes, files, values)
    return Labelled(found, [layer], names, str(labels or annotations))


def _kind(shape: dict) -> str:
    return shape.get("shape_type") or "polygon"


def _is_drawn(shape: dict) -> bool:
    return len(shape["points"]) >= LEAST_POINTS.get(_kind(shape), np.inf)


def _drawn(shape: dict, size: tuple[int, int]) -> np.ndarray:
    """Where a shape is, bool (height, width), as labelme itself draws it."""
    # Far outside nothing shows; Pillow's integers end there.
    limit = 8 * max(size)
    points = [tuple(p) for p in np.clip(shape["points"], -limit, limit).tolist()]
    canvas = Image.new("1", size[::-1])
    draw = ImageDraw.Draw(canvas)
    if _kind(shape) == "circle":
        (x, y), edge = points[0], points[1]
        radius = float(np.hypot(edge[0] - x, edge[1] - y))
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=1, outline=1)
    elif _kind(shape) == "rectangle":
        (left, top), (right, bottom) = np.sort(points[:2], axis=0).tolist()
        draw.rectangle([left, top, right, bottom], fill=1, outline=1)
    else:
        draw.polygon(points, fill=1, outline=1)
    return np.asarray(canvas)
