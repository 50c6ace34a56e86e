"""Whole networks in Caffe's format: agreement with OpenCV's reader, weights, names, inputs."""

import cv2
import numpy as np
import pytest
import torch
from caffe_definitions import (
    Writer,
    caffenet,
    googlenet,
    random_blobs,
    resnet152,
    vgg16,
    write_caffemodel,
    write_network,
)
from receptive_fields import receptive_field

from dissection.networks.caffe.definition import read_definition
from dissection.networks.caffe.load import load_caffe
from dissection.networks.load import find_layer, load_network

torch.set_num_threads(1)
cv2.setNumThreads(1)


def images(network, count=1, seed=0):
    shape = (count, 3, *network.input_size)
    return np.random.default_rng(seed).normal(0, 60, shape).astype(np.float32)


def outputs(network, layers, batch):
    """Output of each layer, by its name in Caffe."""
    found = {}
    handles = [
        network.get_submodule(network.layer_aliases[layer]).register_forward_hook(
            lambda module, inputs, output, layer=layer: found.update({layer: output.numpy()})
        )
        for layer in layers
    ]
    with torch.inference_mode():
        network(torch.from_numpy(batch))
    for handle in handles:
        handle.remove()
    return found


# ---- agreement with OpenCV -------------------------------------------------------------------

# VGG's fc6 and fc7 alone are smaller than the paper's: they would be 500 MB of random numbers.
NETWORKS = {
    "caffenet": (caffenet(), [f"conv{i}" for i in range(1, 6)] + ["fc7", "fc8"]),
    "vgg16": (
        vgg16(hidden=64),
        ["conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3", "pool5", "fc8"],
    ),
    "googlenet": (
        googlenet(),
        ["conv2/3x3", "pool2/3x3_s2"]
        + [f"inception_{block}/output" for block in ("3b", "4a", "4e", "5a", "5b")]
        + ["loss3/classifier"],
    ),
    "resnet152": (
        resnet152(),
        ["caffe.Convolution_0", "caffe.Pooling_3"]
        + [f"caffe.Eltwise_{i}" for i in (34, 116, 478, 510)]
        + ["caffe.InnerProduct_513", "prob"],
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_dissected_layer_agrees_with_opencv(tmp_path, name):
    text, layers = NETWORKS[name]
    prototxt, caffemodel = write_network(tmp_path, text)
    network = load_caffe(prototxt, caffemodel)
    batch = images(network)
    found = outputs(network, layers, batch)
    reader = cv2.dnn.readNetFromCaffe(str(prototxt), str(caffemodel))
    reader.enableFusion(False)  # with it, blobs that were joined are lost
    reader.setInput(batch)
    # OpenCV asks for the layer that made a blob last.
    makers = {layer.top[0]: layer.name for layer in read_definition(prototxt).layers}
    expected = reader.forward([makers[layer] for layer in layers])
    print()
    for layer, theirs in zip(layers, expected, strict=True):
        ours = found[layer]
        assert ours.shape == theirs.shape
        difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
        print(f"{name} {layer} {ours.shape[1:]}: at most {difference:.1e} of the largest value")
        assert ours.std() > 1e-3
        assert difference < 1e-4
        if ours.ndim == 4 and "pool" not in layer:
            assert ours.min() == 0  # after the ReLU


# ---- geometry --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "layer", "centre", "stride", "size"),
    [
        (caffenet(hidden=8), "conv5", 17, 16, 13),
        (vgg16(hidden=8), "conv5_3", 7.5, 16, 14),
        (googlenet(), "inception_5b/output", 30, 32, 7),
        (resnet152(blocks=(1, 1, 1, 1)), "caffe.Eltwise_50", 2, 32, 7),
    ],
)
def test_receptive_fields(tmp_path, text, layer, centre, stride, size):
    (tmp_path / "net.prototxt").write_text(text)
    network = load_network({"caffe": {}}, [tmp_path / "net.prototxt"])
    geometry = receptive_field(network.model, find_layer(network, layer), network.input_size)
    assert geometry.centre == (centre, centre)
    assert geometry.stride == (stride, stride)
    assert (geometry.height, geometry.width) == (size, size)


# ---- the two generations, and the forms of weights -------------------------------------------


@pytest.mark.parametrize("make", [caffenet, googlenet])
def test_both_generations_of_definitions_are_the_same_network(tmp_path, make):
    size = 131 if make is caffenet else 96
    options = {"hidden": 16} if make is caffenet else {}
    prototxt, caffemodel = write_network(tmp_path, make(size, **options))
    new = load_caffe(prototxt, caffemodel)
    prototxt.write_text(make(size, generation="layers", **options))
    old = load_caffe(prototxt, caffemodel)
    assert old.layer_aliases == new.layer_aliases
    assert old.input_size == new.input_size == (size, size)
    batch = torch.from_numpy(images(new, 2))
    assert torch.equal(old(batch), new(batch))


@pytest.mark.parametrize("generation", ["layer", "layers", "V0"])
@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("old_shape", [False, True])
def test_all_forms_of_weights_are_read(tmp_path, generation, double, packed, old_shape):
    net = Writer("small", 20)
    net.convolution("conv", 4, 3)
    net.layer("BatchNorm", "bn", top="conv")
    net.layer("Scale", "scale", "scale_param { bias_term: true }", top="conv")
    net.full("fc", 5)
    prototxt, caffemodel = write_network(tmp_path, net.text)
    blobs = random_blobs(prototxt)
    network = load_caffe(prototxt, caffemodel)
    assert torch.equal(network.conv.weight, torch.from_numpy(blobs["conv"][0]))
    other = tmp_path / "other.caffemodel"
    write_caffemodel(other, blobs, generation, double, packed, old_shape)
    batch = torch.from_numpy(images(network, 2))
    assert torch.equal(load_caffe(prototxt, other)(batch), network(batch))


def test_random_weights_are_those_of_the_seed(tmp_path):
    (tmp_path / "net.prototxt").write_text(caffenet(131, hidden=8))

    def state(seed):
        torch.manual_seed(seed)
        return load_caffe(tmp_path / "net.prototxt").state_dict()

    one, again, other = state(1), state(1), state(2)
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not any(torch.equal(one[key], other[key]) for key in one if key.endswith("weight"))


# ---- names and blobs -------------------------------------------------------------------------


def test_names_mean_the_final_value_of_a_blob(tmp_path):
    net = Writer("names", 12)
    net.convolution("a.b/c", 4, 3)
    # Before the ReLU, which works in place.
    net.layer("Pooling", "raw", "pooling_param { pool: AVE kernel_size: 2 }", ["a.b/c"])
    net.layer("ReLU", "forward", bottoms=["a.b/c"], top="a.b/c")
    net.layer("Softmax", "a_b_c", bottoms=["a.b/c"], top="soft")
    net.layer("Concat", "1x1", bottoms=["soft", "a.b/c"], top="joined")
    net.relu("")
    prototxt, caffemodel = write_network(tmp_path, net.text)
    network = load_caffe(prototxt, caffemodel)
    assert network.layer_aliases == {
        "a.b/c": "forward_",
        "forward": "forward_",
        "raw": "raw",
        "a_b_c": "a_b_c_",
        "soft": "a_b_c_",
        "1x1": "layer",
        "joined": "layer",
        "": "layer",
    }
    found = outputs(network, ["a.b/c", "raw"], images(network, 2))
    assert found["a.b/c"].min() == 0
    assert found["raw"].min() < 0
    assert isinstance(network.a_b_c, torch.nn.Conv2d)


def test_where_a_layer_has_the_name_of_another_one_s_blob_the_blob_is_meant(tmp_path):
    net = Writer("names", 12)
    net.convolution("one", 4, 3)
    net.layer("ReLU", "two", top="three")
    net.layer("Softmax", "three", top="two")
    (tmp_path / "net.prototxt").write_text(net.text)
    network = load_caffe(tmp_path / "net.prototxt")
    assert network.layer_aliases == {"one": "one", "two": "three", "three": "two"}


def test_a_definition_for_training_gives_the_network_for_the_phase_test(tmp_path):
    net = Writer("deployed", 24)
    net.convolution("conv", 4, 3)
    net.relu("relu")
    net.full("fc", 5)
    prototxt, caffemodel = write_network(tmp_path, net.text)
    deployed = load_caffe(prototxt, caffemodel)
    data = (
        'name: "data" type: "Data" top: "data" top: "label" data_param { batch_size: 2 '
        'source: "x" backend: LMDB }'
    )
    layers = net.text[net.text.index("layer {") :]
    prototxt.write_text(f"""
        # Kommentar ü
        state {{ phase: TRAIN }} force_backward: true
        layer {{ {data} include {{ phase: TRAIN }} transform_param {{ crop_size: 99 }} }}
        layer {{ {data} include {{ phase: TEST }} transform_param {{ crop_size: 24 mirror: 0 }} }}
        layer {{ name: "no" type: "Odd" include {{ stage: "s" }} include {{ min_level: 1 }} }}
        layer {{ name: "no" type: "Odd" exclude {{ phase: TEST not_stage: "s" }} }}
        {layers}
        layer {{ name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy"
                 include {{ phase: TEST }} }}
        layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }}
    """)
    network = load_caffe(prototxt, caffemodel)
    assert network.input_size == (24, 24)
    batch = torch.from_numpy(images(network, 3))
    assert torch.equal(network(batch), deployed(batch))
    assert network(batch).shape == (3, 5)


RELU = 'name: "relu" bottom: "data" top: "out"'


@pytest.mark.parametrize(
    "text",
    [
        'input: "data" input_dim: 1 input_dim: 3 input_dim: 9 input_dim: 7',
        'input: "data" input_shape { dim: 1 dim: 3 dim: 9 dim: 7 }',
        'input: "label" input: "data" input_shape { dim: 4 } '
        "input_shape { dim: 4 dim: 3 dim: 9 dim: 7 }",
        'layer { type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 7 } } }',
        'layer { type: "MemoryData" top: "data" top: "label" memory_data_param { batch_size: 2 '
        "channels: 3 height: 9 width: 7 } }",
    ],
)
def test_all_ways_to_say_the_input_size(tmp_path, text):
    prototxt = tmp_path / "net.prototxt"
    prototxt.write_text(f'{text} layer {{ type: "ReLU" {RELU} }}')
    network = load_caffe(prototxt)
    assert network.input_size == (9, 7)
    assert network(torch.full((2, 3, 9, 7), -1.0)).abs().max() == 0


def test_an_old_definition_for_training(tmp_path):
    prototxt = tmp_path / "net.prototxt"
    prototxt.write_text(f"""
        layers {{ type: DATA top: "data" include {{ phase: TRAIN }} }}
        layers {{ type: IMAGE_DATA top: "data" top: "label" image_data_param {{ crop_size: 9 }} }}
        layers {{ type: RELU {RELU} }}
        layers {{ type: SOFTMAX_LOSS bottom: "out" bottom: "label" }}
    """)
    network = load_caffe(prototxt)
    assert network.input_size == (9, 9)
    assert network.layer_aliases == {"relu": "relu", "out": "relu"}
