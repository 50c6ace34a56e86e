"""Read weights from caffemodel files."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from dissection.downloads.file_checks import caffemodel_problem, web_page_problem
from dissection.errors import InputError
from dissection.networks.caffe.messages import NetParameter

_GRADIENTS = {6, 9, 11, 13}  # fields of blobs that training alone needs


class Weights:
    """What a caffemodel file holds.

    Attributes
    ----------
    path : Path
        The file, for messages.
    blobs : dict
        For each layer that has weights, by its name, the list of their messages.
    """

    def __init__(self, path: Path, net: Any) -> None:
        self.path = path
        self.blobs: dict[str, Any] = {}
        # The generations, oldest last; a file is of one of them.
        for layer in (*net.layer, *net.layers, *(layer.layer for layer in net.layers)):
            if layer.blobs:
                self.blobs[layer.name] = layer.blobs


def read_weights(path: Path) -> Weights:
    """Read a caffemodel file of any generation.

    Raises
    ------
    InputError
        If the file does not exist, or is cut off, or is not such a file.
    """
    if not path.is_file():
        raise InputError(f"The weights file {path} does not exist. Check its path.")
    problem = web_page_problem(path) or caffemodel_problem(path)
    if problem:
        raise InputError(f"{path} {problem}. Fetch it again.")
    try:
        weights = Weights(path, NetParameter.FromString(path.read_bytes()))
    except DecodeError as error:
        raise InputError(
            f"{path} is no Caffe model, or is damaged ({error}). Fetch it again."
        ) from error
    if not weights.blobs:
        raise InputError(f"{path} holds no weights: it is a definition. Fetch the caffemodel file.")
    return weights


def blob_shape(blob: Any) -> tuple[int, ...]:
    """Return a blob's shape, which old files give as four numbers."""
    if blob.HasField("shape"):
        return tuple(blob.shape.dim)
    return (blob.num, blob.channels, blob.height, blob.width)


# By the number that says which in NVIDIA's files.
_RAW_TYPES = {0: "<f8", 1: "<f4", 2: "<f2"}


def blob_values(blob: Any) -> torch.Tensor:
    """Return a blob's values, float32 (n,); the files of forks may hold halves.

    Raises
    ------
    ValueError
        If it holds them in a way that is not known; the message is the end of a sentence.
    """
    if blob.HasField("raw_data"):
        kind = blob.half_data[0] if blob.half_data else 0
        if kind not in _RAW_TYPES:
            raise ValueError(
                f"values of NVIDIA's type {kind}; only double, float and half are read"
            )
        dtype = np.dtype(_RAW_TYPES[kind])
        if len(blob.raw_data) % dtype.itemsize:
            raise ValueError(f"{len(blob.raw_data):,} bytes for values of {dtype.itemsize}")
        values = np.frombuffer(blob.raw_data, dtype)
    elif blob.half_data:
        if max(blob.half_data) > 0xFFFF:
            raise ValueError("half-precision values of more than 16 bits")
        values = np.array(blob.half_data, np.uint16).view(np.float16)
    else:
        values = np.array(blob.data or blob.double_data)
        others = sorted({field.field_number for field in UnknownFieldSet(blob)} - _GRADIENTS)
        if not len(values) and others:
            fields = ", ".join(map(str, others))
            raise ValueError(f"no values but in a form that is not known (field {fields})")
    return torch.from_numpy(values.astype(np.float32))
