"""Find images and masks that belong together by their names, and read them."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from dissection.categories import CATEGORIES
from dissection.datasets.image_files import check_size, is_note_of_a_system, reading
from dissection.datasets.png import GREY, PALETTE, read_head, read_samples
from dissection.errors import InputError
from dissection.jobs.logs import log

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm")
DEEP_MODES = ("I;16", "I;16L", "I;16B", "I", "F")  # more than 8 bits a channel
ORIENTATION, ON_A_SIDE = 0x0112, (5, 6, 7, 8)  # EXIF's tag, and some of its values
SHOWN = 5  # names in a message

_LABEL_MAP = re.compile(rf"(.+)_(?:{'|'.join(CATEGORIES)})(?:_\d+)?")


@dataclass(frozen=True)
class MaskedImage:
    """An image and its masks.

    Attributes
    ----------
    name : str
        Path below the folder of images, with "/", without ending.
    image : Path
    masks : dict of Path
        By number of the folder of masks.
    """

    name: str
    image: Path
    masks: dict[int, Path]


def find_images(images: Path, folders: Sequence[Path]) -> list[MaskedImage]:
    """Find the images that have a mask, in the order of their names; log what is left out.

    Raises
    ------
    InputError
        If a folder is missing or lies in another one, if no image has a mask, or if names cannot
        be kept apart.
    """
    for folder in folders:
        if folder.resolve().is_relative_to(images.resolve()):
            raise InputError(f"The folder of masks {folder} lies in that of images: move it out.")
    image_files = _files(images, IMAGE_ENDINGS, "images")
    mask_files = [_files(folder, (".png",), "masks") for folder in folders]
    for folder, files in zip(folders, mask_files, strict=True):
        lonely = sorted(files.keys() - image_files.keys())
        if lonely:
            log.warning("%s: masks without an image in %s: %s", folder, images, listed(lonely))
    items = []
    for name in sorted(image_files):
        own = {k: files[name] for k, files in enumerate(mask_files) if name in files}
        if own:
            items.append(MaskedImage(name, image_files[name], own))
    if not items:
        raise InputError(
            f"No image in {images} has a mask in {', '.join(map(str, folders))}. Images: "
            f"{listed(sorted(image_files))}; masks: {listed(sorted(mask_files[0]))}. Give each "
            "mask its image's name, with the ending .png."
        )
    left_out = sorted(image_files.keys() - {item.name for item in items})
    if left_out:
        log.warning("%s: left out, images without a mask: %s", images, listed(left_out))
    _check_names({item.name for item in items}, images)
    return items


def _files(folder: Path, endings: Sequence[str], what: str) -> dict[str, Path]:
    """The files of a folder and the folders in it, by their path without ending."""
    if not folder.is_dir():
        raise InputError(f"The folder of {what} {folder} does not exist. Check its path.")
    found: dict[str, Path] = {}
    others = 0
    for parent, inner, files in os.walk(folder, followlinks=True):
        inner[:] = [name for name in inner if not is_note_of_a_system(name)]
        for file in files:
            path = Path(parent, file)
            if is_note_of_a_system(file):
                continue
            if path.suffix.lower() not in endings:
                others += 1
                continue
            name = path.relative_to(folder).with_suffix("").as_posix()
            if name in found:
                raise InputError(
                    f"{folder}: {found[name].name} and {path.name} have the same name but for "
                    "their ending, so it is not clear which one is meant. Rename one."
                )
            found[name] = path
    if not found:
        raise InputError(
            f"{folder} has no {what}: of {others} files none ends in {', '.join(endings)}."
        )
    return found


def _check_names(names: set[str], images: Path) -> None:
    for name in sorted(names):
        if any(letter in ";:\\" or not letter.isprintable() for letter in name):
            raise InputError(
                f"{images}: the image {name!r} has one of ; : \\ in its name, or something that "
                "cannot be printed, which the tables of Broden cannot hold. Rename it."
            )
        # Label maps lie beside their image, and a second one of a category has a number.
        found = _LABEL_MAP.fullmatch(name)
        if found and found[1] in names:
            raise InputError(
                f"{images}: the image '{name}' has the name that the labels of '{found[1]}' get. "
                "Rename it."
            )


def listed(names: Sequence[str]) -> str:
    """Return how many names there are, and a few of them.

    Examples
    --------
    >>> listed(["a", "b"]), listed("abcdefg")
    ('2 (a, b)', '7 (a, b, c, d, e, ...)')
    """
    return f"{len(names)} ({', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''})"


def load_mask(path: Path) -> np.ndarray:
    """Return a mask's values, as they are stored, as uint16 (height, width).

    Raises
    ------
    InputError
        If it is damaged, or has several channels.
    """
    what = f"{path}: the mask"
    with reading(path, what, "Save it again, as PNG."):
        content = path.read_bytes()
        head = read_head(content)
        if head.colour_type in (GREY, PALETTE):
            check_size(head.width, head.height, what)
            return read_samples(content).astype(np.uint16)
    raise InputError(
        f"{what} has several channels (PNG colour type {head.colour_type}). A mask must have one "
        "number a pixel: a PNG in grey or with a palette. Colours are not taken for numbers; save "
        "it with numbers."
    )


@dataclass(frozen=True)
class Photograph:
    """How an image file's pixels are stored and shown.

    Attributes
    ----------
    shown, stored : (int, int)
        Height and width of the image as viewers show it, and as it is stored.
    orientation : int
        1 to 8, of EXIF: how the stored pixels are turned.
    """

    shown: tuple[int, int]
    stored: tuple[int, int]
    orientation: int


def load_upright(path: Path) -> Image.Image:
    """Return an image in RGB, turned as viewers show it.

    Raises
    ------
    InputError
        If it is damaged, or has more than 8 bits a channel.
    """
    what = f"{path}: the image"
    with reading(path, what, "Save it again."), Image.open(path) as image:
        check_size(*image.size, what)
        if image.mode not in DEEP_MODES:
            return ImageOps.exif_transpose(image).convert("RGB")
        mode = image.mode
    raise InputError(f"{what} has more than 8 bits a channel ({mode}). Save it with 8.")


def read_photograph(path: Path) -> Photograph:
    """Return what an image file's head says.

    Raises
    ------
    InputError
        If it is damaged.
    """
    with reading(path, f"{path}: the image", "Save it again."), Image.open(path) as image:
        height_and_width = image.size[::-1]
        orientation = image.getexif().get(ORIENTATION, 1)
        already_shown = image.format == "TIFF"  # Pillow gives the size of what it turns itself
    if orientation not in range(1, 9):
        orientation = 1  # as viewers do
    other = height_and_width[::-1] if orientation in ON_A_SIDE else height_and_width
    shown, stored = (height_and_width, other) if already_shown else (other, height_and_width)
    return Photograph(shown, stored, orientation)
