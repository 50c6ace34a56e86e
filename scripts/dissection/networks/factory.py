"""A user's own network, made by a function of the user's own."""

import ast
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from dissection.errors import InputError, did_you_mean
from dissection.networks.loaded import Loaded
from dissection.networks.preprocessing import chosen_settings
from dissection.networks.state_dicts import load_weights
from dissection.networks.users_code import users_code


def check(options: Mapping[str, Any]) -> None:
    """Refuse modules that are nowhere, and functions that they lack; nothing of theirs is run."""
    place = options["function"]
    module, _, function = place.partition(":")
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
    if found.origin and found.origin.endswith(".py"):
        names = _bound_names(Path(found.origin))
        if names and function not in names:
            raise InputError(
                f"The function {place} cannot be found: nothing in {found.origin} is called "
                f"'{function}'.{did_you_mean(function, names)}"
            )


def _bound_names(source: Path) -> set[str]:
    """What a file gives names to, anywhere in it; nothing if only a run can tell."""
    names: set[str] = set()
    try:
        nodes = list(ast.walk(ast.parse(source.read_bytes())))
    except (OSError, SyntaxError, ValueError):
        return set()  # running it tells more
    for node in nodes:
        match node:
            case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                names.add(name)
            case ast.Name(name, ast.Store()):
                names.add(name)
            case ast.Import(aliases) | ast.ImportFrom(names=aliases):
                names |= {alias.asname or alias.name.partition(".")[0] for alias in aliases}
            case ast.Call(ast.Name("globals" | "exec")):
                return set()
    return set() if names & {"*", "__getattr__"} else names


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
        advice = f"It is looked for in {Path.cwd()} and among the installed packages."
        with users_code(f"The function {place} cannot be imported", advice):
            function = getattr(importlib.import_module(module_name), function_name)
        with users_code(f"The function {place} makes no network"):
            model = function(**options["arguments"])
        if not isinstance(model, torch.nn.Module):
            raise InputError(
                f"{place} must return a torch.nn.Module, but returned a {type(model).__name__}."
            )
        if isinstance(model, torch.jit.ScriptModule):
            raise InputError(
                f"{place} returned a network of TorchScript, whose layers are found in its file "
                "alone. Save it with torch.jit.save and give the file to `torchscript`."
            )
        _run_lazy(model, options, place)
    for file in files:
        load_weights(model, file, layers, options.get("input_size"))
    return Loaded(model)


def _run_lazy(model: torch.nn.Module, options: Mapping[str, Any], place: str) -> None:
    """Let layers that take their sizes from their first input have one."""

    def lazy() -> list[str]:
        tensors = [*model.named_parameters(), *model.named_buffers()]
        return [name for name, tensor in tensors if is_lazy(tensor)]

    if not lazy():
        return
    size = chosen_settings(options, {})["input_size"]
    doing = f"The network of {place} has lazy layers and does not run on a first image"
    with users_code(f"{doing} of {size[0]} x {size[1]} pixels"), torch.no_grad():
        model.eval()
        model(torch.zeros(1, 3, *size))
    if left := lazy():
        raise InputError(
            f"The network of {place} has lazy layers that do not run on an image, so that their "
            f"sizes are not known: {', '.join(left)}. Leave them out, or give their sizes."
        )


@contextmanager
def _searching(folder: Path) -> Iterator[None]:
    entry = str(folder)
    sys.path.insert(0, entry)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(entry)
