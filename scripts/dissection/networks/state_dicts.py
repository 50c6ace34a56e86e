"""Read weights from files that may come from anywhere, and put them into a network."""

import pickle
import re
import warnings
from pathlib import Path

import torch

from dissection.errors import InputError, first_line
from dissection.jobs.logs import log


def require_file(path: Path) -> None:
    """Refuse a file of a network that does not exist."""
    if not path.is_file():
        raise InputError(f"The network's file {path} does not exist. Check its path.")


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
        Without the ``module.`` that training on several GPUs puts into names.

    Raises
    ------
    InputError
    """
    path = Path(path)
    require_file(path)
    try:
        with warnings.catch_warnings():
            # Without need: the encoding is used, for files of Python 2; others have no use for it.
            warnings.filterwarnings("ignore", "pickle_load_args only works")
            content = torch.load(path, map_location="cpu", weights_only=True, encoding="latin1")
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} was not opened: it is damaged, or it holds Python objects besides weights, "
            "which could run any code. Fetch it again, or, if you trust it, save its weights "
            "alone with torch.save(model.state_dict(), FILE). The reader said: "
            f"{first_line(error)}"
        ) from error
    except (RuntimeError, EOFError, LookupError, OSError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is not a complete file of torch.save ({first_line(error)}). Fetch it again."
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
    return {re.sub(r"(^|\.)module\.", r"\1", key): value for key, value in content.items()}


def load_weights(model: torch.nn.Module, path: str | Path) -> None:
    """Load a weights file into a model.

    Names have to agree. Where they do not, but the file has the same kinds of tensors of the same
    shapes in the same order, the layers were only renamed (old DenseNet and VGG files) and are
    matched by that order.

    Raises
    ------
    InputError
        If the file's tensors are not the model's: names or shapes of some are given.
    """
    # How many batches a normalisation has seen is used in training alone; old files lack it.
    given = {
        key: value
        for key, value in read_state_dict(path).items()
        if not key.endswith("num_batches_tracked")
    }
    expected = {
        key: value
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    if given.keys() != expected.keys() and _kinds(given) == _kinds(expected):
        log.info("%s: names differ from the network's; layers are matched by order", path)
        given = dict(zip(expected, given.values(), strict=True))
    problems = [
        f"'{key}' has the shape {tuple(given[key].shape)}, the network {tuple(tensor.shape)}"
        for key, tensor in expected.items()
        if key in given and given[key].shape != tensor.shape
    ]
    for what, keys in (
        ("is missing", expected.keys() - given.keys()),
        ("does not occur in the network", given.keys() - expected.keys()),
    ):
        problems += [f"'{key}' {what}" for key in sorted(keys)]
    if problems:
        more = f"; and {len(problems) - 4} more" if len(problems) > 4 else ""
        raise InputError(
            f"The weights in {path} do not fit the network: {'; '.join(problems[:4])}{more}. "
            "Check the architecture and the number of classes."
        )
    model.load_state_dict(given, strict=False)


def _kinds(state: dict[str, torch.Tensor]) -> list[tuple[str, torch.Size]]:
    return [(key.rpartition(".")[2], value.shape) for key, value in state.items()]
