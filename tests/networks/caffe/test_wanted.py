"""Only the layers that the dissected ones need are built."""

import pytest
import torch
from caffe_definitions import Writer, random_blobs, write_caffemodel, write_network

from dissection.errors import InputError
from dissection.networks.caffe.load import load_caffe

HEAD = """
layer { name: "boxes" type: "DetectionOutput" bottom: "fc" bottom: "other" top: "found"
        detection_output_param { nms_param { nms_threshold: 0.45 } code_type: CENTER_SIZE } }
layer { name: "second" type: "MyLoss" bottom: "conv" bottom: "label" my_param { a: 1 } }
layer { name: "wide" type: "Convolution" bottom: "pool" top: "wide"
        convolution_param { num_output: 7 kernel_size: 99 odd: 7 } }
"""


def network(head=HEAD):
    net = Writer("small", 16)
    net.convolution("conv", 4, 3)
    net.relu("relu")
    net.pool("pool", 2, 2)
    net.full("fc", 5)
    return net.text + head


def output(network, layer, images):
    found = []
    module = network.get_submodule(network.layer_aliases[layer])
    handle = module.register_forward_hook(lambda module, inputs, output: found.append(output))
    network(images)
    handle.remove()
    return found[0]


def test_an_unknown_head_stops_nobody(tmp_path):
    prototxt, caffemodel = write_network(tmp_path, network(""))
    whole = load_caffe(prototxt, caffemodel)
    prototxt.write_text(network())
    images = torch.randn(2, 3, 16, 16)
    for wanted, names in (
        (["fc"], ["conv", "relu", "pool", "fc"]),
        (["relu", "pool"], ["conv", "relu", "pool"]),
        (["conv"], ["conv", "relu"]),  # the blob's final value
    ):
        part = load_caffe(prototxt, caffemodel, wanted)
        assert [name for name, _ in part.named_children()] == names
        assert part.layer_aliases == {
            key: name for key, name in whole.layer_aliases.items() if name in names
        }
        assert torch.equal(*(output(net, wanted[-1], images) for net in (part, whole)))
    for wanted in (["wide"], ["found"], ["conv", "boxes"], None):
        with pytest.raises(InputError, match=r"layer '(boxes|wide)' of type"):
            load_caffe(prototxt, caffemodel, wanted)


def test_weights_of_what_is_not_built_may_be_missing(tmp_path):
    prototxt, caffemodel = write_network(tmp_path, network(""))
    blobs = random_blobs(prototxt)
    del blobs["fc"]
    write_caffemodel(caffemodel, blobs)
    assert load_caffe(prototxt, caffemodel, ["pool"]).layer_aliases.keys() == {
        *("conv", "relu", "pool")
    }
    with pytest.raises(InputError, match="has no weights for layer 'fc'"):
        load_caffe(prototxt, caffemodel)


def test_mistyped_layers_are_named_with_the_nearest(tmp_path):
    (tmp_path / "net.prototxt").write_text(network())
    with pytest.raises(InputError, match="has no layer 'rely'") as error:
        load_caffe(tmp_path / "net.prototxt", None, ["rely"])
    assert (
        "Did you mean 'relu'? Its layers and blobs: conv, relu, pool, fc, boxes, wide, found"
        in str(error.value)
    )


def test_names_of_modules_do_not_depend_on_what_is_built(tmp_path):
    net = Writer("names", 12)
    net.layer("Odd", "a.b")
    net.layer("ReLU", "a_b", bottoms=["data"])
    (tmp_path / "net.prototxt").write_text(net.text)
    part = load_caffe(tmp_path / "net.prototxt", None, ["a_b"])
    assert part.layer_aliases == {"a_b": "a_b_"}
    # By the module's name too.
    assert load_caffe(tmp_path / "net.prototxt", None, ["a_b_"]).layer_aliases == {"a_b": "a_b_"}


def test_places_of_maxima_are_needed_by_nobody_before_the_decoder(tmp_path):
    text = (
        network("").replace('top: "pool"', 'top: "pool" top: "places"')
        + 'layer { name: "up" type: "Upsample" bottom: "pool" bottom: "places" top: "up" }'
    )
    (tmp_path / "net.prototxt").write_text(text)
    found = load_caffe(tmp_path / "net.prototxt", None, ["pool"])
    assert found.layer_aliases == {"conv": "relu", "relu": "relu", "pool": "pool"}


def test_a_part_of_a_slice_is_a_layer(tmp_path):
    net = Writer("parts", 12)
    net.layer("Slice", "cut", "slice_param { slice_point: 1 }", top='a" top: "b')
    net.layer("ReLU", "relu", bottoms=["b"])
    (tmp_path / "net.prototxt").write_text(net.text)
    network = load_caffe(tmp_path / "net.prototxt")
    assert network.layer_aliases == {"cut": "cut", "a": "cut", "b": "b", "relu": "relu"}
    images = torch.randn(2, 3, 12, 12)
    assert torch.equal(network.get_submodule(network.layer_aliases["cut"])(images), images[:, :1])
    assert torch.equal(network.get_submodule(network.layer_aliases["b"])(images), images[:, 1:])
    assert torch.equal(network(images), images[:, 1:].clamp(min=0))
