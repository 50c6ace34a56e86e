"""The registry of files to download: what config/downloads.yaml may say, and fetching by name."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from dissection.downloads.fetch import fetch
from dissection.downloads.file_checks import PROBLEMS
from dissection.downloads.first_use_hashes import RECORD
from dissection.errors import InputError, did_you_mean
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
        Its sources, the best one first; none if it has to be put there by hand.
    kind : str
        What it must look like: a key of `dissection.downloads.file_checks.PROBLEMS`.
    md5, sha1, sha256 : str or None
        Its checksum, as far as one is known. A sha256 may be given by its head.
    size : int or None
        Bytes, if known exactly.
    note : str
        For people: what it is, where its checksum comes from.
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
    if problems:
        raise InputError(f"{file} has mistakes:\n  " + "\n  ".join(problems))
    return {
        name: Download(name=name, **(entry | {"urls": tuple(entry.get("urls", ()))}))
        for name, entry in entries.items()
    }


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


def find_download(name: str, file: str | Path) -> Download:
    """Return a download by its name: torchvision's own weights, or an entry of the registry."""
    return torchvision_download(name) if "_Weights." in name else read_registry(file)[name]


def fetch_download(download: Download, folder: str | Path, **options: Any) -> Path:
    """Fetch a file of the registry into the folder of all downloads and return its path.

    ``options`` go to `dissection.downloads.fetch.fetch`, which describes the checks and errors.
    """
    folder = Path(folder)
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
