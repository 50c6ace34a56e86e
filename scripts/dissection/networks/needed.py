"""Which of a network's weights the dissected layers do not need."""

from collections.abc import Sequence
from typing import Any

import torch

from dissection.networks.layers import modules_by_name, readings
from dissection.networks.users_code import users_code


def spare_tensors(
    model: torch.nn.Module, layers: Sequence[str] | None, input_size: Sequence[int] | None
) -> set[str]:
    """Return the names of tensors that belong to modules called after the last of some layers.

    Parameters
    ----------
    model : nn.Module
        Run once on one image.
    layers : sequence of str or None
        Names of layers; for None, or if one of them does not exist, every tensor is needed.
    input_size : sequence of int or None
        Height and width, pixels; None likewise.
    """
    modules = modules_by_name(model)
    wanted: set[torch.nn.Module] = set()
    for layer in layers or ():
        wanted.update(*(modules[stem] for stem, _ in readings(layer) if stem in modules))
    found = {stem for layer in layers or () for stem, _ in readings(layer) if stem in modules}
    if input_size is None or len(found) < len(layers or ()) or not found:
        return set()
    started: list[torch.nn.Module] = []
    needed = 0

    def before(module: torch.nn.Module, inputs: Any) -> None:
        started.append(module)

    def after(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        nonlocal needed
        needed = len(started)

    handles = [module.register_forward_pre_hook(before) for module in model.modules()]
    handles += [module.register_forward_hook(after) for module in wanted]
    training = model.training
    try:
        doing = f"The network does not run on an image of {input_size[0]} x {input_size[1]} pixels"
        with users_code(doing), torch.no_grad():
            model.eval()
            model(torch.zeros(1, 3, *input_size))
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    # What is never called may be used all the same, by functions.
    late = set(started[needed:]) - set(started[:needed])
    return {
        f"{name}.{own}"
        for name, module in model.named_modules()
        if module in late
        for own in module.state_dict()
        if "." not in own
    }
