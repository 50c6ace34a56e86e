"""Notes of checked downloads: what rules take for the files themselves, which may be exchanged."""

import hashlib
import json
from pathlib import Path

from dissection.downloads.first_use_hashes import RECORD
from dissection.errors import InputError
from dissection.jobs.files import whole_file


def write_note(note: str | Path, file: str | Path) -> str:
    """Note a file that has just been checked, with its size, time and sha256; return the sha256."""
    status = Path(file).stat()  # first: a change from here on is noticed
    content = {
        "file": str(file),
        "size": status.st_size,
        "modified_ns": status.st_mtime_ns,
        "sha256": _sha256(file),
    }
    with whole_file(note) as path:
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return content["sha256"]


def noted_file(note: str | Path) -> Path:
    """Return the path of the file that a note is about.

    Raises
    ------
    InputError
        If the file is gone.
    """
    file = Path(json.loads(Path(note).read_text(encoding="utf-8"))["file"])
    if not file.is_file():
        raise InputError(
            f"{file} is gone since it was checked. Put it back; or delete {note}, then run the "
            "same command again to fetch it."
        )
    return file


def other_file_advice(note: str | Path) -> str:
    """Say how to get another file in place of one that was checked and is of no use after all."""
    file = Path(json.loads(Path(note).read_text(encoding="utf-8"))["file"])
    return (
        f"Delete {file} and {note}, and the entry of {file.name} in {RECORD} if there is one; then "
        "run the same command again to fetch it anew."
    )


def exchange_problem(note: str | Path) -> str | None:
    """Say how a file differs from its note, and what to do; None if it is the same, or gone.

    The file is read only if its size or its time is another one.
    """
    noted = json.loads(Path(note).read_text(encoding="utf-8"))
    file = Path(noted["file"])
    if not file.is_file():
        return None  # what was made of it stays as it is
    status = file.stat()
    if (status.st_size, status.st_mtime_ns) == (noted["size"], noted["modified_ns"]):
        return None
    found = _sha256(file)
    if found == noted["sha256"]:
        return None
    return (
        f"{file} is no longer the file that was checked: it has the sha256 {found}, but "
        f"{noted['sha256']} was noted in {note}. Results of the two would mix. Put the checked "
        f"file back; or delete {note}, then run the same command again to have this one checked "
        "and everything made of it anew."
    )


def _sha256(file: str | Path) -> str:
    with Path(file).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
