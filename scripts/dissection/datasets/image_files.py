"""Image files: what goes wrong when they are read, in words; and those that are no images."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from dissection.errors import InputError

# What Pillow raises for an image file that is missing, damaged, cut off, or none at all.
IMAGE_FILE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
MAX_PIXELS = 500_000_000  # 1.5 GB in RGB
# Pillow's own limit is a third of this, and what it says about it sounds like an attack.
Image.MAX_IMAGE_PIXELS = None


@contextmanager
def reading(path: Path, what: str, remedy: str) -> Iterator[None]:
    """Turn what reading an image raises into an InputError that says what is wrong with the file.

    Parameters
    ----------
    path : Path
    what : str
        The file, as the message begins.
    remedy : str
        What to do about a damaged file.
    """
    try:
        yield
    except IMAGE_FILE_ERRORS as error:
        if path.is_symlink() and not path.exists():
            problem = f"is a link to {path.readlink()}, where there is no file. Mend the link."
        elif isinstance(error, OSError) and error.errno:
            problem = f"cannot be read: {error.strerror}. Check the file and its permissions."
        else:
            problem = f"is damaged ({error}). {remedy}"
        raise InputError(f"{what} {problem}") from error


def check_size(width: int, height: int, what: str) -> None:
    """Raise an InputError if an image is too large to be read; ``what`` begins the message."""
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{what} has {width * height:,} pixels ({height} x {width}); more than "
            f"{MAX_PIXELS:,} are not read. Scale it down."
        )


def is_note_of_a_system(name: str) -> bool:
    """Return whether a file or folder is a system's own, some of which are named like images.

    Examples
    --------
    >>> [is_note_of_a_system(name) for name in ("._a.png", ".DS_Store", "__MACOSX", "a.png")]
    [True, True, True, False]
    """
    return name.startswith(".") or name == "__MACOSX"
