"""The types of Caffe's layers that are supported.

A builder gets a layer's parameters and its inputs' shapes and returns a PyTorch module, or one for
each top of the layer. It raises ValueError for what it cannot do; the message is the end of a
sentence about the layer.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import nn

from dissection.networks.caffe import elementwise, linear, normalisation, pooling, shapes
from dissection.networks.caffe.parameters import Shape


class Kind(NamedTuple):
    """A type of layers.

    Attributes
    ----------
    build : callable
    fewest, most : int
        Bottoms.
    tops : int
        At most.
    """

    build: Callable[[Any, Sequence[Shape]], nn.Module | list[nn.Module]]
    fewest: int = 1
    most: float = 1
    tops: float = 1


# By the name of their type in Caffe; some are of its forks.
LAYERS: dict[str, Kind] = {
    "Convolution": Kind(linear.convolution),
    "DepthwiseConvolution": Kind(linear.depthwise_convolution),
    "ConvolutionDepthwise": Kind(linear.depthwise_convolution),
    "Deconvolution": Kind(linear.deconvolution),
    "InnerProduct": Kind(linear.inner_product),
    "Pooling": Kind(pooling.pooling, tops=2),
    "LRN": Kind(normalisation.lrn),
    "BatchNorm": Kind(normalisation.batch_norm),
    "BN": Kind(normalisation.bn),
    "Scale": Kind(normalisation.scale, most=2),
    "Bias": Kind(normalisation.bias, most=2),
    "ReLU": Kind(elementwise.relu),
    "ReLU6": Kind(elementwise.relu6),
    "PReLU": Kind(elementwise.prelu),
    "ELU": Kind(elementwise.elu),
    "Sigmoid": Kind(elementwise.sigmoid),
    "TanH": Kind(elementwise.tanh),
    "Swish": Kind(elementwise.swish),
    "BNLL": Kind(elementwise.bnll),
    "AbsVal": Kind(elementwise.absval),
    "Clip": Kind(elementwise.clip),
    "Threshold": Kind(elementwise.threshold),
    "Power": Kind(elementwise.power),
    "Exp": Kind(elementwise.exp),
    "Log": Kind(elementwise.log),
    "Dropout": Kind(elementwise.dropout),
    "Softmax": Kind(elementwise.softmax),
    "Eltwise": Kind(elementwise.eltwise, fewest=2, most=math.inf),
    "Axpy": Kind(elementwise.axpy, fewest=3, most=3),
    "Concat": Kind(shapes.concat, most=math.inf),
    "Slice": Kind(shapes.cut, tops=math.inf),
    "Split": Kind(shapes.split, tops=math.inf),
    "Crop": Kind(shapes.crop, fewest=2, most=2),
    "Flatten": Kind(shapes.flatten),
    "Reshape": Kind(shapes.reshape),
    "Permute": Kind(shapes.permute),
}
