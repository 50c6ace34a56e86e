"""Read weights from files that may come from anywhere, and put them into a network."""

import pickle
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from dissection.errors import InputError, first_line
from dissection.jobs.logs import log
from dissection.networks.file_kinds import WEIGHTS, is_safetensors, require_kind
from dissection.networks.matching_names import Matching, Shapes, match_names, without_wrappers
from dissection.networks.needed import spare_tensors
from dissection.networks.users_code import users_code

# Where checkpoints keep the weights; the first that is there counts.
NESTS = ("state_dict", "model", "model_state", "model_state_dict", "net", "network",
         "ema", "model_ema", "state_dict_ema", "ema_state_dict", "teacher")  # fmt: skip
# Names of what follows the layers that are dissected, at the top of a network.
HEAD = re.compile(r"(\w*head\w*|fc\w*|classifier\w*|aux\w*|logits\w*|decoder)\.")


def read_state_dict(path: str | Path) -> dict[str, torch.Tensor]:
    """Read the weights in a file of `torch.save` or safetensors, also inside of a checkpoint.

    Nothing in the file is executed: a file that holds other objects than tensors and plain
    values is refused.

    Parameters
    ----------
    path : path
        ``.pt``, ``.pth``, ``.pth.tar``, ``.safetensors``; also old ones written by Python 2.

    Returns
    -------
    dict of tensors, on the CPU

    Raises
    ------
    InputError
    """
    path = Path(path)
    require_kind(path, WEIGHTS)
    if is_safetensors(path):
        with users_code(f"{path} is not a complete file of safetensors", "Fetch it again."):
            content = load_file(path)
        return _weights_in(content, path)
    with users_code(f"{path} is not a complete file of torch.save", "Fetch it again."):
        try:
            with warnings.catch_warnings():
                # Without need: the encoding is used, for files of Python 2; others have no use
                # for it.
                warnings.filterwarnings("ignore", "pickle_load_args only works")
                content = torch.load(path, map_location="cpu", weights_only=True, encoding="latin1")
        except pickle.UnpicklingError as error:
            raise InputError(
                f"{path} was not opened: it is damaged, or it holds Python objects besides "
                "weights, which could run any code. Fetch it again, or, if you trust it, save its "
                "weights alone, where its classes can be imported: found = torch.load(FILE, "
                "weights_only=False); then, of a whole network, "
                "torch.save(found.state_dict(), OTHER), or of a checkpoint, "
                "torch.save(found['state_dict'], OTHER), with the key that they are under. "
                f"The reader said: {first_line(error)}"
            ) from error
    return _weights_in(content, path)


def _weights_in(content: Any, path: Path) -> dict[str, torch.Tensor]:
    """Find the state dict in a checkpoint."""
    while isinstance(content, Mapping) and (
        nests := [key for key in NESTS if isinstance(content.get(key), Mapping)]
    ):
        beside = f"; those under {', '.join(nests[1:])} are left" if nests[1:] else ""
        log.info("%s: its weights under '%s' are taken%s", path, nests[0], beside)
        content = content[nests[0]]
    entries = content.items() if isinstance(content, Mapping) else ()
    weights = {
        key: value
        for key, value in entries
        if isinstance(key, str) and isinstance(value, torch.Tensor)
    }
    others = [str(key) for key, value in entries if key not in weights]
    if not weights or any(isinstance(content[key], Mapping | list) for key in others):
        raise InputError(
            f"{path} holds no state dict (names with tensors), alone or under one of the keys "
            f"{', '.join(NESTS)}. Save one with torch.save(model.state_dict(), FILE)."
        )
    if others:
        log.info("%s: %s, which is no tensor, is left", path, ", ".join(others[:8]))
    return weights


def load_weights(
    model: torch.nn.Module,
    path: str | Path,
    layers: Sequence[str] | None = None,
    input_size: Sequence[int] | None = None,
    convert: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]] | None = None,
) -> None:
    """Load a weights file into a model, each tensor where `match_names` says.

    Parameters
    ----------
    model : nn.Module
    path : path
    layers, input_size : optional
        Names of the layers that are needed, and height and width of an image: of what only later
        modules need, such as a head for other classes, the file may have another size or none.
    convert : callable, optional
        Turns weights that do not fit into the network's.

    Raises
    ------
    InputError
        If the file's tensors are not the model's, or if it is not certain which is which: names
        and shapes of some, and the first difference of the two lists, are given.
    """
    given, expected = _counted(read_state_dict(path)), _counted(model.state_dict())
    shapes, needed = _shapes(given), _shapes(expected)
    matching = match_names(shapes, needed)
    problems = _problems(shapes, needed, matching)
    left: list[str] = []
    if problems:
        spare = spare_tensors(model, layers, input_size)
        if layers is not None:
            unknown = problems.keys() - needed.keys()
            spare |= {name for name in unknown if HEAD.match(without_wrappers(name))}
        left = [problem for name, problem in problems.items() if name in spare]
        problems = {name: problem for name, problem in problems.items() if name not in spare}
    said = ""
    if problems and convert:
        try:
            given = _counted(convert(given))
            log.info("%s: its names and shapes are turned into those of the network", path)
            matching, problems, left = match_names(_shapes(given), needed), {}, []
        except InputError as error:
            said = f" {error}"
    if problems:
        shown = list(problems.values())
        more = f"; and {len(shown) - 4} more" if len(shown) > 4 else ""
        raise InputError(
            f"The weights in {path} do not fit the network: {'; '.join(shown[:4])}{more}. "
            f"{_first_difference(shapes, needed, matching)}"
            f"Check the architecture and the number of classes.{said}"
        )
    log.info("%s: its tensors are matched %s", path, matching.way)
    if left:
        log.info("%s: left out, because no dissected layer needs it: %s", path, "; ".join(left))
    types = sorted({str(t.dtype)[6:] for t in given.values() if t.is_floating_point()})
    if types != ["float32"]:
        log.info("%s: its tensors are %s; they are turned into the network's", path, types)
    with users_code(f"The weights in {path} cannot be put into the network"):
        chosen = {
            name: given[other]
            for name, other in matching.names.items()
            if given[other].shape == expected[name].shape
        }
        model.load_state_dict(chosen, strict=False)


def _shapes(state: dict[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def _counted(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Leave out how many batches normalisations have seen.

    It is used in training alone; old files lack it.
    """
    return {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}


def _problems(given: Shapes, expected: Shapes, matching: Matching) -> dict[str, str]:
    """Return what does not fit, by the network's name of it, or the file's if it has none."""
    names = matching.names
    left = given.keys() - names.values()
    return {
        **{
            name: f"'{name}' has the shape {given[other]}, the network {expected[name]}"
            for name, other in names.items()
            if given[other] != expected[name]
        },
        **{name: f"'{name}' is missing" for name in sorted(expected.keys() - names.keys())},
        **{name: f"'{name}' does not occur in the network" for name in sorted(left)},
    }


def _first_difference(given: Shapes, expected: Shapes, matching: Matching) -> str:
    """Show where the two lists part, if names do."""
    if matching.complete:
        return ""
    pairs = zip_longest(given, expected)
    place, (other, name) = next(
        (place, pair)
        for place, pair in enumerate(pairs, 1)
        if None in pair or pair[0] != matching.names.get(pair[1])
    )
    found = f"'{other}' {given[other]}" if other else "missing"
    wanted = f"'{name}' {expected[name]}" if name else "missing"
    return (
        f"The first difference of the two lists: tensor {place} is {found} in the file and "
        f"{wanted} in the network. Shapes alone do not tell for certain which tensor is which: "
        "if only names differ, save the weights again under the names of the network. Otherwise: "
    )
