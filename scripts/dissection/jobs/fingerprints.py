"""What files are, in short: a text that changes when they do, whatever their dates say.

A file that is put in the place of another one by ``mv``, ``cp -p`` or ``rsync -a`` keeps its date,
which may be older than the results made of the other one.
"""

import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

SMALL = 2**18  # bytes: up to here a file is read; of larger ones size and date are enough
DIGITS = 16


# Rules ask for the same folders at every job of theirs.
@functools.cache
def fingerprint(*paths: str | Path) -> str:
    """Return a text that tells files and folders from others in their place.

    Of a small file it depends on the contents alone, so that a copy of it counts as the same; of a
    file above 256 KiB on size and date of change; of a folder on names and files in it, at any
    depth. Hidden files are left out, and what does not exist counts as that.

    Parameters
    ----------
    paths : paths
        Their order counts.

    Returns
    -------
    str
        Hexadecimal.
    """
    digest = hashlib.sha256()
    for path in map(Path, paths):
        for part in _parts(path):
            digest.update(part + b"\\0")
    return digest.hexdigest()[:DIGITS]


def _parts(path: Path) -> Iterator[bytes]:
    if not path.is_dir():
        yield _of_file(path)
        return
    for file in _files(path):
        yield str(file.relative_to(path)).encode("utf-8", "surrogateescape")
        yield _of_file(file)


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if not path.is_dir())
    return sorted(path for path in found if not _hidden(path.relative_to(folder)))


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _of_file(path: Path) -> bytes:
    try:
        status = path.stat()
        if status.st_size <= SMALL:
            return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return b"none"
    return f"{status.st_size} bytes, {status.st_mtime_ns}".encode()
