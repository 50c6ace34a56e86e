"""Published weights of timm's networks, fetched from the Hugging Face Hub by its own client."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dissection.errors import InputError, first_line
from dissection.jobs.logs import log

HUB = "timm--"  # how the names of such downloads begin: timm--NAME@REVISION
# What the Hub calls the files if timm does not say; those that run no code first.
FILES = ("model.safetensors", "pytorch_model.bin")
SAFER = {"open_clip_pytorch_model.bin": "open_clip_model.safetensors"}
BY_HAND = (".safetensors", ".bin", ".pth")


def published_config(name: str) -> Any:
    """Return timm's entry of published weights: ``hf_hub_id``, ``hf_hub_filename``, ...

    Raises
    ------
    InputError
        If it has none on the Hub.
    """
    import timm  # takes seconds, and most users of this package need it not

    config = timm.models.get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        raise InputError(
            f"timm has no weights of '{name}' on the Hugging Face Hub. Name other weights, or give "
            "a `file`, or set `pretrained: false` for random ones."
        )
    return config


def fetch_from_hub(download: str, folder: str | Path, endpoint: str | None = None) -> Path:
    """Fetch published weights, or take those that were put there by hand.

    Parameters
    ----------
    download : str
        As ``timm--resnet50.a1_in1k@main``: timm's name and a revision.
    folder : path
        Of all downloads. What the client keeps is in ``huggingface`` in it, by commits; a file put
        by hand is ``timm/NAME.safetensors`` (or .bin, .pth).
    endpoint : str, optional
        Address of another Hub.

    Returns
    -------
    path

    Raises
    ------
    InputError
        If there are no such weights, or they cannot be fetched: says what to put where.
    """
    folder = Path(folder)
    name, _, revision = download.removeprefix(HUB).rpartition("@")
    config = published_config(name)
    repository, _, own_revision = config.hf_hub_id.partition("@")
    if revision == "main" and own_revision:
        revision = own_revision
    for ending in BY_HAND:
        path = folder / "timm" / (name + ending)
        if path.is_file():
            log.info("%s was put there by hand", path)
            return path
    given = config.hf_hub_filename
    files = [SAFER[given], given] if given in SAFER else [given] if given else FILES
    return _checked(_fetched(repository, files, revision, folder, name, endpoint))


def _fetched(
    repository: str,
    files: Sequence[str],
    revision: str,
    folder: Path,
    name: str,
    endpoint: str | None,
) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    advice = (
        f"Fetch {files[0]} of the Hub's repository {repository} (revision {revision}) elsewhere "
        f"and put it at {folder / 'timm' / (name + Path(files[0]).suffix)}; then run the same "
        "command again."
    )
    reason = ""
    for file in files:
        try:
            path = hf_hub_download(
                repository,
                file,
                revision=revision,
                cache_dir=folder / "huggingface",
                endpoint=endpoint,
            )
        except LocalEntryNotFoundError as error:
            reason = first_line(error)
            break
        except EntryNotFoundError:
            reason = f"it has no {' and no '.join(files)}"
            continue
        except Exception as error:  # of the client's many libraries
            reason = first_line(error)
            break
        log.info("%s, commit %s of %s", file, Path(path).parent.name, repository)
        return Path(path)
    raise InputError(
        f"The weights of timm's '{name}' could not be fetched from the Hugging Face Hub "
        f"({reason}). {advice}"
    )


def _checked(path: Path) -> Path:
    """Compare a large file with its sha256, which is the name that the client keeps it by."""
    digest = path.resolve().name
    if re.fullmatch(r"[0-9a-f]{64}", digest):
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != digest:
            blob = path.resolve()
            blob.unlink()
            raise InputError(
                f"{path} has the sha256 {found}, but the Hub says {digest}: it was damaged, and "
                "removed. Run the same command again to fetch it anew."
            )
    return path
