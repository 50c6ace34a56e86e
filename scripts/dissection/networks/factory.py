"""A user's own network, made by a function of the user's own."""

import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import torch

from dissection.errors import InputError
from dissection.networks.loaded import Loaded
from dissection.networks.state_dicts import load_weights


def check(options: Mapping[str, Any]) -> None:
    """Refuse modules that are nowhere; nothing of theirs is run."""
    place = options["function"]
    module = place.partition(":")[0]
    top, *steps = module.split(".")
    with _searching(Path.cwd()):
        found = importlib.util.find_spec(top)
        for end in range(len(steps)):
            if found is not None:
                name = ".".join([top, *steps[: end + 1]])
                found = PathFinder.find_spec(name, found.submodule_search_locations or [])
    if found is None:
        raise InputError(
            f"The function {place} cannot be found: there is no module '{module}' in {Path.cwd()}, "
            "nor is it installed."
        )


def load(options: Mapping[str, Any], files: Sequence[Path], layers: Sequence[str] | None) -> Loaded:
    """Call the function, which is looked for in the working directory first.

    Parameters
    ----------
    options : mapping
        ``function``, as ``package.module:function``; its ``arguments``.
    files : sequence of paths
        One file of weights; without it the weights are those that the function gives.
    """
    place = options["function"]
    module_name, _, function_name = place.partition(":")
    with _searching(Path.cwd()):
        try:
            function = getattr(importlib.import_module(module_name), function_name)
        except (ImportError, AttributeError) as error:
            raise InputError(
                f"The function {place} cannot be imported: {error}. It is looked for in "
                f"{Path.cwd()} and among the installed packages."
            ) from error
        model = function(**options["arguments"])
    if not isinstance(model, torch.nn.Module):
        raise InputError(
            f"{place} must return a torch.nn.Module, but returned a {type(model).__name__}."
        )
    for file in files:
        load_weights(model, file)
    return Loaded(model)


@contextmanager
def _searching(folder: Path) -> Iterator[None]:
    entry = str(folder)
    sys.path.insert(0, entry)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(entry)
