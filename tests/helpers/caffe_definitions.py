"""Networks in Caffe's format: writers of definitions and of caffemodels with random weights."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from dissection.networks.caffe.definition import read_definition
from dissection.networks.caffe.messages import NetParameter
from dissection.networks.caffe.network import build_network

V1_TYPES = {
    "Convolution": "CONVOLUTION",
    "InnerProduct": "INNER_PRODUCT",
    "Pooling": "POOLING",
    "ReLU": "RELU",
    "Dropout": "DROPOUT",
    "Softmax": "SOFTMAX",
    "Concat": "CONCAT",
    "Eltwise": "ELTWISE",
    "Flatten": "FLATTEN",
    "LRN": "LRN",
}


V0_TYPES = {
    "Convolution": "conv",
    "InnerProduct": "innerproduct",
    "Pooling": "pool",
    "ReLU": "relu",
    "Dropout": "dropout",
    "Softmax": "softmax",
    "Concat": "concat",
    "LRN": "lrn",
}


class Writer:
    """Collects the text of a definition, layer by layer.

    Parameters
    ----------
    name : str
    size : int
        Pixels.
    generation : {"layer", "layers", "V0"}
        Of the text: Caffe's third, second or first form.
    """

    def __init__(self, name: str, size: int, generation: str = "layer") -> None:
        self.generation = generation
        self.last = "data"  # the blob that the next layer takes
        dims = (10, 3, size, size)
        if generation == "layer":
            shape = " ".join(f"dim: {dim}" for dim in dims)
            head = f'name: "{name}"\ninput: "data"\ninput_shape {{ {shape} }}\n'
        else:
            rows = "".join(f"input_dim: {dim}\n" for dim in dims)
            head = f'name: "{name}"\ninput: "data"\n{rows}'
        self.lines = [head]

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def layer(
        self,
        kind: str,
        name: str,
        parameters: str = "",
        bottoms: Sequence[str] | None = None,
        top: str | None = None,
    ) -> str:
        """Write a layer; return its top."""
        bottoms = [self.last] if bottoms is None else bottoms
        self.last = name if top is None else top
        if self.generation == "V0":
            self.lines.append(_first_form(V0_TYPES[kind], name, parameters, bottoms, self.last))
            return self.last
        kind = f'"{kind}"' if self.generation == "layer" else V1_TYPES[kind]
        rows = [f'name: "{name}"', f"type: {kind}", *(f'bottom: "{blob}"' for blob in bottoms)]
        rows += [f'top: "{self.last}"', *([parameters] if parameters else [])]
        self.lines.append(
            "\n".join([f"{self.generation} {{", *(f"  {row}" for row in rows), "}\n"])
        )
        return self.last

    def relu(self, name: str) -> str:
        """Write a ReLU in place."""
        return self.layer("ReLU", name, top=self.last)

    def convolution(
        self,
        name: str,
        outputs: int,
        kernel: int,
        stride: int = 1,
        pad: int = 0,
        group: int = 1,
        bias: bool = True,
        bottom: str | None = None,
    ) -> str:
        values = [f"num_output: {outputs}", f"kernel_size: {kernel}"]
        values += [f"stride: {stride}"] * (stride != 1) + [f"pad: {pad}"] * (pad != 0)
        values += [f"group: {group}"] * (group != 1) + ["bias_term: false"] * (not bias)
        parameters = f"convolution_param {{ {' '.join(values)} weight_filler {{ type: 'msra' }} }}"
        return self.layer("Convolution", name, parameters, bottom and [bottom])

    def pool(
        self,
        name: str,
        kernel: int,
        stride: int,
        pad: int = 0,
        method: str = "MAX",
        bottom: str | None = None,
    ) -> str:
        values = f"pool: {method} kernel_size: {kernel} stride: {stride} pad: {pad}"
        return self.layer("Pooling", name, f"pooling_param {{ {values} }}", bottom and [bottom])

    def normalise(self, name: str) -> str:
        return self.layer("LRN", name, "lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }")

    def full(self, name: str, outputs: int) -> str:
        return self.layer("InnerProduct", name, f"inner_product_param {{ num_output: {outputs} }}")

    def head(self, hidden: int, classes: int) -> str:
        """Write fc6, fc7 and fc8 as AlexNet and VGG have them; return the text."""
        for number in (6, 7):
            self.full(f"fc{number}", hidden)
            self.relu(f"relu{number}")
            self.layer(
                "Dropout", f"drop{number}", "dropout_param { dropout_ratio: 0.5 }", top=self.last
            )
        self.full("fc8", classes)
        self.layer("Softmax", "prob")
        return self.text


def _first_form(kind: str, name: str, parameters: str, bottoms: Sequence[str], top: str) -> str:
    fields = parameters.partition("{")[2].rpartition("}")[0]
    fields = fields.replace("kernel_size", "kernelsize").replace("bias_term", "biasterm")
    blobs = " ".join([f'bottom: "{blob}"' for blob in bottoms] + [f'top: "{top}"'])
    return f'layers {{\n  layer {{ name: "{name}" type: "{kind}" {fields} }}\n  {blobs}\n}}\n'


def caffenet(
    size: int = 227, hidden: int = 4096, classes: int = 365, generation: str = "layer"
) -> str:
    """CaffeNet, the paper's AlexNet."""
    net = Writer("CaffeNet", size, generation)
    units, kernels, groups = (96, 256, 384, 384, 256), (11, 5, 3, 3, 3), (1, 2, 1, 2, 2)
    for number, (outputs, kernel, group) in enumerate(zip(units, kernels, groups, strict=True), 1):
        stride, pad = (4, 0) if number == 1 else (1, kernel // 2)
        net.convolution(f"conv{number}", outputs, kernel, stride, pad, group)
        net.relu(f"relu{number}")
        if number in (1, 2, 5):
            net.pool(f"pool{number}", 3, 2)
        if number in (1, 2):
            net.normalise(f"norm{number}")
    return net.head(hidden, classes)


def vgg16(
    size: int = 224, hidden: int = 4096, classes: int = 365, generation: str = "layer"
) -> str:
    """VGG-16 (Simonyan and Zisserman, 2014)."""
    net = Writer("VGG16", size, generation)
    for block, (outputs, count) in enumerate(
        ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), start=1
    ):
        for number in range(1, count + 1):
            net.convolution(f"conv{block}_{number}", outputs, 3, pad=1)
            net.relu(f"relu{block}_{number}")
        net.pool(f"pool{block}", 2, 2)
    return net.head(hidden, classes)


# Units of each block: 1x1, 3x3_reduce, 3x3, 5x5_reduce, 5x5, pool_proj.
INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet(size: int = 224, classes: int = 365, generation: str = "layer") -> str:
    """GoogLeNet (Szegedy et al., 2015) without its auxiliary classifiers."""
    net = Writer("GoogLeNet", size, generation)
    net.convolution("conv1/7x7_s2", 64, 7, 2, 3)
    net.relu("conv1/relu_7x7")
    net.pool("pool1/3x3_s2", 3, 2)
    net.normalise("pool1/norm1")
    net.convolution("conv2/3x3_reduce", 64, 1)
    net.relu("conv2/relu_3x3_reduce")
    net.convolution("conv2/3x3", 192, 3, pad=1)
    net.relu("conv2/relu_3x3")
    net.normalise("conv2/norm2")
    net.pool("pool2/3x3_s2", 3, 2)
    for block, units in INCEPTIONS.items():
        _inception(net, f"inception_{block}", *units)
        if block in ("3b", "4e"):
            net.pool(f"pool{block[0]}/3x3_s2", 3, 2)
    positions = 7 if size == 224 else -(-size // 32)
    net.pool("pool5/7x7_s1", positions, 1, method="AVE")
    net.layer("Dropout", "pool5/drop_7x7_s1", "dropout_param { dropout_ratio: 0.4 }", top=net.last)
    net.full("loss3/classifier", classes)
    net.layer("Softmax", "prob")
    return net.text


def _inception(
    net: Writer,
    name: str,
    one: int,
    reduce3: int,
    three: int,
    reduce5: int,
    five: int,
    project: int,
) -> None:
    before = net.last

    def convolution(part: str, outputs: int, kernel: int = 1, bottom: str | None = None) -> str:
        net.convolution(f"{name}/{part}", outputs, kernel, pad=kernel // 2, bottom=bottom)
        return net.relu(f"{name}/relu_{part}")

    tops = [convolution("1x1", one, bottom=before)]
    convolution("3x3_reduce", reduce3, bottom=before)
    tops.append(convolution("3x3", three, 3))
    convolution("5x5_reduce", reduce5, bottom=before)
    tops.append(convolution("5x5", five, 5))
    net.pool(f"{name}/pool", 3, 1, 1, bottom=before)
    tops.append(convolution("pool_proj", project))
    net.layer("Concat", f"{name}/output", bottoms=tops)


def resnet152(size: int = 224, classes: int = 365, blocks: Sequence[int] = (3, 8, 36, 3)) -> str:
    """ResNet-152 (He et al., 2016), named as the model that the paper converted from Torch.

    Layers are numbered in the order of Torch's modules, in which a normalisation with its scale
    is one: the last sum is ``caffe.Eltwise_510``, and its ReLU works in place.
    """
    net = Writer("ResNet-152", size)
    number = -1

    def named(kind: str) -> str:
        nonlocal number
        number += 1
        return f"caffe.{kind}_{number}"

    def convolution(outputs: int, kernel: int, stride: int, bottom: str | None = None) -> str:
        top = net.convolution(
            named("Convolution"), outputs, kernel, stride, kernel // 2, bias=False, bottom=bottom
        )
        name = named("BatchNorm")
        net.layer("BatchNorm", name, "batch_norm_param { use_global_stats: true }", top=top)
        scale = name.replace("BatchNorm", "Scale")
        return net.layer("Scale", scale, "scale_param { bias_term: true }", top=top)

    convolution(64, 7, 2)
    net.relu(named("ReLU"))
    net.pool(named("Pooling"), 3, 2)
    for stage, count in enumerate(blocks):
        for block in range(count):
            before, units = net.last, 64 << stage
            stride = 2 if stage and block == 0 else 1
            convolution(units, 1, 1)
            net.relu(named("ReLU"))
            convolution(units, 3, stride)
            net.relu(named("ReLU"))
            tops = [convolution(4 * units, 1, 1)]
            tops.append(before if block else convolution(4 * units, 1, stride, bottom=before))
            net.layer("Eltwise", named("Eltwise"), "eltwise_param { operation: SUM }", tops)
            net.relu(named("ReLU"))
    net.layer("Pooling", named("Pooling"), "pooling_param { pool: AVE global_pooling: true }")
    net.full(named("InnerProduct"), classes)
    net.layer("Softmax", "prob")
    return net.text


# ---- weights ---------------------------------------------------------------------------------

Blobs = Mapping[str, Sequence[np.ndarray]]


def random_blobs(prototxt: Path, seed: int = 0) -> dict[str, list[np.ndarray]]:
    """Weights under which activations keep their scale from layer to layer, float32."""
    definition = read_definition(prototxt)
    network = build_network(definition, None)
    draw = np.random.default_rng(seed)
    found = {}
    types = {layer.name: layer.type for layer in definition.layers}
    for step in network._steps:
        module = getattr(network, step.module)
        if not hasattr(module, "blob_shapes"):
            continue
        shapes = module.blob_shapes()
        if types[step.layer] == "BatchNorm":
            factor = np.float32(draw.uniform(500, 1000))
            mean, variance = 0.1 * draw.normal(size=shapes[0]), draw.uniform(0.5, 2, shapes[1])
            blobs = [mean * factor, variance * factor, np.full(1, factor)]
        elif types[step.layer] == "Scale":
            blobs = [draw.uniform(0.4, 0.8, shape) for shape in shapes]
        else:
            fan_in = np.prod(shapes[0][1:])
            weight = draw.standard_normal(shapes[0], np.float32) * np.float32(np.sqrt(2 / fan_in))
            blobs = [weight, *(draw.uniform(-0.1, 0.1, shape) for shape in shapes[1:])]
        found[step.layer] = [np.asarray(blob, np.float32) for blob in blobs]
    return found


def write_caffemodel(
    path: Path,
    blobs: Blobs,
    generation: str = "layer",
    double: bool = False,
    packed: bool = True,
    old_shape: bool = False,
) -> None:
    """Write a caffemodel file.

    Parameters
    ----------
    path : path
    blobs : mapping
        For each layer its weights.
    generation : {"layer", "layers", "V0"}
    double, packed : bool
        How the values are written.
    old_shape : bool
        As four numbers.
    """
    net = NetParameter(name="random")
    for name, arrays in blobs.items():
        if generation == "layer":
            layer = net.layer.add(name=name, type="Of no concern")
        elif generation == "layers":
            layer = net.layers.add(name=name)
        else:
            layer = net.layers.add().layer
            layer.name = name
        for array in arrays:
            blob = layer.blobs.add()
            if old_shape:
                four = (1,) * (4 - array.ndim) + array.shape
                blob.num, blob.channels, blob.height, blob.width = four
            else:
                blob.shape.dim.extend(array.shape)
            blob.MergeFromString(_values(array, double, packed))
    path.write_bytes(net.SerializeToString())


def _values(array: np.ndarray, double: bool, packed: bool) -> bytes:
    """The field with the values as Protocol Buffers encode it; much faster than their `extend`."""
    field, wire_type, dtype = (8, 1, "<f8") if double else (5, 5, "<f4")
    data = np.ascontiguousarray(array, dtype=dtype).tobytes()
    if packed:
        return bytes([field << 3 | 2]) + _varint(len(data)) + data
    size = np.dtype(dtype).itemsize
    tag = bytes([field << 3 | wire_type])
    return b"".join(tag + data[start : start + size] for start in range(0, len(data), size))


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def write_network(
    folder: Path, text: str, make_blobs: Callable[[Path], Blobs] = random_blobs
) -> tuple[Path, Path]:
    """Write a definition and a caffemodel for it; return their paths."""
    prototxt, caffemodel = folder / "net.prototxt", folder / "net.caffemodel"
    prototxt.write_text(text, encoding="utf-8")
    write_caffemodel(caffemodel, make_blobs(prototxt))
    return prototxt, caffemodel
