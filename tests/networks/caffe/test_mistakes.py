"""Mistakes in definitions and weights of Caffe networks, and damaged files: what is said."""

import numpy as np
import pytest
from caffe_definitions import write_caffemodel, write_network
from hypothesis import given, settings
from hypothesis import strategies as st

from dissection.errors import InputError
from dissection.networks.caffe.load import load_caffe
from dissection.networks.caffe.messages import NetParameter

INPUT = 'input: "data"\ninput_shape { dim: 1 dim: 3 dim: 20 dim: 20 }\n'
CONV = "convolution_param { num_output: 4 kernel_size: 3 }"


def layer(kind, bottom="data", top="out", parameters="", name="it"):
    return (
        f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{top}" {parameters} }}\n'
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (INPUT + "layer {\n  type: Convolution\n}", r"net.prototxt, line 4: .*Convolution"),
        (INPUT + 'layer {\n  type: "ReLU"\n', r"line [45]: .*Expected \"}\""),
        ("<html><title>Gone</title>", r"is an HTML page \(title 'Gone'\)"),
        ("", "is empty"),
        (INPUT, "no layers for the phase TEST"),
        (layer("ReLU"), "does not say how large an image is"),
        ('input: "data" input_dim: 1 input_dim: 3 ' + layer("ReLU"), "gives 0 shapes"),
        (INPUT.replace("3", "0") + layer("ReLU"), "must be above 0"),
        (INPUT + layer("ReLU") + "layers { type: RELU }", "both `layer` and `layers`"),
        (
            INPUT + layer("Crap"),
            r"line 3: layer 'it' of type Crap is not supported. Supported types: Convolution, D",
        ),
        (
            INPUT + layer("ReLU", "dota"),
            "takes the blob 'dota', which no layer makes. Did .*'data'",
        ),
        (
            INPUT + layer("ReLU", "b", "a", name="one") + layer("ReLU", "a", "b", name="two"),
            "'one' of type ReLU takes the blob 'b', which is made only after it, by layer 'two'",
        ),
        (
            INPUT.replace('"data"', '"data" input: "label"')
            + "input_shape { dim: 1 }"
            + layer("ReLU", "label"),
            "'label', an input besides the image 'data'",
        ),
        (INPUT + layer("ReLU") + layer("ReLU"), "makes the blob 'out', which another layer"),
        (INPUT + layer("ReLU").replace('top: "out"', ""), "must have one top, but has 0"),
        (INPUT + layer("ReLU", top='out" top: "mask'), "must have one top, but has 2"),
        (
            INPUT
            + layer("Pooling", "data", 'out" top: "mask', "pooling_param { kernel_size: 2 }")
            + layer("ReLU", "mask", "b"),
            "'mask', output 2 of layer 'it' of type Pooling, which is not supported",
        ),
        (INPUT + layer("Eltwise"), "takes 2 or more bottom, but has 1"),
        (
            INPUT + layer("Convolution", parameters=CONV.replace("3", "30")),
            r"'it' of type Convolution cannot be used on an input of the shape \(3, 20, 20\)",
        ),
        (
            INPUT
            + layer("Convolution", parameters=CONV)
            + layer("Eltwise", 'data" bottom: "out', "sum"),
            r"shape \(3, 20, 20\) and \(4, 18, 18\): all its inputs must have the same shape",
        ),
        (
            INPUT
            + layer("Convolution", parameters=CONV)
            + layer("Convolution", top="b", parameters=CONV),
            "two layers with weights are called 'it'",
        ),
    ],
)
def test_mistakes_in_definitions_are_explained(tmp_path, text, message):
    (tmp_path / "net.prototxt").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        load_caffe(tmp_path / "net.prototxt")
    assert "net.prototxt" in str(error.value)


def small(folder):
    return write_network(folder, INPUT + layer("Convolution", parameters=CONV, name="conv5"))


@pytest.mark.parametrize(
    ("blobs", "message"),
    [
        (
            {"conv4": [(4, 3, 3, 3), (4,)]},
            r"no weights for layer 'conv5' of .*Did you mean 'conv4'",
        ),
        (
            {"conv5": [(4, 2, 3, 3), (4,)]},
            r"layer 'conv5' have the shapes \(4, 2, 3, 3\), \(4,\), but .* needs \(4, 3, 3, 3\), "
            r"\(4,\)",
        ),
        ({"conv5": [(4, 3, 3, 3)]}, r"have the shapes \(4, 3, 3, 3\), but"),
        ({"conv5": []}, "holds no weights"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path, blobs, message):
    prototxt, caffemodel = small(tmp_path)
    arrays = {name: [np.zeros(shape) for shape in shapes] for name, shapes in blobs.items()}
    write_caffemodel(caffemodel, arrays)
    with pytest.raises(InputError, match=message) as error:
        load_caffe(prototxt, caffemodel)
    assert "net.caffemodel" in str(error.value)


def test_too_few_values_are_refused(tmp_path):
    prototxt, caffemodel = small(tmp_path)
    net = NetParameter.FromString(caffemodel.read_bytes())
    net.layer[0].blobs[0].data.pop()
    caffemodel.write_bytes(net.SerializeToString())
    message = r"layer 'conv5' has the shape \(4, 3, 3, 3\), but 107 values"
    with pytest.raises(InputError, match=message):
        load_caffe(prototxt, caffemodel)


def test_missing_files_are_named(tmp_path):
    prototxt, _ = small(tmp_path)
    with pytest.raises(InputError, match=r"none\.prototxt does not exist"):
        load_caffe(tmp_path / "none.prototxt")
    with pytest.raises(InputError, match=r"none\.caffemodel does not exist"):
        load_caffe(prototxt, tmp_path / "none.caffemodel")


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_damaged_weights_are_refused_or_read_but_nothing_else(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    prototxt, caffemodel = small(folder)
    content = bytearray(caffemodel.read_bytes())
    if data.draw(st.booleans()):
        caffemodel.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
        with pytest.raises(InputError, match=r"net\.caffemodel"):
            load_caffe(prototxt, caffemodel)
        return
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    caffemodel.write_bytes(content)
    try:
        load_caffe(prototxt, caffemodel)
    except InputError as error:
        assert "net.caffemodel" in str(error)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from(["", "}", "{", '"', "9", "x"]))
def test_damaged_definitions_are_refused_or_read_but_nothing_else(tmp_path_factory, a, b, new):
    text = INPUT + layer("Convolution", parameters=CONV) + layer("Softmax", "out", "out")
    a, b = a % len(text), b % 20
    path = tmp_path_factory.mktemp("damaged") / "net.prototxt"
    path.write_text(text[:a] + new + text[a + b :])
    try:
        load_caffe(path)
    except InputError as error:
        assert "net.prototxt" in str(error)
