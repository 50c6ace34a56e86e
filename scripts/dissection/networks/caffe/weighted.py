"""What all layers with weights have in common."""

from collections.abc import Sequence

import torch
from torch import nn

from dissection.networks.caffe.parameters import Shape


class Weighted:
    """A module with weights, of which Caffe's files hold the blobs in a fixed order."""

    def blob_shapes(self) -> list[Shape]:
        """Return the blobs' shapes; those of the module's parameters unless it says otherwise."""
        return [tuple(parameter.shape) for parameter in self.parameters()]

    def other_blob_shapes(self) -> list[list[Shape]]:
        """Return what files may hold instead."""
        return []

    def load(self, blobs: Sequence[torch.Tensor]) -> None:
        """Take the weights from blobs of these shapes."""
        with torch.no_grad():
            for parameter, blob in zip(self.parameters(), blobs, strict=True):
                parameter.copy_(blob)

    def draw(self) -> None:
        """Draw random weights."""
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)
