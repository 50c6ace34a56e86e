"""Names of files, and outputs that appear whole or not at all: write beside, then rename."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def layer_file_name(layer: str) -> str:
    """Return a layer's name as it stands in file names.

    Examples
    --------
    >>> layer_file_name("inception_5b/output"), layer_file_name("relu:2")
    ('inception_5b-output', 'relu-2')
    """
    # Nothing that a shell, a URL, or Snakemake, which takes braces for wildcards, reads otherwise.
    return re.sub(r"[^\w.@+=,-]", "-", layer)


def _beside(target: Path) -> Path:
    # Hidden, on the same file system (a rename must not copy), and the same at every try, so
    # that a killed run leaves at most one such leftover, which the next try replaces.
    return target.with_name(f".{target.name}.partial")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def whole_file(target: str | Path) -> Iterator[Path]:
    """Yield a path to write to; it becomes ``target`` only if the block ends without an error.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with whole_file(folder / "a.txt") as path:
    ...     _ = path.write_text("complete")
    >>> [p.name for p in folder.iterdir()]
    ['a.txt']
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = _beside(target)
    _remove(partial)
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(target)
    except BaseException:
        _remove(partial)
        raise


@contextmanager
def whole_folder(target: str | Path) -> Iterator[Path]:
    """Yield a new, empty folder; it replaces ``target`` only if the block ends without an error."""
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = _beside(target)
    _remove(partial)
    partial.mkdir()
    try:
        yield partial
        _remove(target)
        partial.replace(target)
    except BaseException:
        _remove(partial)
        raise
