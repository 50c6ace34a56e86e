"""Layers in the two older of Caffe's forms, as layers of the current one.

First form: ``layers { layer { name: "conv1" type: "conv" num_output: 96 } bottom: "data" }``.
Second form: ``layers { name: "conv1" type: CONVOLUTION convolution_param { num_output: 96 } }``.
Source: Caffe's upgrade_proto.cpp.
"""

from collections.abc import Sequence
from typing import Any

from dissection.networks.caffe.messages import V1_LAYER_TYPES, LayerParameter
from dissection.networks.caffe.text import Unknown

# Names of types in the second form that are more than their parts capitalised.
_SECOND = {
    "ABSVAL": "AbsVal",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "HDF5_DATA": "HDF5Data",
    "LRN": "LRN",
    "MVN": "MVN",
    "RELU": "ReLU",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "TANH": "TanH",
}

# For each type of the first form: its present name, where its parameters are now, and which.
_FIRST = {
    "accuracy": ("Accuracy", "", ""),
    "bnll": ("BNLL", "", ""),
    "concat": ("Concat", "concat_param", "concat_dim"),
    "conv": ("Convolution", "convolution_param", "num_output biasterm pad kernelsize group stride"),
    "data": ("Data", "", ""),
    "dropout": ("Dropout", "dropout_param", "dropout_ratio"),
    "euclidean_loss": ("EuclideanLoss", "", ""),
    "flatten": ("Flatten", "", ""),
    "hdf5_data": ("HDF5Data", "", ""),
    "images": ("ImageData", "image_data_param", "new_height new_width"),
    "infogain_loss": ("InfogainLoss", "", ""),
    "innerproduct": ("InnerProduct", "inner_product_param", "num_output biasterm"),
    "lrn": ("LRN", "lrn_param", "local_size alpha beta k"),
    "multinomial_logistic_loss": ("MultinomialLogisticLoss", "", ""),
    # No layer of its own any more.
    "padding": ("padding", "convolution_param", "pad"),
    "pool": ("Pooling", "pooling_param", "pool kernelsize stride pad"),
    "relu": ("ReLU", "", ""),
    "sigmoid": ("Sigmoid", "", ""),
    "softmax": ("Softmax", "", ""),
    "softmax_loss": ("SoftmaxWithLoss", "", ""),
    "split": ("Split", "", ""),
    "tanh": ("TanH", "", ""),
    "window_data": ("WindowData", "", ""),
}
_RENAMED_FIELDS = {"biasterm": "bias_term", "kernelsize": "kernel_size"}
# These are parameters of every type, and of the preprocessing now.
_TRANSFORMATION = {
    "scale": "scale",
    "mirror": "mirror",
    "cropsize": "crop_size",
    "meanfile": "mean_file",
}


def current_form(
    old: Any, unknown: Sequence[Unknown], line: int = 0
) -> tuple[Any, tuple[Unknown, ...]]:
    """Convert a layer of the first or second form.

    Parameters
    ----------
    old : V1LayerParameter
    unknown : sequence of Unknown
        What is unknown in it.
    line : int
        That it begins in.

    Returns
    -------
    LayerParameter
    tuple of Unknown
        With the fields that its type does not have in the first form.
    """
    if old.HasField("layer"):
        return _from_first(old, unknown, line)
    new = LayerParameter()
    for field, value in old.ListFields():
        if field.name == "type":
            name = V1_LAYER_TYPES[value]
            new.type = _SECOND.get(name, name.title().replace("_", ""))
        else:
            _set(new, field, field.name, value)
    # A type that Caffe does not have is named as such.
    types = [entry for entry in unknown if entry.field == "type"]
    if types:
        new.type = types[0].value
    _move_preprocessing(new)
    return new, tuple(entry for entry in unknown if entry not in types)


def _from_first(old: Any, unknown: Sequence[Unknown], line: int) -> tuple[Any, tuple[Unknown, ...]]:
    new = LayerParameter(name=old.layer.name, bottom=old.bottom, top=old.top)
    new.include.extend(old.include)
    new.exclude.extend(old.exclude)
    new.type, block, names = _FIRST.get(old.layer.type, (old.layer.type, "", ""))
    left = list(unknown)
    for field, value in old.layer.ListFields():
        if field.name == "blobs":
            new.blobs.extend(value)
        elif field.name in _TRANSFORMATION:
            setattr(new.transform_param, _TRANSFORMATION[field.name], value)
        elif field.name in names.split():
            name = _RENAMED_FIELDS.get(field.name, field.name)
            _set(getattr(new, block), field, name, value)
        elif field.name not in ("name", "type"):
            left.append(Unknown(f"layer.{field.name}", str(value), line))
    return new, tuple(left)


def _set(message: Any, field: Any, name: str, value: Any) -> None:
    """Set a field to the value of another, which may be one number where it is a list now."""
    if field.is_repeated:
        getattr(message, name).extend(value)
    elif field.message_type is not None:
        getattr(message, name).CopyFrom(value)
    elif message.DESCRIPTOR.fields_by_name[name].is_repeated:
        getattr(message, name).append(value)
    else:
        setattr(message, name, value)


def _move_preprocessing(layer: Any) -> None:
    for block in ("data_param", "image_data_param", "window_data_param"):
        if layer.HasField(block):
            for field, value in getattr(layer, block).ListFields():
                if field.name in _TRANSFORMATION.values() or field.name == "crop_size":
                    setattr(layer.transform_param, field.name, value)


def merge_padding(layers: Sequence[Any]) -> set[int]:
    """Put the padding of the first form's layers for it into those that follow.

    Parameters
    ----------
    layers : sequence of LayerParameter
        All in their order; the convolutions and poolings among them are changed.

    Returns
    -------
    set of int
        Places of the layers whose padding was taken over. Padding that is given to other layers
        stays, as Caffe cannot do it either.
    """
    makers: dict[str, Any] = {}
    for layer in layers:
        maker = makers.get(layer.bottom[0]) if len(layer.bottom) == 1 else None
        if layer.type in ("Convolution", "Pooling") and maker is not None:
            convolution = layer.type == "Convolution"
            parameters = layer.convolution_param if convolution else layer.pooling_param
            parameters.pad[:] = maker.convolution_param.pad
            layer.bottom[:] = maker.bottom
        is_padding = layer.type == "padding" and len(layer.bottom) == 1
        makers.update(dict.fromkeys(layer.top, layer if is_padding else None))
    used = {bottom for layer in layers for bottom in layer.bottom}
    return {
        i
        for i, layer in enumerate(layers)
        if layer.type == "padding" and used.isdisjoint(layer.top)
    }
