"""Where an imported data set comes from, as a JSON file beside it."""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from dissection.datasets.image_files import is_note_of_a_system
from dissection.jobs.files import whole_file

PACKAGES = ("numpy", "opencv-python-headless", "pillow", "pycocotools", "scipy")


def write_origin(
    target: str | Path,
    form: str,
    options: Mapping[str, Any],
    files: Sequence[str | Path],
    note: str | Path | Sequence[str],
    statistics: pd.DataFrame,
    left_out: Sequence[str],
) -> None:
    """Write what a data set was made of: form, options, files, counts, versions.

    Parameters
    ----------
    target : path
    form, options
        As `dissection.datasets.masks.forms.import_form` takes them.
    files : sequence of paths
        Files and folders that were read.
    note : path, or nothing
        Of the download that they lie in.
    statistics : DataFrame
        See `dissection.datasets.broden.Broden.statistics`.
    left_out : sequence of str
        Names of images.
    """
    content = {
        "form": form,
        "options": options,
        "archive": json.loads(Path(note).read_text(encoding="utf-8")) if note else None,
        "files": {str(path): _described(Path(path)) for path in files},
        "categories": json.loads(statistics.to_json(orient="records")),
        "left_out": {"images": list(left_out), "because": "they have no mask or annotation"},
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in PACKAGES},
        },
    }
    with whole_file(target) as path:
        path.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")


def _described(path: Path) -> dict[str, Any]:
    """Number and size of the files, and a hash: of a file its sha256, of a folder that of the
    names and sizes of all files in it, in the order of their names."""
    if path.is_file():
        content = path.read_bytes()
        return {"files": 1, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    files = sorted(
        file for file in path.rglob("*") if file.is_file() and not is_note_of_a_system(file.name)
    )
    sizes = [file.stat().st_size for file in files]
    digest = hashlib.sha256()
    for file, size in zip(files, sizes, strict=True):
        digest.update(f"{file.relative_to(path).as_posix()}\0{size}\n".encode())
    return {
        "files": len(files),
        "bytes": sum(sizes),
        "sha256_of_names_and_sizes": digest.hexdigest(),
    }
