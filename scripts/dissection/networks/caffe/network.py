"""From a definition and weights to a PyTorch module."""

import difflib
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from dissection.errors import InputError, first_line
from dissection.networks.caffe.definition import Definition
from dissection.networks.caffe.layers import LAYERS, Weighted
from dissection.networks.caffe.transform import Transform
from dissection.networks.caffe.weights import Weights, blob_shape, blob_values

_IMAGES = 2  # of the batch that shapes are found with


class _Step(NamedTuple):
    module: str  # name of the module
    bottoms: tuple[str, ...]  # names of the blobs that it reads
    top: str  # name of the blob that it makes, or makes anew
    unused_after: tuple[str, ...]  # names of the blobs that no later step reads


class CaffeNetwork(nn.Module):
    """The layers of a Caffe network, one module each, run in the definition's order.

    Attributes
    ----------
    input_size : tuple of int
        Height and width of the image, pixels.
    transform : Transform
        What the definition says of how an image becomes the input.
    layer_aliases : dict of str
        For each name of a layer or blob in Caffe the name of the module whose output is that
        blob's final value: for a convolution with a ReLU in place that of the ReLU.
    """

    def __init__(self, input_name: str, input_size: tuple[int, int], transform: Transform) -> None:
        super().__init__()
        self.input_size = input_size
        self.transform = transform
        self.layer_aliases: dict[str, str] = {}
        self._input_name = input_name
        self._steps: list[_Step] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """From (n, channels, height, width) to the last layer's output.

        Nothing is done in place, so that every module's output stays as it is.
        """
        blobs = {self._input_name: images}
        for step in self._steps:
            module = getattr(self, step.module)
            blobs[step.top] = module(*[blobs[bottom] for bottom in step.bottoms])
            for name in step.unused_after:
                del blobs[name]
        return blobs[self._steps[-1].top]


def build_network(definition: Definition, weights: Weights | None) -> CaffeNetwork:
    """Build the module, and fill it with weights, or with random ones.

    Raises
    ------
    InputError
        If a layer is unknown, or cannot take its input, or its weights are missing or of other
        shapes.
    """
    network = CaffeNetwork(definition.input_name, definition.input_shape[1:], definition.transform)
    shapes = {definition.input_name: (_IMAGES, *definition.input_shape)}
    weighted: set[str] = set()
    names: list[str] = []
    for layer in definition.layers:
        # Tensors without memory: only their shapes are needed yet.
        with torch.device("meta"):
            module, shape = _module_and_shape(definition, layer, shapes)
        if isinstance(module, Weighted):
            if layer.name in weighted:
                raise InputError(
                    f"{definition.path}: two layers with weights are called '{layer.name}', but "
                    "weights are found by that name. Rename one of them."
                )
            weighted.add(layer.name)
            _fill(module, layer, weights, definition)
        names.append(_module_name(network, layer.name))
        network.add_module(names[-1], module)
        shapes[layer.top[0]] = shape
    network._steps = _steps(definition.layers, names)
    final = {step.top: step.module for step in network._steps}
    # Where a layer has the name of another layer's blob, the blob is meant, as in Caffe.
    network.layer_aliases = {layer.name: final[layer.top[0]] for layer in definition.layers} | final
    return network


def _module_and_shape(
    definition: Definition, layer: Any, shapes: dict[str, tuple[int, ...]]
) -> tuple[nn.Module, tuple[int, ...]]:
    """Return a layer's module, on the device "meta", and the shape of its output."""
    where = f"{definition.path}: layer '{layer.name}' of type {layer.type or '(none)'}"
    if layer.type not in LAYERS:
        raise InputError(
            f"{where} is not supported. Supported types: {', '.join(LAYERS)}. If it comes after "
            "the layers that you dissect, take it and what follows it out of the definition."
        )
    for bottom in layer.bottom:
        if bottom not in shapes:
            raise InputError(f"{where} takes the blob '{bottom}', {_absence(definition, bottom)}")
    if len(layer.top) != 1:
        raise InputError(f"{where} must have one top, but has {len(layer.top)}.")
    if layer.top[0] in shapes and layer.top[0] not in layer.bottom:
        raise InputError(
            f"{where} makes the blob '{layer.top[0]}', which another layer has made already. Give "
            "its top another name."
        )
    kind = LAYERS[layer.type]
    if not kind.fewest <= len(layer.bottom) <= kind.most:
        counts = f"{kind.fewest}" if kind.fewest == kind.most else f"{kind.fewest} or more"
        raise InputError(f"{where} takes {counts} bottom, but has {len(layer.bottom)}.")
    inputs = [shapes[bottom] for bottom in layer.bottom]
    try:
        module = kind.build(layer, inputs)
        # Some layers behave differently in training.
        out = module.eval()(*[torch.empty(shape) for shape in inputs])
        if out.shape[0] != _IMAGES:
            raise ValueError("it would mix images of a batch")
        if not all(out.shape):
            raise ValueError(f"its output would have the shape {tuple(out.shape[1:])}")
    except (RuntimeError, ValueError, IndexError, ZeroDivisionError) as error:
        found = " and ".join(str(shape[1:]) for shape in inputs)
        raise InputError(
            f"{where} cannot be used on an input of the shape {found}: {first_line(error)}. "
            "Check its parameters and the size of the network's input."
        ) from error
    return module, tuple(out.shape)


def _absence(definition: Definition, blob: str) -> str:
    """Say why a blob is not there, as the end of a sentence."""
    if blob in definition.other_inputs:
        return (
            f"an input besides the image '{definition.input_name}', but only an image is given. "
            "Take the layer out of the definition."
        )
    makers = [layer.name for layer in definition.layers if blob in layer.top]
    if makers:
        return (
            f"which is made only after it, by layer '{makers[0]}'. Every layer must come after "
            "those that it takes blobs from, without a cycle."
        )
    known = [definition.input_name, *(top for layer in definition.layers for top in layer.top)]
    near = difflib.get_close_matches(blob, known, n=1, cutoff=0.5)
    return f"which no layer makes.{f' Did you mean {near[0]!r}?' if near else ''}"


def _module_name(network: CaffeNetwork, name: str) -> str:
    """Return a name that PyTorch takes: without dots, and not one that modules use themselves."""
    found = re.sub(r"\W", "_", name) or "layer"
    while hasattr(network, found):
        found += "_"
    return found


def _steps(layers: Sequence[Any], names: Sequence[str]) -> list[_Step]:
    last_use: dict[str, int] = {}
    for i, layer in enumerate(layers):
        last_use |= dict.fromkeys((*layer.bottom, layer.top[0]), i)
    unused: dict[int, list[str]] = {}
    for blob, i in last_use.items():
        if blob != layers[-1].top[0]:  # the network's output
            unused.setdefault(i, []).append(blob)
    return [
        _Step(name, tuple(layer.bottom), layer.top[0], tuple(unused.get(i, ())))
        for i, (layer, name) in enumerate(zip(layers, names, strict=True))
    ]


def _fill(module: Weighted, layer: Any, weights: Weights | None, definition: Definition) -> None:
    """Give a module memory and weights."""
    expected = module.blob_shapes()
    if weights is None:
        module.to_empty(device="cpu").draw()
        return
    if layer.name not in weights.blobs:
        near = difflib.get_close_matches(layer.name, weights.blobs, n=3, cutoff=0.5)
        hint = f" It has {', '.join(map(repr, near))}." if near else ""
        raise InputError(
            f"{weights.path} has no weights for layer '{layer.name}' of {definition.path}, which "
            f"needs the shapes {_listed(expected)}.{hint} Check that the two files belong together."
        )
    blobs = weights.blobs[layer.name]
    found = [blob_shape(blob) for blob in blobs]
    if [_trimmed(shape) for shape in found] != [_trimmed(shape) for shape in expected]:
        raise InputError(
            f"{weights.path}: the weights of layer '{layer.name}' have the shapes "
            f"{_listed(found)}, but {definition.path} needs {_listed(expected)}. Check that the "
            "two files belong together."
        )
    tensors = []
    for blob, shape in zip(blobs, expected, strict=True):
        values = blob_values(blob)
        if len(values) != math.prod(shape):
            raise InputError(
                f"{weights.path}: a weight of layer '{layer.name}' has the shape "
                f"{blob_shape(blob)}, but {len(values):,} values. The file is damaged: fetch it "
                "again."
            )
        tensors.append(values.reshape(shape))
    module.to_empty(device="cpu").load(tensors)


def _trimmed(shape: Sequence[int]) -> tuple[int, ...]:
    """Without leading ones: old files give every blob four dimensions."""
    first = next((i for i, size in enumerate(shape) if size != 1), len(shape))
    return tuple(shape[first:])


def _listed(shapes: Sequence[Sequence[int]]) -> str:
    return ", ".join(str(tuple(shape)) for shape in shapes)
