"""Names and units of the layers of the networks that the workflow trains, without building them.

Free of torch: a configuration is checked with them. A test holds them to the architectures.
"""

from collections.abc import Iterator, Mapping
from typing import Any

_Modules = Mapping[str, Any]  # names of modules, and what is inside them

_CONV_RELU: _Modules = {"0": {}, "1": {}}
_CONV_NORM_RELU: _Modules = _CONV_RELU | {"2": {}}
_CONV_BN: _Modules = {"conv": {}, "bn": {}}
_INCEPTION: _Modules = {
    "branch1": _CONV_BN,
    "branch2": {"0": _CONV_BN, "1": _CONV_BN},
    "branch3": {"0": _CONV_BN, "1": _CONV_BN},
    "branch4": {"0": {}, "1": _CONV_BN},
}
_RESIDUAL: _Modules = {"conv1": {}, "bn1": {}, "relu": {}, "conv2": {}, "bn2": {}}
_WIDENING: _Modules = _RESIDUAL | {"downsample": {"0": {}, "1": {}}}
_VGG = "conv1 pool1 conv2 pool2 conv3 conv4 pool4 conv5 conv6"
_GOOGLENET = {
    "conv1": _CONV_BN,
    "pool1": {},
    "inception_a": _INCEPTION,
    "pool2": {},
    "inception_b": _INCEPTION,
    "inception_c": _INCEPTION,
}
_RESNET = {
    "conv1": _CONV_BN,
    "pool1": {},
    "layer1": _RESIDUAL,
    "layer2": _WIDENING,
    "layer3": _WIDENING,
}

# Units of convolutions and blocks, from input to output; a pool has those of what it pools.
_UNITS = {
    "alexnet": (24, 48, 64, 64, 96),
    "caffenet": (96, 256, 384, 384, 256),
    "vgg": (12, 24, 48, 48, 96, 96),
    "googlenet": (24, 64, 96, 96),
    "resnet": (24, 24, 48, 96),
}


def layer_names(trained: Mapping[str, Any]) -> list[str]:
    """Return the dotted names of a network's modules, from input to output.

    Parameters
    ----------
    trained : mapping
        The network's ``architecture``, ``task``, ``dropout``, ``batch_norm`` and ``head``.

    Examples
    --------
    >>> options = {"task": "scene", "dropout": 0, "batch_norm": False, "head": "gap"}
    >>> layer_names({"architecture": "resnet", **options})[:5]
    ['conv1', 'conv1.conv', 'conv1.bn', 'pool1', 'layer1']
    """
    return list(_dotted(_features(trained) | _ending(trained)))


def layer_units(trained: Mapping[str, Any]) -> dict[str, int]:
    """Return how many units layers have: all up to the last pool, but those inside Inceptions.

    Parameters
    ----------
    trained : mapping
        As for `layer_names`, with the network's ``width``.

    Examples
    --------
    >>> options = {"task": "scene", "dropout": 0, "batch_norm": False, "head": "gap", "width": 1}
    >>> layer_units({"architecture": "resnet", **options})["layer2.conv1"]
    48
    """
    units = list(_UNITS[trained["architecture"]])
    if trained["architecture"] in ("alexnet", "caffenet"):
        units[-1] *= trained["width"]
    found: dict[str, int] = {}
    of_block, left = 0, iter(units)
    for block, inner in _features(trained).items():
        of_block = next(left) if inner else of_block
        names = [block] if inner is _INCEPTION else [block, *_dotted(inner, f"{block}.")]
        found |= dict.fromkeys(names, of_block)
    ending = [name for name in _ending(trained) if name.startswith("pool")]
    return found | dict.fromkeys(ending, of_block)


def _features(trained: Mapping[str, Any]) -> dict[str, _Modules]:
    name = trained["architecture"]
    if name == "googlenet":
        return _GOOGLENET
    if name == "resnet":
        return _RESNET
    if name == "vgg":
        return {name: _CONV_RELU if name.startswith("conv") else {} for name in _VGG.split()}
    block = _CONV_NORM_RELU if trained["batch_norm"] else _CONV_RELU
    modules: dict[str, _Modules] = {}
    for i in range(1, 6):
        modules[f"conv{i}"] = block
        if i <= 2:
            modules[f"pool{i}"] = {}
            if name == "caffenet" and not trained["batch_norm"]:
                modules[f"norm{i}"] = {}
    return modules


def _ending(trained: Mapping[str, Any]) -> dict[str, _Modules]:
    if trained["task"] == "colorization":
        return {"cells": {}}
    if trained["head"] == "gap" or trained["architecture"] not in ("alexnet", "caffenet"):
        return {"pool": {}, "flat": {}, "fc8": {}}
    modules: dict[str, _Modules] = {"pool5": {}, "flat": {}}
    for i in (6, 7):
        if trained["dropout"]:
            modules[f"drop{i}"] = {}
        modules[f"fc{i}"] = _CONV_RELU
    return modules | {"fc8": {}}


def _dotted(modules: _Modules, prefix: str = "") -> Iterator[str]:
    for name, inner in modules.items():
        yield prefix + name
        yield from _dotted(inner, f"{prefix}{name}.")
