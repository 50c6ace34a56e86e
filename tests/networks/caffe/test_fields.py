"""Every field of every supported type of layer is read, or changes nothing, or is refused."""

import numpy as np
import pytest
import torch
from caffe_layers import draw

from dissection.errors import InputError
from dissection.networks.caffe.definition import read_definition
from dissection.networks.caffe.layers import LAYERS
from dissection.networks.caffe.messages import NO_EFFECT, LayerParameter
from dissection.networks.caffe.network import build_network

torch.set_num_threads(1)

IMAGE = torch.from_numpy(draw(0, 2, 4, 6, 8))
CONV = "num_output: 4 kernel_size: 3"
WINDOWS = {
    "num_output": (CONV, "num_output: 8 kernel_size: 3"),
    "bias_term": (CONV, f"{CONV} bias_term: false"),
    "pad": (CONV, f"{CONV} pad: 1"),
    "kernel_size": (CONV, "num_output: 4 kernel_size: 1"),
    "group": (CONV, f"{CONV} group: 2"),
    "stride": (CONV, f"{CONV} stride: 2"),
    "pad_h": (CONV, f"{CONV} pad_h: 1"),
    "pad_w": (CONV, f"{CONV} pad_w: 1"),
    "kernel_h": ("num_output: 4 kernel_h: 3 kernel_w: 3", "num_output: 4 kernel_h: 1 kernel_w: 3"),
    "kernel_w": ("num_output: 4 kernel_h: 3 kernel_w: 3", "num_output: 4 kernel_h: 3 kernel_w: 1"),
    "stride_h": (CONV, f"{CONV} stride_h: 2 stride_w: 1"),
    "stride_w": (CONV, f"{CONV} stride_w: 2 stride_h: 1"),
    "axis": (CONV, f"{CONV} axis: 2", "axis 2 is not supported"),
    "dilation": (CONV, f"{CONV} dilation: 2"),
}
POOL = "pool: AVE kernel_size: 3 stride: 2"
FUNCTION = {"base": ("", "base: 2"), "scale": ("", "scale: 2"), "shift": ("", "shift: 9")}

# For each type the field of its parameters, and for each field of these: the parameters, others
# that differ in that field alone, and what is said if that is refused. Else results differ.
FIELDS = {
    "Convolution": ("convolution_param", WINDOWS),
    "Deconvolution": ("convolution_param", WINDOWS),
    "DepthwiseConvolution": (
        "convolution_param",
        WINDOWS
        | {
            "num_output": (CONV, "num_output: 8 kernel_size: 3", "num_output, and group"),
            "group": (CONV, f"{CONV} group: 2", "num_output, and group"),
        },
    ),
    "InnerProduct": (
        "inner_product_param",
        {
            "num_output": ("num_output: 4", "num_output: 5"),
            "bias_term": ("num_output: 4", "num_output: 4 bias_term: false"),
            "axis": ("num_output: 4", "num_output: 4 axis: 2"),
            "transpose": ("num_output: 4", "num_output: 4 transpose: true"),
        },
    ),
    "Pooling": (
        "pooling_param",
        {
            "pool": (POOL, POOL.replace("AVE", "MAX")),
            "kernel_size": (POOL, "pool: AVE kernel_size: 2 stride: 2"),
            "stride": (POOL, "pool: AVE kernel_size: 3 stride: 1"),
            "pad": (POOL, f"{POOL} pad: 1"),
            "kernel_h": ("kernel_h: 3 kernel_w: 3", "kernel_h: 2 kernel_w: 3"),
            "kernel_w": ("kernel_h: 3 kernel_w: 3", "kernel_h: 3 kernel_w: 2"),
            "stride_h": ("kernel_size: 3", "kernel_size: 3 stride_h: 2 stride_w: 1"),
            "stride_w": ("kernel_size: 3", "kernel_size: 3 stride_h: 1 stride_w: 2"),
            "pad_h": ("kernel_size: 3", "kernel_size: 3 pad_h: 1"),
            "pad_w": ("kernel_size: 3", "kernel_size: 3 pad_w: 1"),
            "global_pooling": ("kernel_size: 3", "global_pooling: true"),
            "round_mode": (POOL, f"{POOL} round_mode: FLOOR"),
            "ceil_mode": (POOL, f"{POOL} ceil_mode: false"),
        },
    ),
    "LRN": (
        "lrn_param",
        {
            "local_size": ("", "local_size: 3"),
            "alpha": ("", "alpha: 0.5"),
            "beta": ("", "beta: 0.5"),
            "norm_region": ("", "norm_region: WITHIN_CHANNEL"),
            "k": ("", "k: 2"),
        },
    ),
    "BatchNorm": (
        "batch_norm_param",
        {
            "use_global_stats": ("", "use_global_stats: false", "set it to true"),
            "eps": ("", "eps: 0.5"),
            "scale_filler": ("", "scale_filler { value: 1 }"),
            "bias_filler": ("", "bias_filler { value: 1 }"),
            "scale_bias": ("", "scale_bias: true"),
        },
    ),
    "BN": ("bn_param", {"eps": ("", "eps: 0.5"), "bn_mode": ("", "bn_mode: INFERENCE")}),
    "Scale": (
        "scale_param",
        {
            "axis": ("", "axis: 2"),
            "num_axes": ("", "num_axes: 2"),
            "bias_term": ("", "bias_term: true"),
        },
    ),
    "Bias": ("bias_param", {"axis": ("", "axis: 2"), "num_axes": ("", "num_axes: 2")}),
    "ReLU": ("relu_param", {"negative_slope": ("", "negative_slope: 0.1")}),
    "ReLU6": (
        "relu_param",
        {"negative_slope": ("", "negative_slope: 0.1", "negative_slope is not supported")},
    ),
    "PReLU": ("prelu_param", {"channel_shared": ("", "channel_shared: true")}),
    "ELU": ("elu_param", {"alpha": ("", "alpha: 0.5")}),
    "Sigmoid": (None, {}),
    "TanH": (None, {}),
    "Swish": ("swish_param", {"beta": ("", "beta: 2")}),
    "BNLL": (None, {}),
    "AbsVal": (None, {}),
    "Clip": (
        "clip_param",
        {"min": ("min: 0 max: 1", "min: -1 max: 1"), "max": ("min: 0 max: 1", "min: 0 max: 2")},
    ),
    "Threshold": ("threshold_param", {"threshold": ("", "threshold: 0.5")}),
    "Power": (
        "power_param",
        {"power": ("", "power: 2"), "scale": ("", "scale: 2"), "shift": ("", "shift: 9")},
    ),
    "Exp": ("exp_param", FUNCTION),
    "Log": ("log_param", {key: ("shift: 5", value) for key, (_, value) in FUNCTION.items()}),
    "Dropout": (
        "dropout_param",
        {
            "dropout_ratio": ("scale_train: false", "scale_train: false dropout_ratio: 0.2"),
            "scale_train": ("", "scale_train: false"),
            "sample_weights_test": ("", "sample_weights_test: true", "random results"),
        },
    ),
    "Softmax": ("softmax_param", {"axis": ("", "axis: 2")}),
    "Eltwise": (
        "eltwise_param",
        {"operation": ("", "operation: PROD"), "coeff": ("", "coeff: 1 coeff: -1")},
    ),
    "Axpy": (None, {}),
    "Concat": ("concat_param", {"axis": ("", "axis: 2"), "concat_dim": ("", "concat_dim: 2")}),
    "Slice": (
        "slice_param",
        {
            "axis": ("", "axis: 2"),
            "slice_dim": ("", "slice_dim: 2"),
            "slice_point": ("", "slice_point: 1"),
        },
    ),
    "Split": (None, {}),
    "Crop": ("crop_param", {"axis": ("", "axis: 3"), "offset": ("", "offset: 1")}),
    "Flatten": ("flatten_param", {"axis": ("", "axis: 2"), "end_axis": ("", "end_axis: 2")}),
    "Reshape": (
        "reshape_param",
        {
            "shape": ("shape { dim: 0 dim: -1 }", "shape { dim: 0 dim: 2 dim: -1 }"),
            "axis": ("shape { dim: 0 dim: -1 }", "shape { dim: 0 dim: -1 } axis: 1"),
            "num_axes": ("shape { dim: 0 dim: -1 }", "shape { dim: 0 dim: -1 } num_axes: 2"),
        },
    ),
    "Permute": ("permute_param", {"order": ("order: 0", "order: 0 order: 2")}),
}
FIELDS["ConvolutionDepthwise"] = FIELDS["DepthwiseConvolution"]

BOTTOMS = {"Eltwise": ["x", "x2"], "Concat": ["x", "x2"], "Crop": ["x", "small"]}
BOTTOMS["Axpy"] = ["factors", "x", "x2"]
HEAD = """
    layer { name: "i" type: "Input" top: "x" input_param { shape { dim: [1, 4, 6, 8] } } }
    layer { name: "p" type: "Power" power_param { scale: 2 } bottom: "x" top: "x2" }
    layer { name: "a" type: "Pooling" pooling_param { pool: AVE global_pooling: true } bottom: "x"
            top: "factors" }
    layer { name: "s" type: "Pooling" pooling_param { kernel_size: 3 } bottom: "x" top: "small" }
"""


def run(folder, kind, block, text, more=""):
    """Output of a layer: of the same random weights as far as they are of the same shapes."""
    blobs = " ".join(f'bottom: "{blob}"' for blob in BOTTOMS.get(kind, ["x"])) + ' top: "y"'
    if kind == "Slice":
        blobs += ' top: "rest"'
    parameters = f"{block} {{ {text} }}" if block else ""
    path = folder / "net.prototxt"
    path.write_text(f'{HEAD} layer {{ name: "it" type: "{kind}" {blobs} {parameters} {more} }}')
    network = build_network(read_definition(path), None, ["y"])
    for name, tensor in network.state_dict().items():
        values = np.random.default_rng(len(name)).uniform(0.5, 2, tensor.numel())
        tensor.copy_(torch.from_numpy(values).reshape(tensor.shape))
    return network(IMAGE).detach()


def message_of(block):
    return LayerParameter.DESCRIPTOR.fields_by_name[block].message_type


def test_the_table_has_all_types_and_all_their_fields():
    assert FIELDS.keys() == LAYERS.keys()
    for kind, (block, fields) in FIELDS.items():
        known = set() if block is None else set(message_of(block).fields_by_name)
        assert fields.keys() == known, kind


CASES = [
    (kind, block, field, *(*texts, None)[:3])
    for kind, (block, fields) in FIELDS.items()
    for field, texts in fields.items()
    if field != "transpose"  # how files hold the weights: see test_inner_product
]


@pytest.mark.parametrize(("kind", "block", "field", "text", "other", "refusal"), CASES)
def test_every_field_is_read_or_refused(tmp_path, kind, block, field, text, other, refusal):
    expected = run(tmp_path, kind, block, text)
    if refusal is not None:
        with pytest.raises(InputError, match=f"layer 'it' of type {kind} .*{refusal}"):
            run(tmp_path, kind, block, other)
        return
    found = run(tmp_path, kind, block, other)
    assert found.shape != expected.shape or not torch.equal(found, expected)


VALUES = {
    "loss_weight": "1",
    "propagate_down": "false",
    "param": '{ name: "w" lr_mult: 3 }',
    "engine": "CUDNN",
    "force_nd_im2col": "true",
    "stable_prod_grad": "false",
    "moving_average_fraction": "0.5",
    "momentum": "0.5",
    "frozen": "true",
    "forward_type": "FLOAT16",
}


@pytest.mark.parametrize("kind", LAYERS)
def test_fields_without_effect_change_nothing(tmp_path, kind):
    block, fields = FIELDS[kind]
    text = next(iter(fields.values()))[0] if fields else ""
    expected = run(tmp_path, kind, block, text)
    own = NO_EFFECT.get(message_of(block).name, ()) if block else ()
    for field in own:
        value = VALUES.get(field, '{ type: "gaussian" std: 0.01 of_a_fork: 7 }')
        assert torch.equal(run(tmp_path, kind, block, f"{text} {field}: {value}"), expected)
    for field in NO_EFFECT["LayerParameter"]:
        value = VALUES.get(field, "{ anything: 7 }")
        assert torch.equal(run(tmp_path, kind, block, text, f"{field}: {value}"), expected)
    for field in ("include { phase: TEST }", "exclude { phase: TRAIN }", "phase: TEST"):
        assert torch.equal(run(tmp_path, kind, block, text, field), expected)
    # Parameters of other types are looked at by these alone.
    others = {b for b, _ in FIELDS.values() if b not in (None, block, "relu_param")}
    for field in others:
        assert torch.equal(run(tmp_path, kind, block, text, f"{field} {{ }}"), expected)


@pytest.mark.parametrize("kind", LAYERS)
def test_fields_that_are_not_known_are_named(tmp_path, kind):
    block, fields = FIELDS[kind]
    text = next(iter(fields.values()))[0] if fields else ""
    with pytest.raises(InputError, match=f"line 7: layer 'it' of type {kind} has 'odd: 7'"):
        run(tmp_path, kind, block, text, "odd: 7")
    if block:
        message = rf"'{block}.odd: \{{ a: 1 \}}' \(line 7\).*Take it out if it changes nothing"
        with pytest.raises(InputError, match=message):
            run(tmp_path, kind, block, f"{text} odd {{ a: 1 }}")


@pytest.mark.parametrize("kind", ["Dropout", "BatchNorm", "BN"])
def test_layers_that_would_run_as_in_training_are_refused(tmp_path, kind):
    with pytest.raises(InputError, match="phase: TRAIN would run it as in training"):
        run(tmp_path, kind, None, "", "phase: TRAIN")
