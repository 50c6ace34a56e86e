"""What a definition says of an image's way into the network, and what comes before it."""

import logging

import cv2
import numpy as np
import pytest
import torch
from caffe_definitions import Writer, write_network
from small_networks import random_image

from dissection.errors import InputError
from dissection.networks.caffe.load import PAPER_MEAN
from dissection.networks.load import find_layer, load_network

RELU = 'layer { name: "relu" type: "ReLU" bottom: "data" top: "out" }'
OLD_RELU = 'layers { name: "relu" type: RELU bottom: "data" top: "out" }'
SIZE = "input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } }"
MEANS = "mean_value: 104 mean_value: 117 mean_value: 123"
SAID = (104.0, 117.0, 123.0)
NONE = (0.0, 0.0, 0.0)


def data(text):
    return f'layer {{ name: "data" type: "Data" top: "data" top: "label" {text} }} {RELU}'


def old(kind, text):
    return f'layers {{ name: "data" type: {kind} top: "data" top: "label" {text} }} {OLD_RELU}'


def network(folder, text, **options):
    (folder / "net.prototxt").write_text(text)
    return load_network({"caffe": options}, [folder / "net.prototxt"])


@pytest.mark.parametrize(
    ("text", "mean", "scale"),
    [
        # Nothing is said: the paper's.
        (f'input: "data" input_dim: 1 input_dim: 3 input_dim: 9 input_dim: 9 {RELU}',
         PAPER_MEAN, 1),
        (f'layer {{ type: "Input" top: "data" {SIZE} }} {RELU}', PAPER_MEAN, 1),
        (data("transform_param { crop_size: 9 mirror: false }"), PAPER_MEAN, 1),
        # The mean, the scale, or both.
        (data(f"transform_param {{ crop_size: 9 {MEANS} }}"), SAID, 1),
        (data("transform_param { crop_size: 9 mean_value: 127.5 }"), (127.5,) * 3, 1),
        (data("transform_param { crop_size: 9 scale: 0.00390625 }"), NONE, 1 / 256),
        (data(f"transform_param {{ crop_size: 9 scale: 0.015625 {MEANS} }}"), SAID, 1 / 64),
        (f'layer {{ type: "Input" top: "data" {SIZE} transform_param {{ {MEANS} }} }} {RELU}',
         SAID, 1),
        # The phase TEST counts.
        ('layer { type: "Data" top: "data" include { phase: TRAIN } '
         "transform_param { crop_size: 5 scale: 2 } } "
         + data(f"transform_param {{ crop_size: 9 {MEANS} }}"), SAID, 1),
        # The old forms.
        (old("DATA", f"transform_param {{ crop_size: 9 scale: 0.5 {MEANS} }}"), SAID, 0.5),
        (old("DATA", "data_param { crop_size: 9 scale: 0.5 }"), NONE, 0.5),
        (old("IMAGE_DATA", "image_data_param { crop_size: 9 scale: 0.5 }"), NONE, 0.5),
        (old("WINDOW_DATA", "window_data_param { crop_size: 9 scale: 0.5 }"), NONE, 0.5),
        # A file of means is not read.
        (data('transform_param { crop_size: 9 scale: 0.5 mean_file: "mean.binaryproto" }'),
         PAPER_MEAN, 0.5),
        (old("DATA", 'data_param { crop_size: 9 mean_file: "mean.binaryproto" }'), PAPER_MEAN, 1),
    ],
)  # fmt: skip
def test_what_the_definition_says_is_used(tmp_path, caplog, text, mean, scale):
    caplog.set_level(logging.INFO)
    loaded = network(tmp_path, text)
    assert loaded.input_size == (9, 9)
    image = random_image(0, 9, 9)
    expected = (image[:, :, ::-1].astype(np.float64) - mean) * scale
    found = loaded.preprocess(image).numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-5)
    (line,) = [line for line in caplog.messages if line.startswith("preprocessing: ")]
    assert line.startswith("preprocessing: 9 x 9, bilinear, bgr, 0-255, mean ")
    warned = any("mean.binaryproto, which is not read" in line for line in caplog.messages)
    assert warned == ("mean.binaryproto" in text)


def test_opencv_reads_the_same_arithmetic(tmp_path):
    text = data(f"transform_param {{ crop_size: 9 scale: 0.017 {MEANS} }}")
    image = random_image(1, 9, 9)
    blob = cv2.dnn.blobFromImage(image, 0.017, mean=SAID, swapRB=True)
    found = network(tmp_path, text).preprocess(image).numpy()
    np.testing.assert_allclose(found, blob[0], rtol=1e-5, atol=1e-5)


def test_what_is_asked_for_comes_first(tmp_path, caplog):
    text = data(f'transform_param {{ crop_size: 9 scale: 0.5 mean_file: "m" {MEANS} }}')
    asked = {
        "input_size": [5, 7],
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "channels": "rgb",
        "value_range": 1,
    }
    loaded = network(tmp_path, text, **asked)
    assert loaded.input_size == (5, 7)
    image = random_image(2, 5, 7)
    expected = (torch.from_numpy(image) / 255 - 0.5).permute(2, 0, 1) / 0.25
    torch.testing.assert_close(loaded.preprocess(image), expected)
    text = data('transform_param { crop_size: 9 mean_file: "m" }')
    network(tmp_path, text, mean=[1, 2, 3])
    assert not any("is not read" in line for line in caplog.messages)


def test_an_input_size_that_is_asked_for_is_that_of_the_network(tmp_path):
    net = Writer("small", 24)
    net.convolution("conv", 4, 3)
    net.full("fc", 5)
    prototxt, caffemodel = write_network(tmp_path, net.text)
    convolutions = net.text[: net.text.rindex("layer {")]
    with pytest.raises(InputError, match="fc"):
        load_network({"caffe": {"input_size": [30, 20]}}, [prototxt, caffemodel])
    prototxt.write_text(convolutions)
    loaded = load_network({"caffe": {"input_size": [30, 20]}}, [prototxt])
    assert loaded.input_size == (30, 20)
    maps = loaded.model(torch.zeros(2, 3, *loaded.input_size))
    assert find_layer(loaded, "conv") is not None
    assert maps.shape[1] == 4


def test_a_size_that_the_definition_lacks_can_be_asked_for(tmp_path):
    text = data('data_param { source: "x" }')
    with pytest.raises(InputError, match=r"how large an image is\. Give input_size"):
        network(tmp_path, text)
    assert network(tmp_path, text, input_size=[5, 7]).input_size == (5, 7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mean_value: 1 mean_value: 2", "layer 'data' has 2 mean_value"),
        ("scale: 0", "layer 'data' has the scale 0; it must be above 0"),
        ("scale: -1", "layer 'data' has the scale -1"),
    ],
)
def test_what_cannot_be_applied_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        network(tmp_path, data(f"transform_param {{ crop_size: 9 {text} }}"))


def test_layers_have_their_names_in_caffe(tmp_path):
    loaded = network(tmp_path, data("transform_param { crop_size: 9 }"))
    assert find_layer(loaded, "out") == find_layer(loaded, "relu")
    with pytest.raises(InputError, match=r"other\.prototxt does not exist"):
        load_network({"caffe": {}}, [tmp_path / "other.prototxt"])
