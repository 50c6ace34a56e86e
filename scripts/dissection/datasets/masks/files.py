"""Find images, and masks that belong to them by their names."""

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from dissection.categories import CATEGORIES
from dissection.datasets.image_files import is_note_of_a_system
from dissection.datasets.masks.mask_files import LOSSY_ENDINGS, MASK_ENDINGS
from dissection.errors import InputError
from dissection.jobs.logs import log

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm")
SAME_NAME = "{image}"
SHOWN = 5  # names in a message


def find_images(images: Path, pattern: str = SAME_NAME) -> dict[str, Path]:
    """Find the images of a folder and of the folders in it.

    Parameters
    ----------
    images : Path
    pattern : str
        Of the images' paths below the folder, where ``{image}`` stands for anything. Others are
        left out and logged.

    Returns
    -------
    dict of Path
        By the path below the folder, with "/", without ending; in the order of these names.

    Raises
    ------
    InputError
        If there is no folder or no image in it, or if two have one name.
    """
    files = _files(images, IMAGE_ENDINGS, "images")
    found = {name: file for name, file in sorted(files.items()) if _part(pattern, name, file)}
    if not found:
        raise InputError(f"{images}: no image has a name like {pattern}: {listed(sorted(files))}.")
    if len(found) < len(files):
        log.warning(
            "%s: left out, images whose names are not like %s: %s",
            images,
            pattern,
            listed(sorted(files.keys() - found.keys())),
        )
    return found


def find_masks(
    images: dict[str, Path], folder: Path, mask_name: str, image_name: str = SAME_NAME
) -> dict[str, Path]:
    """Find the images' masks in a folder and the folders in it.

    Parameters
    ----------
    images : dict of Path
        As `find_images` returns them.
    folder : Path
    mask_name : str
        A mask's path below the folder. ``{image}`` is what it stands for in ``image_name``, or
        ``{folder}`` and ``{name}``, that part's folder and last name. Without an ending, a mask
        may have any one.
    image_name : str
        The pattern that the images were found with.

    Returns
    -------
    dict of Path
        By the image's name; of images without a mask nothing.

    Raises
    ------
    InputError
        If there is no folder or no mask in it, or if an image has two.
    """
    ending = PurePosixPath(mask_name).suffix.lower()
    endings = (ending,) if ending in MASK_ENDINGS else MASK_ENDINGS
    stem = mask_name[: -len(ending)] if ending in MASK_ENDINGS else mask_name
    files = _files(folder, endings, "masks", LOSSY_ENDINGS)
    found = {}
    for name, file in images.items():
        part = PurePosixPath(_part(image_name, name, file))
        parent = "" if str(part.parent) == "." else str(part.parent)
        expected = stem.format(image=part, folder=parent, name=part.name).lstrip("/")
        if expected in files:
            found[name] = files[expected]
    own, pictures = set(found.values()), set(images.values())
    lonely = [name for name, file in sorted(files.items()) if file not in own | pictures]
    if lonely:
        log.warning("%s: masks without an image: %s", folder, listed(lonely))
    if not found:
        log.warning("%s: no image has a mask named like %s there.", folder, mask_name)
    return found


def match_masks(
    images: Path, folders: Sequence[Path], mask_name: str, image_name: str
) -> tuple[dict[str, Path], list[dict[str, Path]]]:
    """Find images, and their masks of every folder; a mask is no image.

    Raises
    ------
    InputError
        If a folder of masks lies in that of images and names do not keep them apart, if no image
        has a mask, and as `find_images` and `find_masks`.
    """
    for folder in folders:
        if mask_name == image_name == SAME_NAME and (
            folder.resolve().is_relative_to(images.resolve())
        ):
            raise InputError(f"The folder of masks {folder} lies in that of images: move it out.")
    found = find_images(images, image_name)
    masks = [find_masks(found, folder, mask_name, image_name) for folder in folders]
    taken = {file.resolve() for files in masks for file in files.values()}
    found = {name: file for name, file in found.items() if file.resolve() not in taken}
    masks = [{n: file for n, file in files.items() if n in found} for files in masks]
    if not any(masks):
        raise InputError(
            f"No image in {images} has a mask in {', '.join(map(str, folders))}. Images: "
            f"{listed(sorted(found))}; masks: {_listed_files(folders[0])}. Give each mask its "
            "image's name, or say how their names differ (mask_name)."
        )
    return found, masks


def check_names(names: set[str]) -> None:
    """Raise an InputError if a data set in Broden format cannot hold images of these names."""
    label_map = re.compile(rf"(.+)_(?:{'|'.join(CATEGORIES)})(?:_\d+)?")
    for name in sorted(names):
        if any(letter in ";:\\" or not letter.isprintable() for letter in name):
            raise InputError(
                f"The image {name!r} has one of ; : \\ in its name, or something that "
                "cannot be printed, which the tables of Broden cannot hold. Rename it."
            )
        # Label maps lie beside their image, and a second one of a category has a number.
        found = label_map.fullmatch(name)
        if found and found[1] in names:
            raise InputError(
                f"the image '{name}' has the name that the labels of '{found[1]}' get. Rename it."
            )


def listed(names: Sequence[str]) -> str:
    """Return how many names there are, and a few of them.

    Examples
    --------
    >>> listed(["a", "b"]), listed("abcdefg")
    ('2 (a, b)', '7 (a, b, c, d, e, ...)')
    """
    return f"{len(names)} ({', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''})"


def _part(pattern: str, name: str, file: Path) -> str:
    """What a pattern's ``{image}`` stands for in an image's name; nothing if it does not fit."""
    before, _, after = pattern.partition(SAME_NAME)
    if after.lower().endswith(IMAGE_ENDINGS):
        name += file.suffix
    if len(name) <= len(before) + len(after):
        return ""
    fits = name.startswith(before) and name.endswith(after)
    return name[len(before) : len(name) - len(after)] if fits else ""


def _files(
    folder: Path, endings: Sequence[str], what: str, lossy: Sequence[str] = ()
) -> dict[str, Path]:
    """The files of a folder and the folders in it, by their path without ending."""
    if not folder.is_dir():
        raise InputError(f"The folder of {what} {folder} does not exist. Check its path.")
    found: dict[str, Path] = {}
    others: list[Path] = []
    for parent, inner, files in os.walk(folder, followlinks=True):
        inner[:] = [name for name in inner if not is_note_of_a_system(name)]
        for file in files:
            path = Path(parent, file)
            if is_note_of_a_system(file):
                continue
            if path.suffix.lower() not in endings:
                others.append(path)
                continue
            name = path.relative_to(folder).with_suffix("").as_posix()
            if name in found:
                raise InputError(
                    f"{folder}: {found[name].name} and {path.name} have the same name but for "
                    "their ending, so it is not clear which one is meant. Rename one."
                )
            found[name] = path
    if not found:
        with_loss = [path.name for path in others if path.suffix.lower() in lossy]
        more = (
            f" {listed(sorted(with_loss))} are stored with loss, so that they hold numbers that "
            "nobody drew. Export the masks as PNG from where they were drawn."
            if with_loss
            else ""
        )
        raise InputError(
            f"{folder} has no {what}: of {len(others)} files none ends in "
            f"{', '.join(endings)}.{more}"
        )
    return found


def _listed_files(folder: Path) -> str:
    return listed(sorted(_files(folder, MASK_ENDINGS, "masks")))
