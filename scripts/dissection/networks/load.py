"""Any configured network: its model, its preprocessing, its layers."""

import difflib
import importlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch.export.passes import move_to_device_pass

from dissection.errors import InputError
from dissection.jobs.devices import best_device
from dissection.networks.layers import Layer, modules_by_name, readings
from dissection.networks.precision import use_float32
from dissection.networks.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from dissection.networks.state_dicts import first_line, load_weights, read_state_dict
from dissection.networks.torchscript import ScriptedNetwork
from dissection.training.architectures import PUBLISHED, build, classes_of
from dissection.training.tasks import TASKS

CAFFE_MEAN = (109.5388, 118.6897, 124.6901)  # blue, green, red; of values from 0 to 255


@dataclass(frozen=True)
class Network:
    """A network that is ready to be dissected.

    Attributes
    ----------
    model : nn.Module
        In evaluation mode, without gradients.
    input_size : tuple of int
        Height and width, pixels.
    preprocess : callable
        From a uint8 RGB array or PIL image to a float32 tensor (3, height, width).
    """

    model: torch.nn.Module
    input_size: tuple[int, int]
    preprocess: Callable[[Any], torch.Tensor]


def find_layer(network: Network | torch.nn.Module, name: str) -> Layer:
    """Return a layer by its name: an alias of the model's, or the dotted name of a module.

    ``NAME:2`` is the second call of the module in a forward pass; without a number it is the last.

    Raises
    ------
    InputError
        If there is none: the message lists the layers.
    """
    model = network.model if isinstance(network, Network) else network
    aliases = getattr(model, "layer_aliases", {})
    modules = modules_by_name(model)
    for stem, call in readings(name):
        target = aliases.get(stem, stem)
        if target in modules:
            return Layer(modules[target], call)
    names = [*aliases, *(key for key in modules if key not in aliases)]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(key) for key in near)}?" if near else ""
    shown = ", ".join(names[:80]) + (f" and {len(names) - 80} more" if len(names) > 80 else "")
    raise InputError(f"The network has no layer '{name}'.{hint} Its layers: {shown}.")


def load_network(
    spec: dict[str, Any],
    weights: str | Path | None = None,
    search_path: str | Path | None = None,
) -> Network:
    """Load a network from one of the sources.

    Parameters
    ----------
    spec : dict
        Exactly one key of `SOURCES` with that source's options; other keys are not looked at.
        All sources know ``input_size`` ([height, width]), ``mean``, ``std`` (three numbers),
        ``channels`` ("rgb" or "bgr") and ``value_range`` (1 or 255), which replace the source's
        own. What else they know is said at each one.
    weights : path, optional
        File of weights; without one the initial weights are random (option ``seed``, default 1).
    search_path : path, optional
        Folder that a ``factory``'s module is looked for in.

    Raises
    ------
    InputError
    """
    found = [source for source in SOURCES if source in spec]
    if len(found) != 1:
        raise InputError(
            f"A network needs exactly one source out of {', '.join(SOURCES)}; "
            f"found {', '.join(found) or 'none'}."
        )
    options = dict(spec[found[0]])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.get("seed", 1))
        model, defaults = SOURCES[found[0]](options, weights, search_path)
    settings = _settings(options, model, defaults)
    model.eval().requires_grad_(False)
    use_float32(model, settings["input_size"])
    return Network(model, settings["input_size"], Preprocessing(**settings))


def _settings(options: dict, model: torch.nn.Module, defaults: dict) -> dict[str, Any]:
    """Settings of the preprocessing: the options' before the model's before the source's."""
    found = {}
    for key in ("input_size", "mean", "std", "channels", "value_range"):
        of_model = getattr(model, key, None)
        if isinstance(of_model, torch.Tensor):
            of_model = None  # part of the network's arithmetic
        value = next(
            (v for v in (options.get(key), of_model, defaults.get(key)) if v is not None), None
        )
        if value is not None:
            found[key] = tuple(value) if isinstance(value, list) else value
    if "input_size" not in found:
        raise InputError(
            "The network's input size is not known: give input_size: [height, width], or an "
            "attribute input_size of the model."
        )
    for key, count, least in (("input_size", 2, 1), ("mean", 3, None), ("std", 3, 1e-9)):
        value = found.get(key, (1,) * count)
        if not isinstance(value, tuple) or len(value) != count or (least and min(value) < least):
            raise InputError(
                f"{key} must be {count} numbers{' above 0' if least else ''}; found {value}."
            )
    if found.get("channels", "rgb") not in ("rgb", "bgr"):
        raise InputError(f"channels must be rgb or bgr; found {found['channels']}.")
    return found


_Loaded = tuple[torch.nn.Module, dict[str, Any]]


def _trained(options: dict, weights: Any, search_path: Any) -> _Loaded:
    """Options: those of `training.architectures.build`, and ``task``; weights are needed."""
    head = TASKS[options["task"]].head
    classes = classes_of(read_state_dict(weights))
    model = build({**options, **({"head": head} if head else {})}, classes)
    load_weights(model, weights)
    # As in training: pools and convolutions of few units are faster so.
    return model.to(memory_format=torch.channels_last), {}


def _models() -> ModuleType:
    """Return torchvision's networks; importing them takes seconds, and most runs need none."""
    from torchvision import models

    return models


def torchvision_weights(name: str, weights: str = "DEFAULT") -> Any:
    """Return torchvision's entry for a network's weights: ``url``, ``meta``, ``transforms()``.

    Raises
    ------
    InputError
        If torchvision has no such network, or no such weights for it.
    """
    try:
        entries = _models().get_model_weights(name)
    except ValueError as error:
        names = _models().list_models(module=_models())
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        raise InputError(
            f"torchvision has no network '{name}'. Near: {', '.join(near) or 'none'}. "
            f"All: {', '.join(names)}."
        ) from error
    if weights not in entries.__members__:
        raise InputError(
            f"torchvision has no weights '{weights}' for {name}; it has "
            f"{', '.join(entries.__members__)}."
        )
    return entries[weights]


# These two draw their initial weights slowly unless told not to.
_SLOW_TO_BUILD = ("googlenet", "inception_v3")


def _torchvision(options: dict, weights: Any, search_path: Any) -> _Loaded:
    """Options: ``name``; ``weights``, the name of torchvision's entry (DEFAULT)."""
    name = options["name"]
    entry = torchvision_weights(name, options.get("weights") or "DEFAULT")
    extra = {}
    if name in _SLOW_TO_BUILD:
        # Files of torchvision hold the auxiliary classifiers and expect inputs scaled as by the
        # network's first authors, which the network then does itself.
        extra = {"init_weights": weights is None, "aux_logits": True, "transform_input": True}
    model = _models().get_model(
        name, weights=None, num_classes=len(entry.meta["categories"]), **extra
    )
    if weights is not None:
        load_weights(model, weights)
    transforms = entry.transforms()
    size = transforms.crop_size[0]
    return model, {
        "input_size": (size, size),
        "mean": tuple(transforms.mean),
        "std": tuple(transforms.std),
    }


def _checkpoint(options: dict, weights: Any, search_path: Any) -> _Loaded:
    """Options: ``architecture``, a network of torchvision or caffenet; ``classes`` (365)."""
    name, classes = options["architecture"], options.get("classes", 365)
    if name == "caffenet":
        model = build(PUBLISHED, classes)
        # Unlike ours, such files expect inputs as torchvision's networks do.
        model.mean, model.std, model.value_range = IMAGENET_MEAN, IMAGENET_STD, 1.0
    else:
        torchvision_weights(name)  # does it exist?
        extra = {}
        if name in _SLOW_TO_BUILD:
            extra = {"init_weights": weights is None, "aux_logits": False}
        model = _models().get_model(name, weights=None, num_classes=classes, **extra)
    if weights is not None:
        load_weights(model, weights)
    size = 299 if name == "inception_v3" else 224
    return model, {"input_size": (size, size)}


def _factory(options: dict, weights: Any, search_path: Any) -> _Loaded:
    """Options: ``function``, as ``package.module:function``; ``arguments``, a dict."""
    place = options["function"]
    module_name, _, function_name = place.partition(":")
    if not module_name or not function_name:
        raise InputError(
            f"'{place}' does not name a function: write it as package.module:function."
        )
    with _searching(search_path):
        try:
            function = getattr(importlib.import_module(module_name), function_name)
        except (ImportError, AttributeError) as error:
            raise InputError(
                f"The function {place} cannot be imported: {error}. It is looked for in "
                f"{search_path or 'the installed packages'}."
            ) from error
        model = function(**options.get("arguments", {}))
    if not isinstance(model, torch.nn.Module):
        raise InputError(
            f"{place} must return a torch.nn.Module, but returned a {type(model).__name__}."
        )
    if weights is not None:
        load_weights(model, weights)
    return model, {}


@contextmanager
def _searching(folder: str | Path | None) -> Iterator[None]:
    if folder is None:
        yield
        return
    entry = str(Path(folder).resolve())
    sys.path.insert(0, entry)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(entry)


def _exported(options: dict, weights: Any, search_path: Any) -> _Loaded:
    """Options: ``file``, written by ``torch.export.save`` with a dynamic number of images."""
    path = _existing(options["file"])
    try:
        with path.open("rb") as file, _only_weights(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about torch's own reading of the file
            program = torch.export.load(file)
            # Tensors that the network makes while it runs are on the device of its export.
            program = move_to_device_pass(program, str(best_device()))
            # The layers get back the names that they had in the network that was exported.
            model = torch.export.unflatten(program)
    except Exception as error:  # of many kinds, by what is wrong with the file
        raise InputError(
            f"{path} cannot be read as a file of torch.export.save ({first_line(error)})."
        ) from error
    inputs = program.graph_signature.user_inputs
    given = [node.meta["val"] for node in program.graph.nodes if node.name in inputs]
    shapes = [tuple(getattr(value, "shape", ())) for value in given]
    if len(shapes) != 1 or not shapes[0] or isinstance(shapes[0][0], int):
        found = ", ".join(f"({', '.join(map(str, shape))})" for shape in shapes)
        raise InputError(
            f"{path} was exported for inputs of the shape {found or 'none'}; it must be for one "
            "input of any number of images. Export it again with "
            "dynamic_shapes=({0: torch.export.Dim('images')},)."
        )
    return model, {}


def _torchscript(options: dict, weights: Any, search_path: Any) -> _Loaded:
    """Options: ``file``, written by ``torch.jit.save``."""
    return ScriptedNetwork(_existing(options["file"])), {}


def _caffe(options: dict, weights: Any, search_path: Any) -> _Loaded:
    """Options: ``prototxt``, the file of the network's definition."""
    from dissection.networks.caffe.load import load_caffe

    return load_caffe(_existing(options["prototxt"]), weights), {
        "mean": CAFFE_MEAN,
        "std": (1.0, 1.0, 1.0),
        "channels": "bgr",
        "value_range": 255.0,
    }


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


def _existing(file: str | Path) -> Path:
    if not Path(file).is_file():
        raise InputError(f"The network's file {file} does not exist. Check its path.")
    return Path(file)


SOURCES: dict[str, Callable[[dict, Any, Any], _Loaded]] = {
    "trained": _trained,
    "torchvision": _torchvision,
    "checkpoint": _checkpoint,
    "factory": _factory,
    "exported": _exported,
    "torchscript": _torchscript,
    "caffe": _caffe,
}
