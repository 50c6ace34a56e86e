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

from dissection.jobs.devices import best_device
from dissection.networks.file_kinds import TORCHSCRIPT, require_kind
from dissection.networks.loaded import Loaded
from dissection.networks.users_code import users_code

# Modules of one type share their code, so a call says only its name relative to its caller;
# the modules that are running make up the full name.
_running: list[str] = []
_wanted: set[str] = set()
_outputs: list[tuple[str, torch.Tensor]] = []  # of every call, in the order in which they end


def _enter(name: str) -> None:
    _running.append(name)


def _leave() -> None:
    _running.pop()


def _leave_with(output: torch.Tensor) -> None:
    name = ".".join(filter(None, _running))
    if name in _wanted:
        _outputs.append((name, output.clone()))  # before it can be changed in place
    _running.pop()


# Modules of which it is not known which one they are: no module has this name.
_UNKNOWN = "?"

_library = torch.library.Library("dissection", "DEF")
for _schema, _function in (
    ("enter(str name) -> ()", _enter),
    ("leave() -> ()", _leave),
    ("leave_with(Tensor output) -> ()", _leave_with),
):
    # Conservative: they may do anything, so that the optimiser neither drops nor moves them.
    _name = _library.define(_schema, alias_analysis="CONSERVATIVE")
    _library.impl(_name, _function, "CompositeImplicitAutograd")


def load(options: Mapping[str, Any], files: Sequence[Path], layers: Sequence[str] | None) -> Loaded:
    """Read the one file. No options count."""
    (path,) = files
    require_kind(path, TORCHSCRIPT)
    model = ScriptedNetwork(path)
    return Loaded(model, uncertain=model.uncertain)


class ScriptedNetwork(torch.nn.Module):
    """A network from a file of `torch.jit.save`, with a placeholder for each of its modules.

    Parameters
    ----------
    path : path
        The file. Loading it runs no Python code of the file's.

    Attributes
    ----------
    uncertain : frozenset of str
        Names of modules whose calls may be taken for others'.

    Raises
    ------
    InputError
        If the file cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        device = best_device()
        with (
            users_code(f"{path} cannot be read as a file of torch.jit.save"),
            warnings.catch_warnings(),
        ):
            # TorchScript is deprecated; networks saved with it are still about.
            warnings.simplefilter("ignore", DeprecationWarning)
            script = torch.jit.load(path, map_location=device)
        self.uncertain = _uncertain(script)
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
            name, output = _outputs.pop(0)
            self._places[name](output)
        return result

    def parameters(self, recurse: bool = True) -> Iterator[torch.nn.Parameter]:
        return self._script[0].parameters(recurse)

    def buffers(self, recurse: bool = True) -> Iterator[torch.Tensor]:
        """Also the tensors in its code, which in a frozen network are the weights."""
        yield from self._script[0].buffers(recurse)
        yield from (node.t("value") for node in _constants(self._script[0]))

    def _apply(self, fn: Any, recurse: bool = True) -> "ScriptedNetwork":
        self._script[0]._apply(fn)
        return self

    def float(self) -> "ScriptedNetwork":
        """Turn weights, tensors in the code, and types that it names into float32.

        Before the first run, because TorchScript keeps the code that it has run.
        """
        super().float()
        for node in _constants(self._script[0]):
            if node.t("value").is_floating_point():
                node.t_("value", node.t("value").float())
        for graph in _graphs(self._script[0]):
            for node in list(_all_nodes(graph.nodes())):
                _name_float32(graph, node)
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
            own = next(graph.inputs())
            for node in list(_calls(graph.nodes())):
                steps = _steps(next(node.inputs()), own)
                name = graph.insertConstant(_UNKNOWN if steps is None else ".".join(steps))
                name.node().moveBefore(node)
                graph.create("dissection::enter", [name], 0).insertBefore(node)
                if _is_forward(node, steps) and node.output().type().kind() == "TensorType":
                    leave = graph.create("dissection::leave_with", [node.output()], 0)
                else:
                    leave = graph.create("dissection::leave", [], 0)
                leave.insertAfter(node)
    for child in module.children():
        _instrument(child, device, done)


def _calls(nodes: Iterable[Any]) -> Iterator[Any]:
    for node in _all_nodes(nodes):
        if node.kind() == "prim::CallMethod":
            yield node


def _is_forward(call: Any, steps: list[str] | None) -> bool:
    """Whether a call is one of a module itself, and not of a further method of it.

    Tracing puts the code of a module that is called again into `forward1` and so on, and overloads
    of `forward` are `forward__1`. A user's own method may be called `forward1`, too: calls of that
    have a place in the user's code.
    """
    name = call.s("name")
    if not steps or call.outputsSize() != 1:
        return False
    traced = re.fullmatch(r"forward\d+", name) and not re.match(r"\s*File ", call.sourceRange())
    return bool(traced or re.fullmatch(r"forward(__\d+)?", name))


def _uncertain(script: torch.jit.ScriptModule) -> frozenset[str]:
    """Return the names of modules that are called in ways that do not say which module it is."""
    modules = {name: module._c for name, module in script.named_modules(remove_duplicate=False)}
    found: set[str] = set()  # they and all that is in them
    waiting = [("", "forward")] if "forward" in script._c._method_names() else []
    seen = set(waiting)

    def joined(name: str, steps: list[str]) -> str:
        return ".".join(filter(None, (name, *steps)))

    while waiting:
        name, method = waiting.pop()
        graph = modules[name]._get_method(method).graph
        own = next(graph.inputs())
        for node in _all_nodes(graph.nodes()):
            if node.kind() == "prim::CallMethod":
                module = next(node.inputs())
                steps = _steps(module, own)
                if steps is None:
                    # One of a list of modules, or any module.
                    many = module.node().kind() == "prim::ModuleContainerIndex"
                    steps = _steps(next(module.node().inputs()), own) if many else None
                    found.add("" if steps is None else joined(name, steps))
                    continue
                called = (joined(name, steps), node.s("name"))
                if called[0] not in modules or called in seen:
                    continue
                seen.add(called)
                waiting.append(called)
            elif node.kind() == "prim::CallFunction":
                # Such as a hook, which may change what the module gives, or call it again.
                given = [_steps(value, own) for value in node.inputs()]
                names = {joined(name, steps) for steps in given if steps is not None}
                found |= names & modules.keys()
            elif node.hasAttribute("Subgraph"):
                # It may run beside the rest, in any order.
                found |= {""} if list(_calls(node.g("Subgraph").nodes())) else set()
    inside = tuple(f"{name}." if name else "" for name in found)
    return frozenset(name for name in modules if name and f"{name}.".startswith(inside))


def _all_nodes(nodes: Iterable[Any]) -> Iterator[Any]:
    for node in nodes:
        yield node
        for block in node.blocks():
            yield from _all_nodes(block.nodes())


def _graphs(module: torch.jit.ScriptModule) -> Iterator[Any]:
    """The code of each method of each type of module, once."""
    types = {str(part._c._type()): part._c for part in module.modules()}
    for part in types.values():
        yield from (part._get_method(name).graph for name in part._method_names())


def _constants(module: torch.jit.ScriptModule) -> Iterator[Any]:
    """The tensors in a network's code."""
    for graph in _graphs(module):
        for node in graph.findAllNodes("prim::Constant"):
            if node.hasAttribute("value") and node.kindOf("value") == "t":
                yield node


# Numbers of types in TorchScript: float64, float16 and bfloat16; float32.
_OTHER_TYPES, _FLOAT32 = (7, 5, 15), 6


def _name_float32(graph: Any, node: Any) -> None:
    """Let an operation that names another floating-point type name float32."""
    if node.schema() in ("", "(no schema)"):
        return
    arguments = torch._C.parse_schema(node.schema()).arguments
    for place, (argument, value) in enumerate(zip(arguments, node.inputs(), strict=False)):
        named = argument.name == "dtype" and value.node().kind() == "prim::Constant"
        if named and value.toIValue() in _OTHER_TYPES:
            constant = graph.insertConstant(_FLOAT32)
            constant.node().moveBefore(node)
            node.replaceInput(place, constant)


def _steps(module: Any, own: Any) -> list[str] | None:
    """The names from the module whose code this is, ``own``, to another, if code gives them."""
    steps: list[str] = []
    while module.node().kind() == "prim::GetAttr":
        steps.insert(0, module.node().s("name"))
        module = next(module.node().inputs())
    return steps if module.debugName() == own.debugName() else None
