"""Read the definition of a network: its input, and its layers in the order that they run."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from dissection.downloads.file_checks import web_page_problem
from dissection.errors import InputError
from dissection.networks.caffe.messages import V1_LAYER_TYPES, LayerParameter, NetParameter
from dissection.networks.caffe.transform import Transform, read_transform

# Names of types in the first `layers` that are more than their parts capitalised.
_RENAMED = {
    "RELU": "ReLU",
    "LRN": "LRN",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "HDF5_DATA": "HDF5Data",
}
_DATA = {"Data", "ImageData", "MemoryData", "HDF5Data", "WindowData", "DummyData"}
_USED_IN_TRAINING = {"Accuracy", "SoftmaxWithLoss", "Silence"}  # and all that end in Loss


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
    layers : list of LayerParameter
        Without inputs, losses and layers of the phase TRAIN; of the first `layers` generation
        as of the current one.
    transform : Transform
        Of the image.
    """

    path: Path
    input_name: str
    input_shape: tuple[int, int, int]
    other_inputs: frozenset[str]
    layers: list[Any]
    transform: Transform


def read_definition(path: Path, input_size: Sequence[int] | None = None) -> Definition:
    """Read a prototxt file.

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
    net = _parse(path)
    layers = [layer for layer in _current_generation(net, path) if _in_phase_test(layer)]
    inputs = _inputs(net, path)
    transforms = {}
    kept = []
    for layer in layers:
        if layer.type == "Input" or layer.type in _DATA:
            transform = read_transform(layer, path)
            inputs |= _shapes_of_tops(layer, transform, path)
            transforms |= dict.fromkeys(layer.top, transform)
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
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        return text_format.Parse(text, NetParameter(), allow_unknown_field=True)
    except text_format.ParseError as error:
        message = re.sub(r"^\d+:\d+ : ", "", str(error))
        place = "" if error.GetLine() is None else f", line {error.GetLine()}"
        raise InputError(
            f"{path}{place}: this is no definition of a Caffe network ({message.rstrip('.')}). "
            "Mend the text there or just before, or fetch the file again."
        ) from error


def _current_generation(net: Any, path: Path) -> list[Any]:
    """Return the layers; those that are written as `layers { type: CONVOLUTION }` converted."""
    if net.layer and net.layers:
        raise InputError(
            f"{path} has both `layer` and `layers`, the current and an old form. Use one of them."
        )
    return list(net.layer) or [_converted(layer, path) for layer in net.layers]


def _converted(old: Any, path: Path) -> Any:
    if old.HasField("layer"):
        raise InputError(
            f"{path} is in the first of Caffe's three forms (`layers {{ layer {{ }} }}`), which is "
            "not read. Convert it with Caffe's tool upgrade_net_proto_text."
        )
    new = LayerParameter()
    for field, value in old.ListFields():
        if field.name == "type":
            name = V1_LAYER_TYPES[value]
            new.type = _RENAMED.get(name, name.title().replace("_", ""))
        elif field.is_repeated:
            getattr(new, field.name).extend(value)
        elif field.message_type is not None:
            getattr(new, field.name).CopyFrom(value)
        else:
            setattr(new, field.name, value)
    return new


def _in_phase_test(layer: Any) -> bool:
    """Apply the rules `include` and `exclude` for the phase TEST, level 0 and no stages."""

    def holds(rule: Any) -> bool:
        return (
            (not rule.HasField("phase") or rule.phase == 1)
            and rule.min_level <= 0  # 0 if it is not set
            and rule.max_level >= 0
            and not rule.stage
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


def _shapes_of_tops(layer: Any, transform: Transform, path: Path) -> _Shapes:
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
    memory, size = layer.memory_data_param, transform.crop_size
    if layer.top and layer.HasField("memory_data_param"):
        found[layer.top[0]] = (1, memory.channels, memory.height, memory.width)
    elif layer.top and size:
        found[layer.top[0]] = (1, 3, size, size)
    return found
