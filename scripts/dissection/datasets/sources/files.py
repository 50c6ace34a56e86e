"""Files of published data sets: find them in what an archive held, read them, say what is wrong."""

import os
import re
import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dissection.datasets.image_files import check_size, is_note_of_a_system, reading
from dissection.datasets.png import GREY, PALETTE, RGB, read_head, read_samples
from dissection.errors import InputError

# What scipy raises for a file that is cut off, damaged or none of MATLAB's.
MAT_FILE_ERRORS = (
    *(OSError, ValueError, TypeError, KeyError, IndexError, NotImplementedError, struct.error),
    *(zlib.error, MemoryError, UnicodeDecodeError),
)


def remedy(folder: Path) -> str:
    """Say what to do about a damaged file of an unpacked archive."""
    return (
        f"Delete {folder}, then run the same command again to unpack the archive anew; if that "
        "does not help, the archive itself is damaged: delete it, too, to fetch it again."
    )


def files_below(folder: Path, endings: Iterable[str]) -> dict[str, Path]:
    """Return the files with these endings, by their path below the folder without ending.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "a").mkdir()
    >>> _ = (folder / "a/b.JPG").write_text("")
    >>> list(files_below(folder, [".jpg"]))
    ['a/b']
    """
    endings = tuple(endings)
    found = {}
    for parent, inner, files in os.walk(folder):
        inner[:] = sorted(name for name in inner if not is_note_of_a_system(name))
        below = os.path.relpath(parent, folder)
        for name in sorted(files):
            path = Path(parent, name)
            if path.suffix.lower() in endings and not is_note_of_a_system(name):
                found[path.stem if below == "." else f"{below}/{path.stem}"] = path
    return found


def by_stem(files: Mapping[str, Path]) -> dict[str, Path]:
    """Return the same files by their names alone, without folders."""
    return {path.stem: path for path in files.values()}


def require_file(folder: Path, name: str, what: str) -> Path:
    """Return where a file with this name lies below the folder.

    Raises
    ------
    InputError
        If there is none: the archive holds something else than it should.
    """
    found = sorted(folder.rglob(name), key=lambda path: (len(path.parts), path))
    if not found:
        raise other_contents(folder, f"there is no {name}", what)
    return found[0]


def other_contents(folder: Path, problem: str, what: str) -> InputError:
    """Make the error for an archive that is not the one that it was taken for."""
    return InputError(
        f"{folder} does not hold {what}: {problem}. Its archive is another one, or not complete. "
        f"{remedy(folder)} The addresses of the right archives are in config/downloads.yaml."
    )


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file without their ends; empty ones are left out.

    Raises
    ------
    InputError
        If it is no text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = path.read_text(encoding="latin-1")
        except OSError as error:  # pragma: no cover
            raise InputError(f"{path} cannot be read ({error}).") from error
        if "\0" in text:
            raise InputError(f"{path} is no text. {remedy(path.parent)}") from None
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def numbered_names(path: Path, most: int = 65_534) -> list[str]:
    """Read lines of the form ``12: name`` and return the names, by number from 0.

    A number that has no line gets an empty name.

    Raises
    ------
    InputError
        If a line has another form, or a number comes twice.
    """
    names: dict[int, str] = {}
    for place, line in enumerate(read_lines(path), start=1):
        match = re.fullmatch(r"\s*(\d{1,5})\s*:\s*(.+?)\s*", line)
        if not match or int(match[1]) > most or int(match[1]) in names:
            raise InputError(
                f"{path}, line {place}: '{line[:80]}' is not a new number with its name, like "
                f"'1: wall'. {remedy(path.parent)}"
            )
        names[int(match[1])] = match[2]
    if not names:
        raise InputError(f"{path} is empty. {remedy(path.parent)}")
    return [names.get(number, "") for number in range(max(names) + 1)]


def read_photo(path: Path) -> np.ndarray:
    """Return a photo as uint8 (h, w, 3), as it is stored: its labels lie like that.

    Raises
    ------
    InputError
        If it is missing, damaged or cut off.
    """
    what = f"{path}: the photo"
    with reading(path, what, remedy(path.parent)), Image.open(path) as image:
        check_size(*image.size, what)
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def read_numbers(path: Path) -> np.ndarray:
    """Return the numbers of a label image with one a pixel, as uint16 (h, w).

    Raises
    ------
    InputError
        If it is missing, damaged, or no PNG of that kind.
    """
    samples = _read_png(path, (GREY, PALETTE), "one number a pixel")
    return samples.astype(np.uint16)


def read_channels(path: Path) -> np.ndarray:
    """Return a label image in RGB, as uint8 (h, w, 3).

    Raises
    ------
    InputError
        If it is missing, damaged, or no PNG of 8 bits in RGB.
    """
    return _read_png(path, (RGB,), "8 bits in each of three channels")


def _read_png(path: Path, kinds: tuple[int, ...], form: str) -> np.ndarray:
    what = f"{path}: the label image"
    with reading(path, what, remedy(path.parent)):
        content = path.read_bytes()
        head = read_head(content)
        check_size(head.width, head.height, what)
        if head.colour_type in kinds and (head.bits == 8 or RGB not in kinds):
            return read_samples(content)
    raise InputError(
        f"{what} must be a PNG with {form}; it has {head.bits} bits and PNG colour type "
        f"{head.colour_type}. {remedy(path.parent)}"
    )


def read_mat(path: Path, key: str) -> Any:
    """Return one variable of a MATLAB file; structs as objects with their fields.

    Raises
    ------
    InputError
        If the file is missing, damaged, or lacks the variable.
    """
    from scipy.io import loadmat  # most sources need it not

    if not path.is_file():
        raise InputError(f"{path} is missing. {remedy(path.parent)}")
    try:
        found = loadmat(path, variable_names=[key], squeeze_me=True, struct_as_record=False)
    except MAT_FILE_ERRORS as error:
        raise InputError(
            f"{path} is damaged, or no MATLAB file ({error or type(error).__name__}). "
            f"{remedy(path.parent)}"
        ) from error
    if key not in found:
        raise InputError(f"{path} has no variable '{key}'. {remedy(path.parent)}")
    return found[key]


def check_same_size(path: Path, labels: np.ndarray, photo: tuple[int, int], where: Path) -> None:
    """Raise an InputError if a label image has another size than its photo."""
    if labels.shape[:2] != photo:
        raise InputError(
            f"{path}: the labels have {labels.shape[0]} x {labels.shape[1]} pixels, their photo "
            f"{where} {photo[0]} x {photo[1]} (height x width). {remedy(path.parent)}"
        )


def check_numbers(path: Path, labels: np.ndarray, names: int, source: str) -> None:
    """Raise an InputError if labels have a number beyond those that have a name."""
    if labels.size and (greatest := int(labels.max())) > names:
        raise InputError(
            f"{path}: class number {greatest}, but {source} has only {names} classes. "
            f"{remedy(path.parent)}"
        )
