"""The first and second form of definitions and weights are the same networks as the current one."""

import itertools

import cv2
import numpy as np
import pytest
import torch
from caffe_definitions import caffenet, googlenet, random_blobs, write_caffemodel, write_network

from dissection.errors import InputError
from dissection.networks.caffe.definition import read_definition
from dissection.networks.caffe.load import load_caffe
from dissection.networks.caffe.messages import V1_LAYER_TYPES
from dissection.networks.caffe.old_forms import current_form
from dissection.networks.caffe.text import parse

torch.set_num_threads(1)
cv2.setNumThreads(1)

FORMS = ("V0", "layers", "layer")


@pytest.mark.parametrize("make", [caffenet, googlenet])
def test_any_form_of_definition_goes_with_any_form_of_weights(tmp_path, make):
    size = 131 if make is caffenet else 96
    options = {"hidden": 16} if make is caffenet else {}
    prototxt, _ = write_network(tmp_path, make(size, **options))
    blobs = random_blobs(prototxt)
    batch = np.random.default_rng(0).normal(0, 5, (2, 3, size, size)).astype(np.float32)
    expected = None
    print()
    for text, weights in itertools.product(FORMS, FORMS):
        prototxt.write_text(make(size, generation=text, **options))
        caffemodel = tmp_path / f"{weights}.caffemodel"
        write_caffemodel(caffemodel, blobs, weights, old_shape=weights != "layer")
        network = load_caffe(prototxt, caffemodel)
        found = network(torch.from_numpy(batch)).detach()
        if expected is None:
            expected, aliases = found, network.layer_aliases
        assert torch.equal(found, expected)
        assert network.layer_aliases == aliases
        if weights == "V0":  # OpenCV does not find weights in these
            continue
        reader = cv2.dnn.readNetFromCaffe(str(prototxt), str(caffemodel))
        reader.setInput(batch)
        difference = np.abs(found.numpy() - reader.forward()).max() / found.max()
        print(
            f"{make.__name__}, definition {text}, weights {weights}: OpenCV within {difference:.1e}"
        )
        assert difference < 1e-5


def test_fields_of_the_first_form(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text("""
        input: "x" input_dim: 1 input_dim: 4 input_dim: 20 input_dim: 20
        layers { layer { name: "c" type: "conv" num_output: 8 kernelsize: 3 stride: 2 pad: 1
                         group: 2 biasterm: false weight_filler { type: "gaussian" }
                         blobs_lr: 1. blobs_lr: 2. weight_decay: 0. }
                 bottom: "x" top: "c" }
        layers { layer { name: "n" type: "lrn" local_size: 3 alpha: 0.5 beta: 0.25 k: 2 }
                 bottom: "c" top: "n" }
        layers { layer { name: "p" type: "pool" pool: AVE kernelsize: 3 stride: 2 pad: 1 }
                 bottom: "n" top: "p" }
        layers { layer { name: "d" type: "dropout" dropout_ratio: 0.3 } bottom: "p" top: "d" }
        layers { layer { name: "j" type: "concat" concat_dim: 2 } bottom: "d" bottom: "p" top: "j" }
        layers { layer { name: "f" type: "flatten" } bottom: "j" top: "f" }
        layers { layer { name: "i" type: "innerproduct" num_output: 3 biasterm: false }
                 bottom: "f" top: "i" }
    """)
    old = {layer.name: layer for layer in read_definition(path).layers}
    for name, kind, block, parameters in (
        (
            "c",
            "Convolution",
            "convolution_param",
            "num_output: 8 bias_term: false pad: 1 kernel_size: 3 group: 2 stride: 2",
        ),
        ("n", "LRN", "lrn_param", "local_size: 3 alpha: 0.5 beta: 0.25 k: 2"),
        ("p", "Pooling", "pooling_param", "pool: AVE kernel_size: 3 stride: 2 pad: 1"),
        ("d", "Dropout", "dropout_param", "dropout_ratio: 0.3"),
        ("j", "Concat", "concat_param", "concat_dim: 2"),
        ("f", "Flatten", "flatten_param", ""),
        ("i", "InnerProduct", "inner_product_param", "num_output: 3 bias_term: false"),
    ):
        assert old[name].type == kind
        assert " ".join(str(getattr(old[name].parameters, block)).split()) == parameters
    assert load_caffe(path)(torch.ones(2, 4, 20, 20)).shape == (2, 3)


def test_padding_of_the_first_form_goes_to_what_follows(tmp_path):
    start = 'input: "x" input_dim: 1 input_dim: 3 input_dim: 9 input_dim: 9\n'
    layers = [
        'layers { layer { name: "q" type: "padding" pad: 2 } bottom: "x" top: "q" }\n',
        'layers { layer { name: "c" type: "conv" num_output: 4 kernelsize: 3 } bottom: "q" top: "c"'
        " }\n",
        'layers { layer { name: "r" type: "padding" pad: 1 } bottom: "c" top: "r" }\n',
        'layers { layer { name: "p" type: "pool" kernelsize: 3 } bottom: "r" top: "p" }\n',
    ]
    prototxt, caffemodel = write_network(tmp_path, start + "".join(layers))
    network = load_caffe(prototxt, caffemodel)
    assert network.layer_aliases == {"c": "c", "p": "p"}
    image = torch.randn(2, 3, 9, 9)
    expected = torch.nn.functional.conv2d(image, network.c.weight, network.c.bias, padding=2)
    assert torch.equal(network(image), torch.nn.functional.max_pool2d(expected, 3, 1, 1))
    relu = 'layers { layer { name: "z" type: "relu" } bottom: "r" top: "z" }\n'
    prototxt.write_text(start + "".join(layers) + relu)
    assert load_caffe(prototxt, caffemodel, ["p"]).layer_aliases == {"c": "c", "p": "p"}
    with pytest.raises(InputError, match="layer 'r' of type padding is not supported"):
        load_caffe(prototxt, caffemodel)


def test_fields_that_a_type_of_the_first_form_does_not_have_are_refused(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text("""input: "x" input_dim: 1 input_dim: 3 input_dim: 9 input_dim: 9
        layers { layer { name: "r" type: "relu" pad: 3 } bottom: "x" top: "r" }""")
    with pytest.raises(InputError, match=r"'layer\.pad: 3' \(line 2\), which Caffe does not know"):
        load_caffe(path)


def test_types_of_the_second_form(tmp_path):
    path = tmp_path / "net.prototxt"
    names = [name for name in V1_LAYER_TYPES.values() if name != "NONE"]
    path.write_text(
        'input: "x" input_dim: 1 input_dim: 3 input_dim: 9 input_dim: 9\n'
        + "".join(f'layers {{ name: "{n}" type: {n} bottom: "x" top: "{n}" }}\n' for n in names)
        + 'layers { name: "odd" type: A_FORK_S bottom: "x" top: "odd" }'
    )
    found = {layer.name: layer.type for layer in read_definition(path).layers}
    assert {name: found[name] for name in ("TANH", "ABSVAL", "BNLL", "RELU", "LRN", "MVN")} == {
        **{"TANH": "TanH", "ABSVAL": "AbsVal", "BNLL": "BNLL", "RELU": "ReLU"},
        **{"LRN": "LRN", "MVN": "MVN"},
    }
    assert found["INNER_PRODUCT"] == "InnerProduct"
    assert found["ARGMAX"] == "ArgMax"
    assert found["DECONVOLUTION"] == "Deconvolution"
    assert not {name for name in found if name.endswith(("LOSS", "DATA", "ACCURACY", "SILENCE"))}
    with pytest.raises(InputError, match="layer 'odd' of type A_FORK_S is not supported"):
        load_caffe(path, layers=["odd"])
    assert load_caffe(path, layers=["TANH"]).layer_aliases == {"TANH": "TANH"}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ('layers { layer { name: "d" type: "data" source: "s" batchsize: 2 cropsize: 9 } ', (9, 9)),
        ('layers { layer { name: "d" type: "images" new_height: 9 new_width: 7 } ', (9, 7)),
        ("layers { type: DATA data_param { source: 's' crop_size: 9 backend: LMDB } ", (9, 9)),
        ("layers { type: IMAGE_DATA transform_param { crop_size: 9 } ", (9, 9)),
        ("layers { type: IMAGE_DATA image_data_param { new_height: 9 new_width: 7 } ", (9, 7)),
        ("layers { type: WINDOW_DATA window_data_param { crop_size: 9 } ", (9, 9)),
        ('layer { type: "AnnotatedData" transform_param { crop_h: 9 crop_w: 7 } ', (9, 7)),
        ('layer { type: "Data" data_param { crop_size: 9 prefetch: 3 } ', (9, 9)),
        ('layer { type: "DummyData" dummy_data_param { shape { dim: [1, 3, 9, 7] } } ', (9, 7)),
        (
            'layer { type: "DummyData" dummy_data_param { num: 1 channels: 3 height: 9 width: 7 '
            'data_filler { type: "constant" } } ',
            (9, 7),
        ),
    ],
)
def test_sizes_of_images_that_layers_give(tmp_path, text, size):
    path = tmp_path / "net.prototxt"
    form = text.split()[0]
    kind = "RELU" if form == "layers" else '"ReLU"'
    path.write_text(
        f'{text} top: "x" top: "label" }}\n{form} {{ name: "r" type: {kind} bottom: "x" top: "r" }}'
    )
    assert load_caffe(path).input_size == size


def test_old_fields_of_preprocessing_are_where_the_new_ones_are():
    for text in (
        "type: DATA data_param { scale: 0.5 mean_file: 'm' crop_size: 9 mirror: true }",
        "layer { type: 'data' scale: 0.5 meanfile: 'm' cropsize: 9 mirror: true }",
        "type: DATA transform_param { scale: 0.5 mean_file: 'm' crop_size: 9 mirror: true }",
    ):
        layer, _ = current_form(parse(f"layers {{ {text} }}").net.layers[0], ())
        transform = layer.transform_param
        assert layer.type == "Data"
        assert (transform.scale, transform.mean_file) == (0.5, "m")
        assert (transform.crop_size, transform.mirror) == (9, True)
