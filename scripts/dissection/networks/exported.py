"""A user's own network as a file of `torch.export.save`."""

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.export.passes import move_to_device_pass

from dissection.errors import InputError
from dissection.jobs.devices import best_device
from dissection.networks.file_kinds import EXPORTED, require_kind
from dissection.networks.loaded import Loaded
from dissection.networks.users_code import users_code


def load(options: Mapping[str, Any], files: Sequence[Path], layers: Sequence[str] | None) -> Loaded:
    """Read the one file, exported with a dynamic number of images. No options count."""
    (path,) = files
    require_kind(path, EXPORTED)
    with (
        users_code(f"{path} cannot be read as a file of torch.export.save"),
        path.open("rb") as file,
        _only_weights(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # about torch's own reading of the file
        program = torch.export.load(file)
        # Tensors that the network makes while it runs are on the device of its export.
        program = move_to_device_pass(program, str(best_device()))
        # The layers get back the names that they had in the network that was exported.
        model = torch.export.unflatten(program)
    inputs = program.graph_signature.user_inputs
    given = [node.meta["val"] for node in program.graph.nodes if node.name in inputs]
    shapes = [tuple(getattr(value, "shape", ())) for value in given]
    fixed = len(shapes) != 1 or not shapes[0] or isinstance(shapes[0][0], int)
    fewest = 0 if fixed else program.range_constraints[shapes[0][0].node.expr].lower
    if fixed or fewest > 2:  # torch does not insist on two
        found = ", ".join(f"({', '.join(map(str, shape))})" for shape in shapes)
        more = f" and at least {fewest} of them" if fewest > 2 else ""
        raise InputError(
            f"{path} was exported for inputs of the shape {found or 'none'}{more}; it must be for "
            "one input of any number of images. Export it again with "
            "dynamic_shapes=({0: torch.export.Dim('images')},)."
        )
    return Loaded(model)


@contextmanager
def _only_weights() -> Iterator[None]:
    """Let torch unpickle nothing but tensors: its reader of exported programs would."""
    key = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(key)
    os.environ[key] = "1"
    try:
        yield
    finally:
        del os.environ[key]
        if before is not None:
            os.environ[key] = before
