"""How the maps of units lie in a layer's output."""

from typing import NamedTuple

import torch

from dissection.activations.places import Part


class MapLayout(NamedTuple):
    """Where rows, columns and units are.

    Attributes
    ----------
    rows, columns : Part
        Each in a dimension of its own, or both in that of tokens; others, such as a class token,
        may lie before and behind.
    ndim : int
        Of the output: images come first, and units are in the dimension that is left.
    """

    rows: Part
    columns: Part
    ndim: int

    @property
    def unit_dim(self) -> int:
        """The dimension of units."""
        (dim,) = set(range(1, self.ndim)) - {self.rows.dim, self.columns.dim}
        return dim

    def read(self, output: torch.Tensor) -> torch.Tensor:
        """Return the maps, (images, units, height, width), of an output.

        Parameters
        ----------
        output : tensor (images, ...)
            (images, units, height, width), (images, height, width, units),
            (images, tokens, units), or with these dimensions after the images in another order.
        """
        rows, columns = self.rows, self.columns
        output = output.movedim(self.unit_dim, 1)
        if rows.dim != columns.dim:
            if rows.dim > columns.dim:
                output = output.transpose(2, 3)
            for dim, part in ((2, rows), (3, columns)):
                output = output.narrow(dim, part.offset, part.count)
            return output.contiguous()
        device = output.device
        places = rows.offset + (
            torch.arange(rows.count, device=device)[:, None] * rows.step
            + torch.arange(columns.count, device=device) * columns.step
        )
        return output[:, :, places].contiguous()
