"""What kind of file a network's file is, from its first bytes and the names in its archive."""

import zipfile
from pathlib import Path

from dissection.errors import InputError

# What each kind is, and the key of the configuration that takes it.
WEIGHTS, TORCHSCRIPT, EXPORTED = "weights", "TorchScript", "exported"
_TAKEN = {
    WEIGHTS: (
        "one of torch.save or of safetensors, which holds weights",
        "`factory`, `checkpoint` or `timm`",
    ),
    TORCHSCRIPT: ("one of torch.jit.save, which holds a whole network", "`torchscript`"),
    EXPORTED: ("one of torch.export.save, which holds a whole network", "`exported`"),
}
_FIRST_BYTES = {
    b"\x89HDF": "a file of HDF5, as Keras writes it",
    b"version https://git-lfs": "a note of Git LFS that stands for the file; fetch the file itself",
    b"<": "a page of the web; fetch the file itself",
}


def require_kind(path: Path, kind: str) -> None:
    """Refuse a network's file that does not exist, is empty or clearly of another kind.

    Raises
    ------
    InputError
        Says what it is, and which key of the configuration takes it.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"The network's file {path} {what}. Check its path.")
    if not path.stat().st_size:
        raise InputError(f"The network's file {path} is empty. Save or fetch it again.")
    found = _kind_of(path)
    if found in (kind, ""):
        return
    what, key = _TAKEN.get(found, (found, ""))
    advice = f" Give it to {key}." if key else ""
    raise InputError(
        f"{path} is not a file of the kind that is read here ({_TAKEN[kind][0]}), but {what}."
        f"{advice}"
    )


def is_safetensors(path: Path) -> bool:
    """Whether a file begins as those of safetensors do: the length of its table, and the table."""
    with path.open("rb") as file:
        head = file.read(9)
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size


def _kind_of(path: Path) -> str:
    """Return one of the kinds, a description of another one, or nothing if it is not known."""
    with path.open("rb") as file:
        head = file.read(64)
    for start, description in _FIRST_BYTES.items():
        if head.lstrip().startswith(start):
            return description
    if is_safetensors(path):
        return WEIGHTS
    if head.startswith(b"\x80\x02"):
        return WEIGHTS  # a pickle, before torch wrote archives
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.partition("/")[2] for name in archive.namelist()}
            names |= set(archive.namelist())  # old exports have no folder around all
    except (zipfile.BadZipFile, OSError):
        return ""
    if "constants.pkl" in names:
        return TORCHSCRIPT
    if names & {"archive_format", "serialized_exported_program.json"}:
        return EXPORTED
    return WEIGHTS if "data.pkl" in names else ""
