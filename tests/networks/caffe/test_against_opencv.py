"""Single layers, and halves, against OpenCV's reader."""

import cv2
import numpy as np
import pytest
import torch
from caffe_definitions import write_caffemodel, write_network

from dissection.networks.caffe.load import load_caffe
from dissection.networks.caffe.messages import NetParameter

torch.set_num_threads(1)
cv2.setNumThreads(1)

INPUT = 'layer { name: "i" type: "Input" top: "x" input_param { shape { dim: [1, 6, 9, 8] } } }\n'
WINDOW = "kernel_size: 3 stride: 2 pad: 1"
N = np.random.default_rng(0)


def one(kind, parameters="", bottoms="x", tops="y", name="it"):
    blobs = "".join(f' bottom: "{blob}"' for blob in bottoms.split())
    blobs += "".join(f' top: "{blob}"' for blob in tops.split())
    return f'layer {{ name: "{name}" type: "{kind}"{blobs} {parameters} }}\n'


def normal(*shape):
    return N.normal(size=shape).astype(np.float32)


def above_0(*shape):
    return N.uniform(0.5, 1.5, shape).astype(np.float32)


MEANS = one("Pooling", "pooling_param { pool: AVE global_pooling: true }", tops="p", name="p")
POSITIVE = one("AbsVal", tops="a", name="a")
# The definition after its input, and the weights.
LAYERS = {
    "PReLU": (one("PReLU"), [normal(6)]),
    "PReLU, shared": (one("PReLU", "prelu_param { channel_shared: true }"), [normal(1)]),
    "ELU": (one("ELU", "elu_param { alpha: 0.5 }"), []),
    "Sigmoid": (one("Sigmoid"), []),
    "TanH": (one("TanH"), []),
    "AbsVal": (one("AbsVal"), []),
    "BNLL": (one("BNLL"), []),
    "ReLU6": (one("ReLU6"), []),
    "Swish": (one("Swish"), []),
    "Power": (
        POSITIVE + one("Power", "power_param { power: 1.5 scale: 2 shift: 0.5 }", "a"),
        [],
    ),
    "Exp": (one("Exp", "exp_param { base: 2 scale: 0.5 shift: 0.1 }"), []),
    "Log": (POSITIVE + one("Log", "", "a"), []),  # OpenCV does not read its parameters
    "Dropout": (one("Dropout", "dropout_param { dropout_ratio: 0.3 }"), []),
    "Dropout, scale_train: false": (
        one("Dropout", "dropout_param { dropout_ratio: 0.3 scale_train: false }"),
        [],
    ),
    "Slice": (
        one("Slice", "slice_param { slice_point: 2 }", tops="a b")
        + one("Concat", "", "b a", "y", "joined"),
        [],
    ),
    "Slice in equal parts": (one("Slice", tops="a b c") + one("Concat", "", "c a b", "y", "j"), []),
    "Split": (one("Split", tops="a b") + one("Eltwise", "", "a b", "y", "sum"), []),
    "Deconvolution": (
        one("Deconvolution", f"convolution_param {{ num_output: 4 {WINDOW} }}"),
        [normal(6, 4, 3, 3), normal(4)],
    ),
    "Deconvolution, groups": (
        one("Deconvolution", f"convolution_param {{ num_output: 4 {WINDOW} group: 2 }}"),
        [normal(6, 2, 3, 3), normal(4)],
    ),
    "ConvolutionDepthwise": (
        one("ConvolutionDepthwise", f"convolution_param {{ num_output: 6 {WINDOW} }}"),
        [normal(6, 1, 3, 3), normal(6)],
    ),
    "Scale": (one("Scale", "scale_param { bias_term: true }"), [normal(6), normal(6)]),
    "Scale, two axes": (one("Scale", "scale_param { num_axes: 2 }"), [normal(6, 9)]),
    "Scale, two bottoms": (
        MEANS + one("Flatten", "", "p", "f", "f") + one("Scale", "scale_param { axis: 0 }", "x f"),
        [],
    ),
    "Axpy": (MEANS + one("Axpy", "", "p x x"), []),
    "BatchNorm": (
        one("BatchNorm", "batch_norm_param { eps: 0.01 }"),
        [normal(6), above_0(6), np.full(1, 1.5, np.float32)],
    ),
    "BatchNorm, 2 blobs": (one("BatchNorm"), [normal(6), above_0(6)]),
    "BatchNorm, 5 blobs": (
        one("BatchNorm", "batch_norm_param { scale_bias: true }"),
        [normal(6), above_0(6), np.full(1, 1.5, np.float32), normal(6), normal(6)],
    ),
    "LRN within units": (
        one("LRN", "lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 alpha: 2 }"),
        [],
    ),
    "Crop": (
        one("Pooling", "pooling_param { kernel_size: 2 stride: 2 }", tops="p", name="p")
        + one("Crop", "crop_param { offset: 1 offset: 2 }", "x p"),
        [],
    ),
    "Permute": (one("Permute", "permute_param { order: [0, 2, 3, 1] }"), []),
    "Reshape": (one("Reshape", "reshape_param { shape { dim: [0, 3, -1, 4] } }"), []),
    "Reshape of an axis": (
        one("Reshape", "reshape_param { shape { dim: [3, -1] } axis: 1 num_axes: 1 }"),
        [],
    ),
    "Flatten": (one("Flatten", "flatten_param { axis: 2 }"), []),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_agree_with_opencv(tmp_path, name):
    text, blobs = LAYERS[name]
    prototxt, caffemodel = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    prototxt.write_text(INPUT + text)
    write_caffemodel(caffemodel, {"it": blobs} if blobs else {"of no layer": [np.zeros(1)]})
    image = np.random.default_rng(1).normal(size=(1, 6, 9, 8)).astype(np.float32)
    network = load_caffe(prototxt, caffemodel)
    with torch.no_grad():
        ours = network(torch.from_numpy(image)).numpy()
    reader = cv2.dnn.readNetFromCaffe(str(prototxt), str(caffemodel))
    reader.enableFusion(False)
    reader.setInput(image)
    theirs = reader.forward()
    assert ours.shape == theirs.shape
    difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
    print(f"\n{name}: at most {difference:.1e} of the largest value")
    assert difference < 1e-6


def test_halves_of_opencv_are_read(tmp_path):
    text = INPUT.replace("6, 9, 8", "3, 9, 8") + one(
        "Convolution", f"convolution_param {{ num_output: 6 {WINDOW} }}"
    )
    prototxt, caffemodel = write_network(tmp_path, text)
    net = NetParameter.FromString(caffemodel.read_bytes())
    net.layer[0].type = "Convolution"  # halves are made of the weights of such layers
    caffemodel.write_bytes(net.SerializeToString())
    halves = tmp_path / "halves.caffemodel"
    cv2.dnn.shrinkCaffeModel(str(caffemodel), str(halves))
    assert halves.stat().st_size < 0.7 * caffemodel.stat().st_size
    whole, half = load_caffe(prototxt, caffemodel), load_caffe(prototxt, halves)
    assert torch.equal(half.it.weight, whole.it.weight.half().float())
    image = np.random.default_rng(1).normal(size=(1, 3, 9, 8)).astype(np.float32)
    reader = cv2.dnn.readNetFromCaffe(str(prototxt), str(halves))
    reader.setInput(image)
    with torch.no_grad():
        difference = np.abs(half(torch.from_numpy(image)).numpy() - reader.forward()).max()
    assert difference < 1e-5
