"""The registry of files to download: what config/downloads.yaml may say, and fetching by name."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from dissection.downloads.fetch import fetch
from dissection.downloads.file_checks import PROBLEMS
from dissection.downloads.first_use_hashes import RECORD
from dissection.downloads.hub import HUB, fetch_from_hub
from dissection.downloads.unpack import unpack
from dissection.errors import InputError, did_you_mean
from dissection.jobs.files import whole_file
from dissection.jobs.schemas import read_yaml, schema_problems

HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.pth$")


def _digits(least: int, most: int) -> dict[str, Any]:
    count = str(least) if least == most else f"{least} to {most}"
    return {
        "type": "string",
        "pattern": rf"^[0-9a-f]{{{least},{most}}}\Z",
        "expected": f"{count} hexadecimal digits in lower case (if need be in quotes)",
    }


# Of config/downloads.yaml; what the keys mean stands at `Download`.
SCHEMA = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "additionalProperties": False,
        "required": ["path", "kind"],
        "properties": {
            "path": {
                "type": "string",
                "pattern": r"^(?!\.{1,2}(/|\Z))[^/\\]+(/(?!\.{1,2}(/|\Z))[^/\\]+)*\Z",
                "expected": "a path within the folder of downloads, like broden/broden1_227.zip",
            },
            "urls": {
                "type": "array",
                "minItems": 1,
                "uniqueItems": True,
                "expected": "a list of different addresses",
                "items": {
                    "type": "string",
                    "pattern": r"^https?://[^/\s]+(/\S*)?\Z",
                    "expected": "a http or https URL",
                },
            },
            "archive": {"type": "string", "expected": "the name of another entry"},
            "member": {
                "type": "string",
                "pattern": r"^[^/\\]+\Z",
                "expected": "a file's name, or a pattern with *",
            },
            "kind": {"enum": list(PROBLEMS)},
            "md5": _digits(32, 32),
            "sha1": _digits(40, 40),
            # Some publishers give only the head of a sha256, in the file's name.
            "sha256": _digits(8, 64),
            "size": {"type": "integer", "minimum": 1, "expected": "a number of bytes"},
            "note": {"type": "string"},
        },
    },
}


@dataclass(frozen=True)
class Download:
    """A file to download.

    Attributes
    ----------
    name : str
        By which the configuration and the log call it.
    path : str
        Where it goes, relative to the folder of all downloads, with ``/``.
    urls : tuple of str
        Its sources, the best one first: of a file within an archive those of the archive. None if
        it has to be put there by hand.
    kind : str
        What it must look like: a key of `dissection.downloads.file_checks.PROBLEMS`.
    md5, sha1, sha256 : str or None
        Its checksum, as far as one is known. A sha256 may be given by its head.
    size : int or None
        Bytes, if known exactly.
    note : str
        For people: what it is, where its checksum comes from.
    archive : Download or None
        What it is unpacked from.
    member : str
        Its name there, or a pattern with ``*`` that fits it alone.
    """

    name: str
    path: str
    urls: tuple[str, ...]
    kind: str
    md5: str | None = None
    sha1: str | None = None
    sha256: str | None = None
    size: int | None = None
    note: str = ""
    archive: "Download | None" = None
    member: str = ""


def read_registry(file: str | Path) -> dict[str, Download]:
    """Read and check the registry.

    Parameters
    ----------
    file : str or Path
        YAML: entries by name, each with the other attributes of `Download` as its keys.

    Returns
    -------
    dict of str to Download
        In the file's order.

    Raises
    ------
    InputError
        With every mistake found: the entry, the key, what is allowed.
    """
    entries = read_yaml(file)
    if not isinstance(entries, dict) or not entries:
        raise InputError(f"{file} has no entries.")
    problems = schema_problems(entries, SCHEMA)
    names_by_path: dict[str, str] = {}
    for name, entry in {} if problems else entries.items():
        other = names_by_path.setdefault(entry["path"], name)
        if other != name:
            problems.append(f"{name}.path: it is that of {other} too.")
        ways = (set(), {"urls"}, {"archive", "member"})  # none: it is put there by hand
        if {"urls", "archive", "member"} & entry.keys() not in ways:
            problems.append(f"{name}: give urls, or archive and member.")
        elif "archive" in entry and "urls" not in entries.get(entry["archive"], {}):
            problems.append(f"{name}.archive: there is no entry '{entry['archive']}' with urls.")
    if problems:
        raise InputError(f"{file} has mistakes:\n  " + "\n  ".join(problems))

    def download(name: str) -> Download:
        entry = entries[name]
        archive = download(entry["archive"]) if "archive" in entry else None
        urls = archive.urls if archive else tuple(entry.get("urls", ()))
        return Download(name=name, **(entry | {"urls": urls, "archive": archive}))

    return {name: download(name) for name in entries}


def torchvision_download(weights: str) -> Download:
    """Return where torchvision's own weights are, with the head of the sha256 in their name.

    Parameters
    ----------
    weights : str
        Name of an entry of torchvision's enumerations, as in ``AlexNet_Weights.IMAGENET1K_V1``.

    Raises
    ------
    InputError
        If there is no such entry.

    Examples
    --------
    >>> download = torchvision_download("AlexNet_Weights.IMAGENET1K_V1")
    >>> download.path, download.sha256
    ('torchvision/alexnet-owt-7be5be79.pth', '7be5be79')
    """
    from torchvision import models  # takes seconds, and most users of this module need it not

    try:
        url = models.get_weight(weights).url
    except (ValueError, AttributeError, KeyError) as error:
        names = [
            str(entry)
            for name in models.list_models(module=models)
            for entry in models.get_model_weights(name)
        ]
        hint = did_you_mean(weights, names)
        raise InputError(f"torchvision has no weights named '{weights}'.{hint}") from error
    file = PurePosixPath(urlsplit(url).path).name
    head = HASH_IN_NAME.search(file)
    return Download(
        name=weights,
        path=f"torchvision/{file}",
        urls=(url,),
        kind="checkpoint",
        sha256=head and head[1],
        note="Address and the head of the sha256 as torchvision has them.",
    )


def fetch_named(name: str, registry: str | Path, folder: str | Path, **options: Any) -> Path:
    """Fetch what a configuration names: weights of torchvision or timm, or an entry of a registry.

    Parameters
    ----------
    name : str
        As ``downloads`` of a network's source gives it.
    registry : str or Path
        The file of the registry.
    folder : str or Path
        Of all downloads.
    **options
        Of `dissection.downloads.fetch.fetch`; the Hub's client has its own.
    """
    if name.startswith(HUB):
        return fetch_from_hub(name, folder)
    published = "_Weights." in name
    download = torchvision_download(name) if published else read_registry(registry)[name]
    return fetch_download(download, folder, **options)


def fetch_download(download: Download, folder: str | Path, **options: Any) -> Path:
    """Fetch a file of the registry into the folder of all downloads and return its path.

    ``options`` go to `dissection.downloads.fetch.fetch`, which describes the checks and errors.
    """
    folder = Path(folder)
    if download.archive and not (folder / download.path).exists():
        archive = fetch_download(download.archive, folder, **options)
        _take_out(archive, download.member, folder / download.path)
    return fetch(
        download.urls,
        folder / download.path,
        md5=download.md5,
        sha1=download.sha1,
        sha256=download.sha256,
        size=download.size,
        check=PROBLEMS[download.kind],
        recorded=folder / RECORD,
        note=download.note,
        **options,
    )


def _take_out(archive: Path, member: str, target: Path) -> None:
    """Take one file out of an archive."""
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".unpacked-") as temporary:
        unpacked = Path(temporary, "files")
        unpack(archive, unpacked)
        files = sorted(path for path in unpacked.rglob("*") if path.is_file())
        found = [path for path in files if path.match(member)]
        if len(found) != 1:
            names = ", ".join(str(path.relative_to(unpacked)) for path in files[:20])
            raise InputError(
                f"{archive} has {len(found) or 'no'} files named {member}; it has {names}. Take "
                f"the right one out and put it at {target}."
            )
        with whole_file(target) as partial:
            found[0].replace(partial)
