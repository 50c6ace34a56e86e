"""From a definition and weights to a PyTorch module."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from dissection.errors import InputError, did_you_mean, first_line
from dissection.networks.caffe.definition import Definition, Layer, shortened
from dissection.networks.caffe.layers import LAYERS
from dissection.networks.caffe.transform import Transform
from dissection.networks.caffe.weighted import Weighted
from dissection.networks.caffe.weights import Weights, blob_shape, blob_values
from dissection.networks.layers import readings

_IMAGES = 2  # of the batch that shapes are found with


class _Step(NamedTuple):
    layer: str  # its name in Caffe
    module: str  # name of the module
    bottoms: tuple[str, ...]  # names of the blobs that it reads
    top: str  # name of the blob that it makes, or makes anew
    unused_after: tuple[str, ...]  # names of the blobs that no later step reads


class CaffeNetwork(nn.Module):
    """The layers of a Caffe network, a module for each top, run in the definition's order.

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


def build_network(
    definition: Definition, weights: Weights | None, wanted: Sequence[str] | None = None
) -> CaffeNetwork:
    """Build the module, and fill it with weights, or with random ones.

    Parameters
    ----------
    definition : Definition
    weights : Weights, optional
    wanted : sequence of str, optional
        Names of layers or blobs: only these and what they are made from are built. Without it
        all layers are.

    Raises
    ------
    InputError
        If there is no such layer, or one that is built is unknown, or says what is not known, or
        cannot take its input, or its weights are missing or of other shapes.
    """
    network = CaffeNetwork(definition.input_name, definition.input_shape[1:], definition.transform)
    names = _module_names(network, definition.layers)
    needed = _needed(definition, names, wanted)
    shapes = {definition.input_name: (_IMAGES, *definition.input_shape)}
    weighted: set[str] = set()
    steps: list[_Step] = []
    for layer, own_names, is_needed in zip(definition.layers, names, needed, strict=True):
        if not is_needed:
            continue
        # Tensors without memory: only their shapes are needed yet.
        with torch.device("meta"):
            modules, tops = _modules_and_shapes(definition, layer, shapes)
        if isinstance(modules[0], Weighted):
            if layer.name in weighted:
                raise InputError(
                    f"{definition.path}: two layers with weights are called '{layer.name}', but "
                    "weights are found by that name. Rename one of them."
                )
            weighted.add(layer.name)
            _fill(modules[0], layer, weights, definition)
        for name, module, top, shape in zip(own_names, modules, layer.top, tops, strict=False):
            network.add_module(name, module)
            shapes[top] = shape
            steps.append(_Step(layer.name, name, tuple(layer.bottom), top, ()))
    network._steps = _released(steps)
    aliases = _aliases(definition.layers, names)
    built = {step.module for step in steps}
    network.layer_aliases = {key: name for key, name in aliases.items() if name in built}
    return network


def _module_names(network: CaffeNetwork, layers: Sequence[Layer]) -> list[list[str]]:
    """Return names of modules for the tops of each layer; they do not depend on what is built."""
    taken: set[str] = set()
    found = []
    for layer in layers:
        found.append([])
        for name in [layer.name, *layer.top[1:]][: len(layer.top)]:
            # PyTorch takes no dots, and nothing that modules use themselves.
            module = re.sub(r"\W", "_", name) or "layer"
            while module in taken or hasattr(network, module):
                module += "_"
            taken.add(module)
            found[-1].append(module)
    return found


def _aliases(layers: Sequence[Layer], names: Sequence[Sequence[str]]) -> dict[str, str]:
    """Return the module of each name of a layer or blob: that of the blob's final value."""
    final = {
        top: name
        for layer, own_names in zip(layers, names, strict=True)
        for top, name in zip(layer.top, own_names, strict=True)
    }
    # Where a layer has the name of another layer's blob, the blob is meant, as in Caffe.
    return {layer.name: final[layer.top[0]] for layer in layers if layer.top} | final


def _needed(
    definition: Definition, names: Sequence[Sequence[str]], wanted: Sequence[str] | None
) -> list[bool]:
    """Return for each layer whether a wanted one needs it."""
    layers = definition.layers
    if wanted is None:
        return [True] * len(layers)
    aliases = _aliases(layers, names)
    owners = {module: i for i, own_names in enumerate(names) for module in own_names}
    left = []
    for name in wanted:
        modules = (aliases.get(stem, stem) for stem, _ in readings(name))
        module = next((module for module in modules if module in owners), None)
        if module is None:
            known = ", ".join([*aliases][:80])
            raise InputError(
                f"{definition.path} has no layer '{name}'.{did_you_mean(name, aliases)} Its layers "
                f"and blobs: {known}{' and more' if len(aliases) > 80 else ''}."
            )
        left.append(owners[module])
    needed = [False] * len(layers)
    while left:
        i = left.pop()
        if not needed[i]:
            needed[i] = True
            left += [
                j
                for bottom in layers[i].bottom
                for j in [_maker_before(layers, i, bottom)]
                if j is not None
            ]
    return needed


def _maker_before(layers: Sequence[Layer], i: int, blob: str) -> int | None:
    return next((j for j in reversed(range(i)) if blob in layers[j].top), None)


def _modules_and_shapes(
    definition: Definition, layer: Layer, shapes: dict[str, tuple[int, ...]]
) -> tuple[list[nn.Module], list[tuple[int, ...]]]:
    """Return a layer's modules, on the device "meta", and the shapes of their outputs."""
    place = f"{definition.path}, line {layer.line}" if layer.line else f"{definition.path}"
    where = f"{place}: layer '{layer.name}' of type {layer.type or '(none)'}"
    if layer.type not in LAYERS:
        raise InputError(
            f"{where} is not supported. Supported types: {', '.join(LAYERS)}. If it comes after "
            "the layers that you dissect, take it and what follows it out of the definition."
        )
    for entry in layer.unknown:
        at = f" (line {entry.line})" if entry.line else ""
        raise InputError(
            f"{where} has '{entry.field}: {shortened(entry.value)}'{at}, which Caffe does not know "
            "there, so what it would change cannot be computed. Take it out if it changes nothing "
            "when the network is used."
        )
    kind = LAYERS[layer.type]
    if not kind.fewest <= len(layer.bottom) <= kind.most:
        counts = f"{kind.fewest}" if kind.fewest == kind.most else f"{kind.fewest} or more"
        counts = "1 or 2" if (kind.fewest, kind.most) == (1, 2) else counts
        raise InputError(f"{where} takes {counts} bottom, but has {len(layer.bottom)}.")
    for bottom in layer.bottom:
        if bottom not in shapes:
            raise InputError(
                f"{where} takes the blob '{bottom}', {_absence(definition, layer, bottom)}"
            )
    if not 1 <= len(layer.top) <= kind.tops:
        counts = "one top" if kind.tops == 1 else "a top"
        raise InputError(f"{where} must have {counts}, but has {len(layer.top)}.")
    for k, top in enumerate(layer.top):
        in_place = top in layer.bottom and len(layer.top) == 1
        if (top in shapes and not in_place) or top in layer.top[:k]:
            raise InputError(
                f"{where} makes the blob '{top}', which another layer has made already. Give its "
                "top another name."
            )
    inputs = [shapes[bottom] for bottom in layer.bottom]
    try:
        built = kind.build(layer.parameters, inputs)
        modules = built if isinstance(built, list) else [built]
        found = []
        for module in modules:
            # Some layers behave differently in training.
            out = module.eval()(*[torch.empty(shape) for shape in inputs])
            if out.shape[0] != _IMAGES:
                raise ValueError("it would mix images of a batch")
            if not all(out.shape):
                raise ValueError(f"its output would have the shape {tuple(out.shape[1:])}")
            found.append(tuple(out.shape))
    except (RuntimeError, ValueError, IndexError, ZeroDivisionError) as error:
        given = " and ".join(str(shape[1:]) for shape in inputs)
        raise InputError(
            f"{where} cannot be used on an input of the shape {given}: {first_line(error)}. "
            "Check its parameters and the size of the network's input."
        ) from error
    return modules, found


def _absence(definition: Definition, taker: Layer, blob: str) -> str:
    """Say why a blob is not there, as the end of a sentence."""
    if blob in definition.other_inputs:
        return (
            f"an input besides the image '{definition.input_name}', but only an image is given. "
            "Take the layer out of the definition."
        )
    makers = [layer for layer in definition.layers if blob in layer.top]
    if makers and definition.layers.index(makers[0]) < definition.layers.index(taker):
        return (
            f"output {list(makers[0].top).index(blob) + 1} of layer '{makers[0].name}' of type "
            f"{makers[0].type}, which is not supported."
        )
    if makers:
        return (
            f"which is made only after it, by layer '{makers[0].name}'. Every layer must come "
            "after those that it takes blobs from, without a cycle."
        )
    known = [definition.input_name, *(top for layer in definition.layers for top in layer.top)]
    return f"which no layer makes.{did_you_mean(blob, known)}"


def _released(steps: Sequence[_Step]) -> list[_Step]:
    """Say after each step which blobs are not used any more."""
    last_use: dict[str, int] = {}
    for i, step in enumerate(steps):
        last_use |= dict.fromkeys((*step.bottoms, step.top), i)
    unused: dict[int, list[str]] = {}
    for blob, i in last_use.items():
        if blob != steps[-1].top:  # the network's output
            unused.setdefault(i, []).append(blob)
    return [step._replace(unused_after=tuple(unused.get(i, ()))) for i, step in enumerate(steps)]


def _fill(module: Weighted, layer: Layer, weights: Weights | None, definition: Definition) -> None:
    """Give a module memory and weights."""
    expected = module.blob_shapes()
    if weights is None:
        module.to_empty(device="cpu").draw()
        return
    if layer.name not in weights.blobs:
        hint = did_you_mean(layer.name, weights.blobs)
        raise InputError(
            f"{weights.path} has no weights for layer '{layer.name}' of {definition.path}, which "
            f"needs the shapes {_listed(expected)}.{hint} Check that the two files belong together."
        )
    blobs = weights.blobs[layer.name]
    found = [blob_shape(blob) for blob in blobs]
    forms = [expected, *module.other_blob_shapes()]
    form = next((form for form in forms if _fit(found, form)), None)
    if form is None:
        listed = " or ".join(map(_listed, forms))
        raise InputError(
            f"{weights.path}: the weights of layer '{layer.name}' have the shapes "
            f"{_listed(found)}, but {definition.path} needs {listed}. Check that the "
            "two files belong together."
        )
    tensors = []
    for blob, shape in zip(blobs, form, strict=True):
        try:
            values = blob_values(blob)
        except ValueError as error:
            raise InputError(
                f"{weights.path}: a weight of layer '{layer.name}' has {error}. Convert the file "
                "to single precision."
            ) from error
        if len(values) != math.prod(shape):
            raise InputError(
                f"{weights.path}: a weight of layer '{layer.name}' has the shape "
                f"{blob_shape(blob)}, but {len(values):,} values. The file is damaged: fetch it "
                "again."
            )
        tensors.append(values.reshape(shape))
    module.to_empty(device="cpu").load(tensors)


def _fit(found: Sequence[Sequence[int]], form: Sequence[Sequence[int]]) -> bool:
    """Whether blobs have the shapes that are needed, as far as files tell it.

    Old files give every blob four dimensions; those of forks give vectors others besides.
    """

    def fits(one: Sequence[int], needed: Sequence[int]) -> bool:
        if len(needed) <= 1:
            return [size for size in one if size != 1] == [size for size in needed if size != 1]
        return _trimmed(one) == _trimmed(needed)

    return len(found) == len(form) and all(map(fits, found, form))


def _trimmed(shape: Sequence[int]) -> tuple[int, ...]:
    """Without leading ones: old files give every blob four dimensions."""
    first = next((i for i, size in enumerate(shape) if size != 1), len(shape))
    return tuple(shape[first:])


def _listed(shapes: Sequence[Sequence[int]]) -> str:
    return ", ".join(str(tuple(shape)) for shape in shapes)
