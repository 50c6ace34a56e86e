"""Names of the layers of the networks that the workflow trains, known without building them.

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
