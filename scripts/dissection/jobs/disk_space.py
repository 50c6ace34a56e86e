"""A full disk, noticed before or while writing, as a message for a person."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dissection.errors import InputError

# No space left on the device, quota used up, limit on the size of a file.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def megabytes(size: float) -> str:
    """Return a number of bytes in readable form.

    Examples
    --------
    >>> megabytes(975_312_000), megabytes(2_500)
    ('975.3 MB', '2.5 kB')
    """
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB"


def require_room(folder: Path, needed: int, what: str) -> None:
    """Raise an InputError if the disk of an existing folder has less than ``needed`` bytes free."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"Too little disk space: {what} takes {megabytes(needed)} more in {folder}, where "
            f"{megabytes(free)} are free. Free some space, then run the same command again."
        )


@contextmanager
def named_if_full(what: str) -> Iterator[None]:
    """Turn the errors of a full disk into an InputError that says what was being written."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise InputError(
            f"The disk is full ({os.strerror(error.errno)}) while writing {what}. Free some "
            "space, then run the same command again."
        ) from error
