"""Run a network of another precision in float32: inputs are float32, and so are results."""

from typing import Any

import torch
from torch.utils._pytree import tree_map

from dissection.jobs.logs import log
from dissection.networks.users_code import users_code

# What networks are saved in besides float32.
OTHER_TYPES = (torch.float16, torch.bfloat16, torch.float64)


def use_float32(model: torch.nn.Module, input_size: tuple[int, int]) -> None:
    """Turn the weights of a network into float32 if they are of another precision.

    Constants in the code of an exported network, and types that it names, are turned too; those
    of TorchScript by `torchscript.ScriptedNetwork.float`.

    Parameters
    ----------
    model : nn.Module
        In evaluation mode.
    input_size : tuple of int
        Height and width, pixels.

    Raises
    ------
    InputError
        If the network then does not run.
    """
    tensors = [*model.parameters(), *model.buffers()]
    names = sorted({str(t.dtype)[6:] for t in tensors if t.dtype in OTHER_TYPES})
    if not names:
        return
    model.float()
    for module in model.modules():
        if isinstance(getattr(module, "graph", None), torch.fx.Graph):
            _in_code(module)
    image = torch.zeros((1, 3, *input_size), device=tensors[0].device)
    doing = f"The network has weights of {', '.join(names)} and does not run when they are turned"
    advice = (
        "Turn it into float32 yourself (model.float()), let its code name no other type, and save "
        "it again."
    )
    with users_code(f"{doing} into float32", advice), torch.inference_mode():
        model(image)
    log.info("The network has weights of %s: it is run in float32", ", ".join(names))


def _in_code(module: Any) -> None:
    def turned(value: Any) -> Any:
        return torch.float32 if isinstance(value, torch.dtype) and value in OTHER_TYPES else value

    for name, value in list(vars(module).items()):
        if isinstance(value, torch.Tensor) and value.dtype in OTHER_TYPES:
            setattr(module, name, value.float())
    for node in module.graph.nodes:
        if node.op == "call_function":
            node.args, node.kwargs = tree_map(turned, (node.args, node.kwargs))
    if isinstance(module, torch.fx.GraphModule):
        module.recompile()
