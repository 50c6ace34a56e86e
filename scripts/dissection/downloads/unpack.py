"""Unpack an archive from somewhere (zip, tar, tar.gz): whole or not at all, and never outside its
folder.

The library's own unpacking is not used: each file is written anew under a checked name, so that
nothing else of the archive (links, modes, owners, times) can have an effect.
"""

import errno
import os
import re
import stat
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from dissection.downloads.archives import TooLargeError, allowed_size, open_tar
from dissection.errors import InputError, first_line
from dissection.jobs.disk_space import megabytes, named_if_full, require_room
from dissection.jobs.files import whole_folder
from dissection.jobs.logs import log, progress

PIECE = 1 << 18  # bytes
BLOCK = 4096  # bytes; a file takes whole blocks of the disk
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
ENCRYPTED = 0x1 | 0x40 | 0x2000  # flags: entry, strong encryption, masked headers
DRIVE = re.compile(r"[A-Za-z]:")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
NOT_UTF8 = re.compile(r"[\ud800-\udfff]")  # as such Python keeps bytes that are none
LITTER = {"__MACOSX", ".DS_Store"}  # of macOS; as are files whose name begins with "._"
NAME_ERRORS = {errno.EEXIST, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of an archive.

    ``name`` is as it stands in the archive; ``problem`` says, as the end of a sentence, why the
    entry is none to unpack; ``source`` is what the archive's reader calls it.
    """

    name: str
    size: int
    is_folder: bool
    problem: str | None
    source: Any


def unpack(
    archive: str | Path,
    folder: str | Path,
    *,
    check: Callable[[Path], None] | None = None,
    remedy: str | None = None,
    max_size: int = 100_000_000_000,
    max_ratio: float = 30.0,
) -> None:
    """Unpack an archive into a folder, which appears when every file in it is whole.

    The first bytes of the archive tell its format. If all files lie in one folder of the archive,
    that folder's contents are taken. Permissions and times are ignored, what macOS adds
    (``__MACOSX/``, ``._*``, ``.DS_Store``) is left out. An archive with a link is refused, not
    unpacked without it: something would be missing.

    Parameters
    ----------
    archive : str or Path
    folder : str or Path
        Replaced if it exists.
    check : callable, optional
        Takes the path of the unpacked files before they become ``folder``; an error that it
        raises leaves nothing of them.
    remedy : str, optional
        What to do about a damaged archive, as a sentence; else, to delete it and fetch it anew.
    max_size : int
        Bytes that the files may take together.
    max_ratio : float
        How many times larger than the archive they may be.

    Raises
    ------
    InputError
        If the archive is cut off, damaged (zip and gzip have checksums, which are compared; a
        plain tar has none for its files' contents) or encrypted; if an entry would end outside
        the folder, twice in the same place, or is neither a file nor a folder; if it is too
        large; if the disk is full. The message names the archive and entry.
    """
    archive, folder = Path(archive), Path(folder)
    if not archive.is_file():
        raise InputError(f"There is no archive {archive}.")
    remedy = remedy or f"Delete {archive}, then run the same command again to fetch it anew."
    allowed = min(max_size, allowed_size(archive, max_ratio))
    with ExitStack() as stack:
        try:
            entries, open_entry = _open(archive, allowed, stack)
        except TooLargeError as error:
            raise _too_large(archive, "holds more", allowed, remedy) from error
        except Exception as error:  # of any kind: what reads archives trusts them too much
            raise InputError(
                f"{archive} is cut off or damaged, or is no zip, tar or tar.gz archive "
                f"({first_line(error)}). {remedy}"
            ) from error
        files = _files(entries, archive)
        total = sum(entry.size for entry, _ in files)
        if total > allowed:
            raise _too_large(archive, f"claims to hold {megabytes(total)}, more", allowed, remedy)
        folder.parent.mkdir(parents=True, exist_ok=True)
        needed = sum(-(-entry.size // BLOCK) * BLOCK for entry, _ in files)
        require_room(folder.parent, needed, f"unpacking {archive.name}")
        log.info("Unpacking %s: %d files, %s", archive, len(files), megabytes(total))
        with named_if_full(str(folder)), whole_folder(folder) as partial:
            for path in {path.rpartition("/")[0] for _, path in files}:
                with _takes(archive, path):
                    (partial / path).mkdir(parents=True, exist_ok=True)
            for entry, path in progress(files, "files"):
                # "x": two names that are the same to this file system are an error too.
                with _takes(archive, path):
                    file = (partial / path).open("xb")
                with file:
                    for piece in _pieces(open_entry, entry, archive, remedy):
                        file.write(piece)
            if check:
                check(partial)


def _open(
    archive: Path, allowed: float, stack: ExitStack
) -> tuple[list[_Entry], Callable[[Any], IO[bytes]]]:
    """Return an archive's entries, and what opens the source of one; the stack closes it all."""
    with archive.open("rb") as file:
        is_zip = file.read(2) == b"PK"
    if is_zip:
        opened = stack.enter_context(zipfile.ZipFile(archive))
        return [_zip_entry(entry) for entry in opened.infolist()], opened.open
    tar = stack.enter_context(open_tar(archive, allowed))
    return [_tar_entry(entry) for entry in tar.entries()], tar.open


def _zip_entry(entry: zipfile.ZipInfo) -> _Entry:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    problem = None
    if kind == stat.S_IFLNK:
        problem = "is a symbolic link"
    elif kind not in (0, stat.S_IFDIR if entry.is_dir() else stat.S_IFREG):
        problem = "is neither a file nor a folder"
    elif entry.flag_bits & ENCRYPTED:
        problem = "is encrypted"
    elif entry.compress_type not in METHODS:
        problem = f"is compressed by method {entry.compress_type}; only deflate is known here"
    # The name before zipfile mends it.
    return _Entry(entry.orig_filename, entry.file_size, entry.is_dir(), problem, entry)


def _tar_entry(entry: tarfile.TarInfo) -> _Entry:
    problem = None
    if entry.issym() or entry.islnk():
        problem = f"is a {'symbolic' if entry.issym() else 'hard'} link"
    elif not (entry.isreg() or entry.isdir()):
        problem = "is neither a file nor a folder"
    return _Entry(entry.name, entry.size, entry.isdir(), problem, entry)


def _files(entries: list[_Entry], archive: Path) -> list[tuple[_Entry, str]]:
    """Return the archive's files and where each goes in the folder, if all entries are harmless."""
    # Broden has hundreds of thousands of entries: lists of strings, because paths take ten times
    # as long.
    found: list[tuple[_Entry, list[str]]] = []
    left_out = 0
    for entry in entries:
        steps = [step for step in entry.name.split("/") if step not in ("", ".")]
        if not LITTER.isdisjoint(steps) or (steps and steps[-1].startswith("._")):
            left_out += 1
            continue
        problem = _name_problem(entry, steps) or entry.problem
        if problem:
            raise InputError(
                f"{archive}: the entry {entry.name!r} {problem}. No file of the "
                "published archives is like that: do not use this one."
            )
        if not entry.is_folder:
            found.append((entry, steps))
    if left_out:
        log.info("%s: %d entries that macOS adds are left out", archive, left_out)
    if not found:
        raise InputError(f"{archive} has no files in it.")
    only_one = len({steps[0] for _, steps in found}) == 1
    if only_one and all(len(steps) > 1 for _, steps in found):
        found = [(entry, steps[1:]) for entry, steps in found]

    files = [(entry, "/".join(steps)) for entry, steps in found]
    folders = {"/".join(steps[:depth]) for _, steps in found for depth in range(len(steps))}
    for path, count in Counter(path for _, path in files).items():
        if count > 1 or path in folders:
            what = "twice" if count > 1 else "as a file and as a folder"
            raise InputError(f"{archive} has {path!r} {what}: do not use this archive.")
    return files


def _name_problem(entry: _Entry, steps: list[str]) -> str | None:
    """Return what would be dangerous about an entry's name, as the end of a sentence about it."""
    name = entry.name
    if name.startswith("/") or DRIVE.match(name):
        return "has an absolute path"
    if ".." in steps:
        return "leads out of the folder"
    if "\\" in name:
        return "has a backslash in its name"
    if CONTROL.search(name) or not (steps or entry.is_folder):
        return "has a name that no file can have"
    if NOT_UTF8.search(name):
        return "has a name that is not UTF-8"
    return None


@contextmanager
def _takes(archive: Path, path: str) -> Iterator[None]:
    """Make it an error of the archive if this file system cannot have one of its names."""
    try:
        yield
    except OSError as error:
        if error.errno not in NAME_ERRORS:
            raise
        raise InputError(
            f"{archive} has {path!r}, which cannot be made here ({os.strerror(error.errno)}): two "
            "names may be one to this file system, or a name too long. Unpack on another one."
        ) from error


def _pieces(
    open_entry: Callable[[Any], IO[bytes]], entry: _Entry, archive: Path, remedy: str
) -> Iterator[bytes]:
    """Yield what a file of the archive holds."""
    try:
        with open_entry(entry.source) as content:
            while piece := content.read(PIECE):
                yield piece
    except Exception as error:  # only what reading raises: the caller writes outside of this
        raise InputError(
            f"{archive}: the entry {entry.name!r} is damaged ({first_line(error)}). {remedy}"
        ) from error


def _too_large(archive: Path, what: str, allowed: float, remedy: str) -> InputError:
    return InputError(
        f"{archive} {what} than the {megabytes(allowed)} that a sound archive of its size would. "
        f"{remedy}"
    )
