"""Read weights from files that may come from anywhere, and put them into a network."""

import pickle
import warnings
from itertools import zip_longest
from pathlib import Path

import torch

from dissection.errors import InputError, first_line
from dissection.jobs.logs import log
from dissection.networks.file_kinds import WEIGHTS, require_kind
from dissection.networks.matching_names import Matching, Shapes, match_names
from dissection.networks.users_code import users_code


def read_state_dict(path: str | Path) -> dict[str, torch.Tensor]:
    """Read the weights in a file of `torch.save`: a state dict, or a checkpoint with one in it.

    Nothing in the file is executed: a file that holds other objects than tensors and plain
    values is refused.

    Parameters
    ----------
    path : path
        ``.pt``, ``.pth``, ``.pth.tar``; also the old ones written by Python 2.

    Returns
    -------
    dict of tensors, on the CPU

    Raises
    ------
    InputError
    """
    path = Path(path)
    require_kind(path, WEIGHTS)
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
                "weights alone with torch.save(model.state_dict(), FILE). The reader said: "
                f"{first_line(error)}"
            ) from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items()
    ):
        raise InputError(
            f"{path} holds no state dict (names with tensors), alone or under the key "
            "'state_dict'. Save one with torch.save(model.state_dict(), FILE)."
        )
    return content


def load_weights(model: torch.nn.Module, path: str | Path) -> None:
    """Load a weights file into a model, each tensor where `match_names` says.

    Raises
    ------
    InputError
        If the file's tensors are not the model's, or if it is not certain which is which: names
        and shapes of some, and the first difference of the two lists, are given.
    """
    given, expected = _counted(read_state_dict(path)), _counted(model.state_dict())
    shapes = {name: tuple(tensor.shape) for name, tensor in given.items()}
    needed = {name: tuple(tensor.shape) for name, tensor in expected.items()}
    matching = match_names(shapes, needed)
    problems = _problems(shapes, needed, matching)
    if problems:
        more = f"; and {len(problems) - 4} more" if len(problems) > 4 else ""
        raise InputError(
            f"The weights in {path} do not fit the network: {'; '.join(problems[:4])}{more}. "
            f"{_first_difference(shapes, needed, matching)}"
            "Check the architecture and the number of classes."
        )
    log.info("%s: its tensors are matched %s", path, matching.way)
    with users_code(f"The weights in {path} cannot be put into the network"):
        chosen = {name: given[other] for name, other in matching.names.items()}
        model.load_state_dict(chosen, strict=False)


def _counted(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Leave out how many batches normalisations have seen.

    It is used in training alone; old files lack it.
    """
    return {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}


def _problems(given: Shapes, expected: Shapes, matching: Matching) -> list[str]:
    names = matching.names
    left = given.keys() - names.values()
    return [
        *(
            f"'{name}' has the shape {given[other]}, the network {expected[name]}"
            for name, other in names.items()
            if given[other] != expected[name]
        ),
        *(f"'{name}' is missing" for name in sorted(expected.keys() - names.keys())),
        *(f"'{name}' does not occur in the network" for name in sorted(left)),
    ]


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
