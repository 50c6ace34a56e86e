"""Read every image of a source once, at its full size, and keep what joining needs.

That is the image in its final size, its label maps in theirs, still with the source's own codes,
and how much of the image each label covers at full size.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from dissection.categories import CATEGORIES
from dissection.datasets.color_names import COLOR_NAMES
from dissection.datasets.resizing import nearest, scaled
from dissection.datasets.sources.color_table import colors_of
from dissection.datasets.sources.files import read_photo
from dissection.datasets.sources.records import Labels, Reader, SourceImage
from dissection.errors import InputError
from dissection.jobs.files import whole_folder
from dissection.jobs.logs import log, progress
from dissection.jobs.processes import map_in_processes, useful_processes

QUALITY = 95  # of the images' JPEG files
ROWS, COUNTS, IMAGES, CODES = "source.json", "counts.npz", "images", "codes"


@dataclass(frozen=True, slots=True)
class Converted:
    """A source as `convert_source` left it.

    Attributes
    ----------
    folder : Path
    names : mapping of category to list of str
        Raw names by code, from 1.
    rows : list of dict
        Of each image ``file``, ``channels`` (the categories of its label maps, in their order)
        and ``whole`` (codes of whole-image labels by category).
    counts : mapping of str to array
        A place each for an image's label of a category: ``image`` (place in the rows),
        ``category`` (place in `CATEGORIES`), ``code``, and ``share``, of the image's pixels,
        summed over channels.
    """

    folder: Path
    names: Mapping[str, list[str]]
    rows: list[dict]
    counts: Mapping[str, np.ndarray]


def convert_source(
    reader: Reader,
    folder: Path,
    size: int,
    label_size: int,
    colors: np.ndarray,
    processes: int = 1,
) -> None:
    """Convert all images of a source.

    Parameters
    ----------
    reader : Reader
    folder : Path
        Appears when everything in it is there.
    size, label_size : int
        Height and width of the images, and of their label maps.
    colors : uint8 (2^15,)
        Table for `colors_of`.
    processes : int
        At most; a small source takes fewer.

    Raises
    ------
    InputError
        For the first file that cannot be used; nothing is left of the others then.
    """
    _check_files(reader)
    names = {category: list(names) for category, names in reader.names.items()}
    names["color"] = list(COLOR_NAMES)
    rows, counts = [], []
    with whole_folder(folder) as partial_folder:
        for name in (IMAGES, CODES):
            (partial_folder / name).mkdir()
        work = partial(
            _convert,
            reader=_without_images(reader),
            folder=partial_folder,
            sizes=(size, label_size),
            colors=colors,
        )
        processes = useful_processes(processes, len(reader.images))
        done = map_in_processes(work, reader.images, processes)
        for row, count in progress(done, "images", len(reader.images)):
            counts.append((np.full(len(count[0]), len(rows), np.int32), *count))
            rows.append(row)
        arrays = [np.concatenate(column) for column in zip(*counts, strict=True)]
        fields = ("image", "category", "code", "share")
        np.savez(partial_folder / COUNTS, **dict(zip(fields, arrays, strict=True)))
        text = json.dumps({"names": names, "rows": rows})
        (partial_folder / ROWS).write_text(text, encoding="utf-8")
    log.info("%d images are converted", len(rows))


def load_converted(folder: Path) -> Converted:
    """Read what `convert_source` wrote, apart from images and label maps."""
    about = json.loads((folder / ROWS).read_text(encoding="utf-8"))
    with np.load(folder / COUNTS) as counts:
        return Converted(folder, about["names"], about["rows"], dict(counts))


def load_codes(folder: Path, row: Mapping) -> np.ndarray:
    """Return an image's label maps, uint16 (channels, height, width)."""
    stacked = cv2.imread(str(_codes_file(folder, row["file"])), cv2.IMREAD_UNCHANGED)
    return stacked.reshape(len(row["channels"]), -1, stacked.shape[1])


def _codes_file(folder: Path, file: str) -> Path:
    return folder / CODES / f"{Path(file).stem}.png"


def _check_files(reader: Reader) -> None:
    if not reader.images:
        raise InputError("The source has no images. Its archive may be another one; see its log.")
    stems: dict[str, Path] = {}
    for image in reader.images:
        if not image.file.isprintable() or any(letter in ";:/\\" for letter in image.file):
            raise InputError(
                f"{image.photo}: a name with one of ; : / \\ in it, or with something that cannot "
                "be printed, fits in no table of Broden. Rename the image and its labels."
            )
        other = stems.setdefault(Path(image.file).stem, image.photo)
        if other != image.photo:
            raise InputError(f"{image.photo} has the same name as {other}. Rename or delete one.")


@dataclass(frozen=True, slots=True)
class _LabelsOnly:
    """A reader without its list of images, which every process would get a copy of."""

    reader: Reader

    def labels(self, image: SourceImage) -> Labels:
        return self.reader.labels(image)


def _without_images(reader: Reader) -> _LabelsOnly:
    return _LabelsOnly(type(reader)(names=reader.names, images=()))


def _convert(
    image: SourceImage,
    reader: _LabelsOnly,
    folder: Path,
    sizes: tuple[int, int],
    colors: np.ndarray,
) -> tuple[dict, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Convert one image; return its row, and category, code and share of each of its labels."""
    cv2.setNumThreads(1)  # processes are the parallel ones
    size, label_size = sizes
    pixels = read_photo(image.photo)
    labels = reader.labels(image)
    maps = {**labels.maps, "color": [colors_of(pixels, colors)]}
    channels, small, counts = [], [], []
    for category in CATEGORIES:
        found = maps.get(category, [])
        for place, channel in enumerate(found):
            if channel.shape != pixels.shape[:2]:
                raise InputError(
                    f"{labels.files[category][place]}: the labels have {_size(channel.shape)} "
                    f"pixels, their photo {image.photo} {_size(pixels.shape)} (height x width). "
                    "They do not belong together: one of the archives is another one, or damaged. "
                    "Delete it, then run the same command again to fetch it anew."
                )
            channels.append(category)
            small.append(nearest(channel, (label_size, label_size)).astype(np.uint16))
        counts.append(_shares(category, found, labels.whole.get(category, [])))
    resized = Image.fromarray(scaled(pixels, (size, size)))
    resized.save(folder / IMAGES / image.file, "JPEG", quality=QUALITY)
    _, content = cv2.imencode(".png", np.concatenate(small), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    _codes_file(folder, image.file).write_bytes(content)
    whole = {category: list(codes) for category, codes in labels.whole.items() if codes}
    row = {"file": image.file, "channels": channels, "whole": whole}
    category, code, share = (np.concatenate(column) for column in zip(*counts, strict=True))
    return row, (category, code, share)


def _shares(
    category: str, channels: list[np.ndarray], whole: list[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Category, code and share of the image, over all channels, of the labels that it has."""
    shares = np.zeros(1)
    for channel in channels:
        pixels = np.bincount(channel.ravel())
        shares = np.pad(shares, (0, max(0, len(pixels) - len(shares))))
        shares[: len(pixels)] += pixels / channel.size
    if whole:
        shares = np.pad(shares, (0, max(0, max(whole) + 1 - len(shares))))
        shares[whole] += 1  # a label of the whole image covers all of it
    shares[0] = 0
    codes = np.flatnonzero(shares)
    places = np.full(len(codes), CATEGORIES.index(category), np.int8)
    return places, codes.astype(np.uint16), shares[codes]


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} x {shape[1]}"
