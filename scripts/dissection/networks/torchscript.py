"""A user's own network as a file of `torch.jit.save`, its layers with hooks like any other's.

A scripted network runs outside of Python and calls no hooks. Before its first run, operations
are put around every call of a module that tell Python which module is entered and left, and
with what output; afterwards the hooks of a placeholder of the same name get that output.
"""

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from dissection.errors import InputError
from dissection.jobs.devices import best_device
from dissection.networks.loaded import Loaded
from dissection.networks.state_dicts import first_line, require_file

# Modules of one type share their code, so a call says only its name relative to its caller;
# the modules that are running make up the full name.
_running: list[str] = []
_wanted: set[str] = set()
_outputs: dict[str, torch.Tensor] = {}


def _enter(name: str) -> None:
    _running.append(name)


def _leave() -> None:
    _running.pop()


def _leave_with(output: torch.Tensor) -> None:
    name = ".".join(_running)
    if name in _wanted:
        _outputs[name] = output.clone()  # before it can be changed in place
    _running.pop()


# A module that is called again has its code again under another name.
_FORWARD = re.compile(r"forward(\d+|__\d+)?")

_library = torch.library.Library("dissection", "DEF")
for _schema, _function in (
    ("enter(str name) -> ()", _enter),
    ("leave() -> ()", _leave),
    ("leave_with(Tensor output) -> ()", _leave_with),
):
    # Conservative: they may do anything, so that the optimiser neither drops nor moves them.
    _name = _library.define(_schema, alias_analysis="CONSERVATIVE")
    _library.impl(_name, _function, "CompositeImplicitAutograd")


def load(options: Mapping[str, Any], files: Sequence[Path]) -> Loaded:
    """Read the one file. No options count."""
    (path,) = files
    require_file(path)
    return Loaded(ScriptedNetwork(path))


class ScriptedNetwork(torch.nn.Module):
    """A network from a file of `torch.jit.save`, with a placeholder for each of its modules.

    Parameters
    ----------
    path : path
        The file. Loading it runs no Python code of the file's.

    Raises
    ------
    InputError
        If the file cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        device = best_device()
        try:
            with warnings.catch_warnings():
                # TorchScript is deprecated; networks saved with it are still about.
                warnings.simplefilter("ignore", DeprecationWarning)
                script = torch.jit.load(path, map_location=device)
        except (RuntimeError, ValueError) as error:
            raise InputError(
                f"{path} cannot be read as a file of torch.jit.save ({first_line(error)})."
            ) from error
        _instrument(script, device, set())
        # In a list, because a registered module's layers would be found twice.
        self._script = [script.eval()]
        self._places: dict[str, torch.nn.Module] = {}
        for name, _ in script.named_modules():
            if name:
                parent, _, own = name.rpartition(".")
                place = self._places[name] = _Placeholder()
                (self._places[parent] if parent else self).add_module(own, place)

    def forward(self, images: torch.Tensor) -> Any:
        """Run the network, then the hooks of its modules in the order in which they ended."""
        _running.clear()
        _outputs.clear()
        _wanted.clear()
        _wanted.update(name for name, place in self._places.items() if place._forward_hooks)
        result = self._script[0](images)
        while _outputs:
            name = next(iter(_outputs))
            self._places[name](_outputs.pop(name))
        return result

    def parameters(self, recurse: bool = True) -> Iterator[torch.nn.Parameter]:
        return self._script[0].parameters(recurse)

    def _apply(self, fn: Any, recurse: bool = True) -> "ScriptedNetwork":
        self._script[0]._apply(fn)
        return self


class _Placeholder(torch.nn.Module):
    def forward(self, output: torch.Tensor) -> torch.Tensor:
        return output


def _instrument(module: torch.jit.ScriptModule, device: torch.device, done: set[str]) -> None:
    """Put the operations around all calls of modules, in each method of each type once.

    Tensors that a method makes are on the given device, not on that where it was traced.
    """
    module_type = str(module._c._type())
    if module_type not in done:
        done.add(module_type)
        for method_name in module._c._method_names():
            graph = module._c._get_method(method_name).graph
            for constant in graph.findAllNodes("prim::Constant"):
                if constant.output().type().kind() == "DeviceObjType":
                    constant.s_("value", str(device))
            for node in list(_calls(graph.nodes())):
                name = graph.insertConstant(_name_of(node))
                name.node().moveBefore(node)
                graph.create("dissection::enter", [name], 0).insertBefore(node)
                if node.outputsSize() == 1 and node.output().type().kind() == "TensorType":
                    leave = graph.create("dissection::leave_with", [node.output()], 0)
                else:
                    leave = graph.create("dissection::leave", [], 0)
                leave.insertAfter(node)
    for child in module.children():
        _instrument(child, device, done)


def _calls(nodes: Iterable[Any]) -> Iterator[Any]:
    for node in nodes:
        if node.kind() == "prim::CallMethod" and _FORWARD.fullmatch(node.s("name")):
            yield node
        for block in node.blocks():
            yield from _calls(block.nodes())


def _name_of(call: Any) -> str:
    """The name of the called module, relative to the module whose code this is."""
    steps = []
    node = next(call.inputs()).node()
    while node.kind() == "prim::GetAttr":
        steps.insert(0, node.s("name"))
        node = next(node.inputs()).node()
    return ".".join(steps)
