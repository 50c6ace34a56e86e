"""Single layers of Caffe, run on arrays."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from caffe_definitions import write_caffemodel
from google.protobuf import text_format

from dissection.networks.caffe.layers import LAYERS
from dissection.networks.caffe.load import load_caffe
from dissection.networks.caffe.messages import LayerParameter


def draw(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def apply(text, *arrays):
    """Output of a layer without weights, float64 unless the input is float32."""
    parameters = text_format.Parse(text, LayerParameter())
    module = LAYERS[parameters.type].build(parameters, [array.shape for array in arrays]).eval()
    return module(*map(torch.from_numpy, arrays)).numpy()


def apply_weighted(text, x, blobs):
    """Output of a layer whose weights come from a file, calculated in float64."""
    dims = " ".join(f"dim: {size}" for size in x.shape)
    with tempfile.TemporaryDirectory() as folder:
        prototxt, caffemodel = Path(folder, "a.prototxt"), Path(folder, "a.caffemodel")
        prototxt.write_text(
            f'layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ {dims} }} }} }}'
            f'layer {{ name: "it" bottom: "x" top: "y" {text} }}'
        )
        write_caffemodel(caffemodel, {"it": blobs})
        network = load_caffe(prototxt, caffemodel).double()
    with torch.no_grad():
        return network(torch.from_numpy(x.astype(np.float64))).numpy()


def close(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
