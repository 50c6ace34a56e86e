"""Unpack a zip archive from somewhere: whole or not at all, and never outside its folder."""

import re
import stat
import zipfile
import zlib
from collections import Counter
from pathlib import Path

from dissection.errors import InputError
from dissection.jobs.disk_space import megabytes, named_if_full, require_room
from dissection.jobs.files import whole_folder
from dissection.jobs.logs import log, progress

PIECE = 1 << 20  # bytes
BLOCK = 4096  # bytes; a file takes whole blocks of the disk
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
ENCRYPTED = 0x1 | 0x40 | 0x2000  # flags: entry, strong encryption, masked headers
DRIVE = re.compile(r"[A-Za-z]:")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def unpack(
    archive: str | Path,
    folder: str | Path,
    *,
    max_size: int = 100_000_000_000,
    max_ratio: float = 30.0,
) -> None:
    """Unpack a zip archive into a folder, which appears when every file in it is whole.

    If all files lie in one folder of the archive, that folder's contents are taken. Permissions
    and times in the archive are ignored.

    Parameters
    ----------
    archive : str or Path
    folder : str or Path
        Replaced if it exists.
    max_size : int
        Bytes that the files may take together.
    max_ratio : float
        How many times larger than the archive they may be. Images hardly shrink in an archive;
        tables do, about tenfold.

    Raises
    ------
    InputError
        If the archive is cut off, damaged (every file's CRC is compared) or encrypted; if an
        entry would end outside the folder, twice in the same place, or is neither a file nor a
        folder; if it is too large; if the disk is full. The message names the archive and entry.
    """
    archive, folder = Path(archive), Path(folder)
    remedy = f"Delete {archive}, then run the same command again to fetch it anew."
    if not archive.is_file():
        raise InputError(f"There is no archive {archive}.")
    try:
        opened = zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise InputError(
            f"{archive} is cut off, or is no zip archive ({error}). {remedy}"
        ) from error
    with opened:
        files = _files(opened.infolist(), archive)
        total = sum(entry.file_size for entry in files)
        allowed = min(max_size, max_ratio * archive.stat().st_size)
        if total > allowed:
            raise InputError(
                f"{archive} claims to hold {megabytes(total)}, more than the {megabytes(allowed)} "
                f"that a sound archive of its size would. {remedy}"
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        needed = sum(-(-entry.file_size // BLOCK) * BLOCK for entry in files)
        require_room(folder.parent, needed, f"unpacking {archive.name}")
        log.info("Unpacking %s: %d files, %s", archive, len(files), megabytes(total))
        with named_if_full(str(folder)), whole_folder(folder) as partial:
            for path in {path.rpartition("/")[0] for path in files.values()}:
                (partial / path).mkdir(parents=True, exist_ok=True)
            for entry, path in progress(files.items(), "files"):
                _extract(opened, entry, partial / path, archive, remedy)


def _files(entries: list[zipfile.ZipInfo], archive: Path) -> dict[zipfile.ZipInfo, str]:
    """Return the archive's files and where each goes in the folder, if all entries are harmless."""
    # Broden has hundreds of thousands of entries: lists of strings, because paths take ten times
    # as long.
    steps: dict[zipfile.ZipInfo, list[str]] = {}
    for entry in entries:
        parts = [part for part in entry.orig_filename.split("/") if part not in ("", ".")]
        problem = _problem(entry, parts)
        if problem:
            raise InputError(
                f"{archive}: the entry {entry.orig_filename!r} {problem}. No file of the "
                "published archives is like that: do not use this one."
            )
        if not entry.is_dir():
            steps[entry] = parts
    if not steps:
        raise InputError(f"{archive} has no files in it.")
    if len({parts[0] for parts in steps.values()}) == 1 and min(map(len, steps.values())) > 1:
        steps = {entry: parts[1:] for entry, parts in steps.items()}

    files = {entry: "/".join(parts) for entry, parts in steps.items()}
    folders = {"/".join(parts[:depth]) for parts in steps.values() for depth in range(len(parts))}
    for path, count in Counter(files.values()).items():
        if count > 1 or path in folders:
            what = "twice" if count > 1 else "as a file and as a folder"
            raise InputError(f"{archive} has {path!r} {what}: do not use this archive.")
    return files


def _problem(entry: zipfile.ZipInfo, parts: list[str]) -> str | None:
    """Return what would be dangerous about an entry, as the end of a sentence about it."""
    name = entry.orig_filename  # as it stands in the archive, before zipfile mends it
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if name.startswith("/") or DRIVE.match(name):
        return "has an absolute path"
    if ".." in parts:
        return "leads out of the folder"
    if "\\" in name:
        return "has a backslash in its name"
    if CONTROL.search(name) or not parts:
        return "has a name that no file can have"
    if kind == stat.S_IFLNK:
        return "is a symbolic link"
    if kind not in (0, stat.S_IFDIR if entry.is_dir() else stat.S_IFREG):
        return "is neither a file nor a folder"
    if entry.flag_bits & ENCRYPTED:
        return "is encrypted"
    if entry.compress_type not in METHODS:
        return f"is compressed by method {entry.compress_type}; only deflate is known here"
    return None


def _extract(
    opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, archive: Path, remedy: str
) -> None:
    try:
        # "x": two names that are the same to this file system are an error too.
        with opened.open(entry) as source, target.open("xb") as file:
            while piece := source.read(PIECE):
                file.write(piece)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as error:
        raise InputError(
            f"{archive}: the entry {entry.filename!r} is damaged ({error}). {remedy}"
        ) from error
    except FileExistsError as error:
        raise InputError(
            f"{archive} has {entry.filename!r} twice, in names that this file system does not "
            "tell apart."
        ) from error
