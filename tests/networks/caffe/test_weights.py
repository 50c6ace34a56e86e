"""Values of blobs as forks write them."""

import numpy as np
import pytest
import torch
from caffe_definitions import write_network

from dissection.errors import InputError
from dissection.networks.caffe.load import load_caffe
from dissection.networks.caffe.messages import NetParameter

TEXT = """input: "x" input_shape { dim: [1, 3, 9, 9] }
    layer { name: "it" type: "Convolution" bottom: "x" top: "y"
            convolution_param { num_output: 4 kernel_size: 3 } }"""


def rewritten(folder, change):
    """A caffemodel, each blob of which was changed."""
    prototxt, caffemodel = write_network(folder, TEXT)
    expected = load_caffe(prototxt, caffemodel).it.weight
    net = NetParameter.FromString(caffemodel.read_bytes())
    for blob in net.layer[0].blobs:
        values = np.array(blob.data, np.float32)
        del blob.data[:]
        change(blob, values)
    caffemodel.write_bytes(net.SerializeToString())
    return prototxt, caffemodel, expected


@pytest.mark.parametrize(("kind", "dtype"), [(0, "<f8"), (1, "<f4"), (2, "<f2")])
def test_raw_values(tmp_path, kind, dtype):
    def change(blob, values):
        # One number, as an enumeration is written.
        blob.MergeFromString(bytes([10 << 3, kind]))
        blob.raw_data = values.astype(dtype).tobytes()

    prototxt, caffemodel, expected = rewritten(tmp_path, change)
    found = load_caffe(prototxt, caffemodel).it.weight
    assert torch.equal(found, expected.half().float() if kind == 2 else expected)


def test_halves_as_whole_numbers(tmp_path):
    def change(blob, values):
        blob.half_data.extend(values.astype(np.float16).view(np.uint16).tolist())

    prototxt, caffemodel, expected = rewritten(tmp_path, change)
    assert torch.equal(load_caffe(prototxt, caffemodel).it.weight, expected.half().float())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda blob, values: blob.MergeFromString(bytes([10 << 3, 4, 12 << 3 | 2, 1, 7])),
            "values of NVIDIA's type 4; only double, float and half are read",
        ),
        (
            lambda blob, values: blob.MergeFromString(bytes([10 << 3, 2, 12 << 3 | 2, 1, 7])),
            "1 bytes for values of 2",
        ),
        (lambda blob, values: blob.half_data.append(70000), "more than 16 bits"),
        (
            lambda blob, values: blob.MergeFromString(
                bytes([15 << 3 | 2, 1, 7, 6 << 3 | 5, *[0] * 4])
            ),
            r"no values but in a form that is not known \(field 15\)",
        ),
        (lambda blob, values: None, "but 0 values. The file is damaged"),
    ],
)
def test_values_that_are_not_known_are_refused(tmp_path, change, message):
    prototxt, caffemodel, _ = rewritten(tmp_path, change)
    with pytest.raises(InputError, match=message) as error:
        load_caffe(prototxt, caffemodel)
    assert "net.caffemodel: a weight of layer 'it' has" in str(error.value)
