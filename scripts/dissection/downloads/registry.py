"""The registry of files to download: what config/downloads.yaml may say, and fetching by name."""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import yaml

from dissection.downloads.fetch import fetch
from dissection.downloads.file_checks import PROBLEMS
from dissection.errors import InputError

# Hexadecimal digits of a checksum. Some publishers give only the head of a sha256, in the name.
DIGITS = {"md5": (32, 32), "sha1": (40, 40), "sha256": (8, 64)}
HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.pth$")
RECORD = "recorded_hashes.yaml"


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
        Its sources, the best one first.
    kind : str
        What it must look like: ``zip``, ``prototxt``, ``caffemodel`` or ``checkpoint``.
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
    try:
        with Path(file).open(encoding="utf-8") as stream:
            entries = yaml.load(stream, _UniqueKeys)  # a SafeLoader
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read: {error}") from error
    if not isinstance(entries, dict) or not entries:
        raise InputError(f"{file} has no entries.")
    problems = []
    names_by_path: dict[str, str] = {}
    for name, entry in entries.items():
        problems += [f"{name}: {problem}" for problem in _problems(entry)]
        if isinstance(entry, dict) and isinstance(entry.get("path"), str):
            other = names_by_path.setdefault(entry["path"], name)
            if other != name:
                problems.append(f"{name}: 'path' is that of {other} too.")
    if problems:
        raise InputError(f"{file} has mistakes:\n  " + "\n  ".join(problems))
    return {
        str(name): Download(name=str(name), **(entry | {"urls": tuple(entry["urls"])}))
        for name, entry in entries.items()
    }


class _UniqueKeys(yaml.SafeLoader):
    """YAML without keys given twice, of which the last would win silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = key_node.value
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _problems(entry: Any) -> list[str]:
    """Return what is wrong with one entry of the registry."""
    if not isinstance(entry, dict):
        return ["should be a group of keys."]
    known = [key for key in Download.__dataclass_fields__ if key != "name"]
    problems = []
    for key in entry:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            problems.append(f"unknown key '{key}'.{hint} Valid keys: {', '.join(known)}.")
    problems += [
        f"the key '{key}' is missing." for key in ("path", "urls", "kind") if key not in entry
    ]
    for key, value in entry.items():
        problem = _value_problem(key, value) if key in known else None
        if problem:
            problems.append(f"'{key}' {problem}, not {value!r}.")
    return problems


def _value_problem(key: str, value: Any) -> str | None:
    if key in DIGITS:
        low, high = DIGITS[key]
        digits = rf"[0-9a-f]{{{low},{high}}}"
        if not isinstance(value, str) or not re.fullmatch(digits, value):
            count = str(low) if low == high else f"{low} to {high}"
            return f"should be {count} hexadecimal digits in lower case (if need be in quotes)"
    elif key == "size":
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            return "should be a number of bytes"
    elif key == "kind":
        if value not in list(PROBLEMS):
            return f"should be one of {', '.join(PROBLEMS)}"
    elif key == "urls":
        if not isinstance(value, list) or not value or not all(map(_is_url, value)):
            return "should be a list of http or https URLs"
        if len(set(value)) < len(value):
            return "should name each URL once"
    elif not isinstance(value, str):
        return "should be text"
    elif key == "path":
        path = PurePosixPath(value)
        outside = path.is_absolute() or ".." in path.parts or "\\" in value
        if outside or value != str(path) or value == ".":
            return "should be a path within the folder of downloads, like broden/broden1_227.zip"
    return None


def _is_url(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    parts = urlsplit(value)
    return parts.scheme in ("http", "https") and bool(parts.netloc)


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
        close = difflib.get_close_matches(weights, names, n=3)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
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
        **options,
    )
