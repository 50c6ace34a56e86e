"""Read the definition of a network: its input, and its layers in the order that they run."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from dissection.downloads.file_checks import web_page_problem
from dissection.errors import InputError
from dissection.networks.caffe.old_forms import current_form, merge_padding
from dissection.networks.caffe.text import Parsed, Unknown, parse
from dissection.networks.caffe.transform import Transform, read_transform

_USED_IN_TRAINING = {"Accuracy", "SoftmaxWithLoss", "Silence"}  # and all that end in Loss


@dataclass(frozen=True)
class Layer:
    """A layer in the current form, whatever it was written in.

    Attributes
    ----------
    parameters : LayerParameter
    line : int
        In the definition's file, where it begins.
    unknown : tuple of Unknown
        What it says that is not known, and so cannot be followed.
    """

    parameters: Any
    line: int
    unknown: tuple[Unknown, ...]

    @property
    def name(self) -> str:
        return self.parameters.name

    @property
    def type(self) -> str:
        return self.parameters.type

    @property
    def bottom(self) -> Sequence[str]:
        return self.parameters.bottom

    @property
    def top(self) -> Sequence[str]:
        return self.parameters.top


@dataclass(frozen=True)
class Definition:
    """A network's definition, for the phase TEST.

    Attributes
    ----------
    path : Path
        Its file, for messages.
    input_name : str
        Name of the blob that is the image.
    input_shape : tuple of int
        Channels, height and width of the image.
    other_inputs : frozenset of str
        Blobs that come from outside too, such as labels.
    layers : list of Layer
        Without inputs, losses and layers of the phase TRAIN.
    transform : Transform
        Of the image.
    """

    path: Path
    input_name: str
    input_shape: tuple[int, int, int]
    other_inputs: frozenset[str]
    layers: list[Layer]
    transform: Transform


def read_definition(path: Path, input_size: Sequence[int] | None = None) -> Definition:
    """Read a prototxt file, in any of Caffe's three forms.

    Parameters
    ----------
    path : Path
    input_size : two int, optional
        Height and width of the image, in place of what the file says.

    Raises
    ------
    InputError
        If the file is not such a text, or it is nowhere said how large an image is.
    """
    parsed = _parse(path)
    net = parsed.net
    layers = [
        layer for layer in _layers(parsed, path) if _in_phase_test(layer.parameters, net.state)
    ]
    inputs = _inputs(net, path)
    transforms = {}
    kept = []
    for layer in layers:
        if _is_input(layer.parameters):
            inputs |= _shapes_of_tops(layer.parameters, path)
            transforms |= dict.fromkeys(layer.top, read_transform(layer.parameters, path))
        elif layer.type not in _USED_IN_TRAINING and not layer.type.endswith("Loss"):
            kept.append(layer)
    image = next((name for name, shape in inputs.items() if len(shape) == 4), None)
    if input_size is not None:
        # Of the inputs without a size, the first is the image: labels come after it.
        image = image or next((name for name, shape in inputs.items() if not shape), None)
        if image is not None:
            inputs[image] = (*(inputs[image] or (1, 3))[:2], *input_size)
    if image is None:
        raise InputError(
            f"{path} does not say how large an image is. Give input_size beside it, or write "
            "into it an input of four dimensions: "
            'layer { name: "data" type: "Input" top: "data" '
            "input_param { shape { dim: 1 dim: 3 dim: HEIGHT dim: WIDTH } } }"
        )
    if min(inputs[image][1:]) < 1:
        raise InputError(
            f"{path}: the input '{image}' has the shape {inputs[image]}, but channels, height and "
            "width must be above 0."
        )
    if not kept:
        raise InputError(f"{path} has no layers for the phase TEST besides inputs and losses.")
    others = frozenset(inputs) - {image}
    transform = transforms.get(image, Transform())
    return Definition(path, image, inputs[image][1:], others, kept, transform)


def _parse(path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"The network's definition {path} does not exist. Check its path.")
    problem = web_page_problem(path)
    if problem:
        raise InputError(f"{path} {problem}. Fetch it again.")
    # Comments may be in any encoding; all else is ASCII.
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    try:
        parsed = parse(text)
    except text_format.ParseError as error:
        message = re.sub(r"^\d+:\d+ : ", "", str(error))
        place = "" if error.GetLine() is None else f", line {error.GetLine()}"
        raise InputError(
            f"{path}{place}: this is no definition of a Caffe network ({message.rstrip('.')}). "
            "Mend the text there or just before, or fetch the file again."
        ) from error
    for entry in parsed.unknown:
        raise InputError(
            f"{path}, line {entry.line}: the field '{entry.field}' ({shortened(entry.value)}) of "
            "the network is not known, so what it would change cannot be computed. Take it out if "
            "it changes nothing when the network is used."
        )
    return parsed


def shortened(value: str) -> str:
    """Return a field's value for a message.

    Examples
    --------
    >>> shortened("7"), shortened("{ " + "layer: 1 " * 9)
    ('7', '{ layer: 1 layer: 1 layer: 1 layer: 1...')
    """
    return value if len(value) <= 40 else value[:37] + "..."


def _layers(parsed: Parsed, path: Path) -> list[Layer]:
    """Return the layers, converted to the current form."""
    net = parsed.net
    if net.layer and net.layers:
        raise InputError(
            f"{path} has both `layer` and `layers`, the current and an old form. Use one of them."
        )
    found = []
    for i, message in enumerate(net.layer or net.layers):
        line, unknown = parsed.layers.get(("layer" if net.layer else "layers", i), (0, []))
        if not net.layer:
            message, unknown = current_form(message, unknown, line)
        found.append(Layer(message, line, tuple(unknown)))
    merged = merge_padding([layer.parameters for layer in found])
    return [layer for i, layer in enumerate(found) if i not in merged]


def _is_input(layer: Any) -> bool:
    """Whether a layer gives images; networks are trained with many types that do."""
    from_python = layer.type == "Python" and not layer.bottom
    return layer.type == "Input" or layer.type.endswith("Data") or from_python


def _in_phase_test(layer: Any, state: Any) -> bool:
    """Apply the rules `include` and `exclude` for the phase TEST, and the network's own state."""

    def holds(rule: Any) -> bool:
        return (
            (not rule.HasField("phase") or rule.phase == 1)
            and (not rule.HasField("min_level") or rule.min_level <= state.level)
            and (not rule.HasField("max_level") or rule.max_level >= state.level)
            and set(rule.stage) <= set(state.stage)
            and set(rule.not_stage).isdisjoint(state.stage)
        )

    if layer.include:
        return any(holds(rule) for rule in layer.include)
    return not any(holds(rule) for rule in layer.exclude)


_Shapes = dict[str, tuple[int, ...]]


def _inputs(net: Any, path: Path) -> _Shapes:
    """Shapes of inputs that are fields of the network, not layers."""
    if not net.input:
        return {}
    shapes = [tuple(shape.dim) for shape in net.input_shape] or list(_fours(net.input_dim))
    if len(shapes) != len(net.input):
        raise InputError(
            f"{path} names {len(net.input)} inputs ({', '.join(net.input)}), but gives "
            f"{len(shapes)} shapes. Give each an input_shape, or four input_dim."
        )
    return dict(zip(net.input, shapes, strict=True))


def _fours(dims: Any) -> Iterator[tuple[int, ...]]:
    for start in range(0, len(dims) - 3, 4):
        yield tuple(dims[start : start + 4])


def _shapes_of_tops(layer: Any, path: Path) -> _Shapes:
    """Shapes of what an input layer gives; () where the definition does not tell."""
    if layer.type == "Input":
        shapes = [tuple(shape.dim) for shape in layer.input_param.shape]
        if len(shapes) == 1:
            shapes *= len(layer.top)
        if len(shapes) != len(layer.top):
            raise InputError(
                f"{path}: the Input layer '{layer.name}' has {len(layer.top)} tops, but "
                f"{len(shapes)} shapes. Give it an input_param {{ shape {{ dim: ... }} }} for each."
            )
        return dict(zip(layer.top, shapes, strict=True))
    # The first top of a data layer is the image, the second its label.
    found: _Shapes = dict.fromkeys(layer.top, ())
    shape = _image_shape(layer)
    if layer.top and shape is not None:
        found[layer.top[0]] = shape
    return found


def _image_shape(layer: Any) -> tuple[int, ...] | None:
    """Return the shape of what a layer of data gives; None where the definition does not tell."""
    memory, dummy, images = layer.memory_data_param, layer.dummy_data_param, layer.image_data_param
    if layer.HasField("memory_data_param"):
        return (1, memory.channels, memory.height, memory.width)
    if dummy.shape:
        return tuple(dummy.shape[0].dim)
    if dummy.num and dummy.channels and dummy.height and dummy.width:
        return (dummy.num[0], dummy.channels[0], dummy.height[0], dummy.width[0])
    transform = layer.transform_param
    size = transform.crop_size or layer.data_param.crop_size or images.crop_size
    height = size or transform.crop_h or images.new_height
    width = size or transform.crop_w or images.new_width
    gray = transform.force_gray or not images.is_color
    return (1, 1 if gray else 3, height, width) if height and width else None
