"""The layers of a network: modules by their names, and the calls of a module."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch


class Layer(NamedTuple):
    """Where a layer's output comes from.

    Attributes
    ----------
    modules : tuple of nn.Module
        One module; of an exported network there may be several, each for some of its calls.
    call : int or None
        Which of their calls in a forward pass, from 1; None for the last.
    """

    modules: tuple[torch.nn.Module, ...]
    call: int | None = None


def modules_by_name(model: torch.nn.Module) -> dict[str, tuple[torch.nn.Module, ...]]:
    """Return the modules of every name, also if one is registered under several names.

    `torch.export.unflatten` puts further calls of a module ``relu`` into modules ``relu@1``, ...,
    where their code differs: they are found under ``relu``, too.
    """
    found: dict[str, tuple[torch.nn.Module, ...]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if name:
            for key in dict.fromkeys((name, re.sub(r"@\d+(?=\.|$)", "", name))):
                found[key] = (*found.get(key, ()), module)
    return found


def readings(name: str) -> Iterator[tuple[str, int | None]]:
    """Yield what a layer's name may mean, the likeliest first: a module, and which call of it.

    Examples
    --------
    >>> list(readings("layer1.0.relu:2"))
    [('layer1.0.relu:2', None), ('layer1.0.relu', 2)]
    """
    yield name, None
    if found := re.fullmatch(r"(.+):([1-9]\d{0,5})", name):
        yield found[1], int(found[2])


@contextmanager
def every_call(
    layers: Mapping[str, Layer], receive: Callable[[str, int, Any], None]
) -> Iterator[dict[str, int]]:
    """While it is active, hand over the output of every call of some layers' modules.

    Parameters
    ----------
    layers : mapping of Layer, by name
    receive : callable
        Gets the layer's name, the number of the call, from 1, and its output.

    Yields
    ------
    dict of int, by name
        Calls so far, the numbers that `receive` gets. Set them to 0 before a forward pass.
    """
    calls = dict.fromkeys(layers, 0)

    def hook_of(name: str) -> Callable[..., None]:
        def hook(module: torch.nn.Module, inputs: Any, output: Any) -> None:
            calls[name] += 1
            receive(name, calls[name], output)

        return hook

    handles = [
        module.register_forward_hook(hook_of(name))
        for name, layer in layers.items()
        for module in dict.fromkeys(layer.modules)
    ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()
