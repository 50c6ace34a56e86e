"""Caffe's pooling, whose windows may reach over the border in ways that PyTorch's do not."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from dissection.networks.caffe.parameters import Shape, need, pair


def positions(size: int, kernel: int, stride: int, pad: int, padded: bool, floor: bool) -> int:
    """Return the number of windows along rows or columns.

    Parameters
    ----------
    size, kernel, stride, pad : int
    padded : bool
        Whether rows or columns, or both, are padded: only then are windows that would start
        after the image and its first padding dropped.
    floor : bool
        Whether a last window that is not whole is left out.

    Notes
    -----
    Source: Caffe's pooling_layer.cpp.

    Examples
    --------
    >>> positions(112, 3, 2, 0, padded=False, floor=False)
    56
    >>> positions(4, 2, 3, 1, padded=True, floor=False), positions(4, 1, 3, 0, False, False)
    (2, 2)
    """
    rest = size + 2 * pad - kernel
    count = (rest if floor else rest + stride - 1) // stride + 1
    if padded and (count - 1) * stride >= size + pad:
        count -= 1
    return count


class Pooling(nn.Module):
    """Maximum or mean of windows.

    Parameters
    ----------
    method : {"max", "average"}
        The mean counts zeros of the padding, but not what lies beyond it.
    kernel : tuple of int, optional
        Rows, columns; without it the whole map is one window.
    stride, pad : tuple of int
    floor : bool
        See `positions`.
    """

    def __init__(
        self,
        method: str,
        kernel: tuple[int, int] | None,
        stride: tuple[int, int],
        pad: tuple[int, int],
        floor: bool = False,
    ) -> None:
        super().__init__()
        self.method = method
        self.kernel = kernel
        self.stride = stride
        self.pad = pad
        self.floor = floor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """From (n, units, height, width) to (n, units, rows, columns)."""
        kernel = self.kernel or tuple(x.shape[2:])
        padding: list[int] = []  # before and after, columns first
        counts = []  # for each window along rows, columns: how many positions it divides by
        for size, k, stride, pad in zip(x.shape[2:], kernel, self.stride, self.pad, strict=True):
            windows = positions(size, k, stride, pad, any(self.pad), self.floor)
            if windows < 1:
                raise ValueError(f"its window of {k} is larger than the map of {size}")
            padding = [pad, max(0, (windows - 1) * stride + k - size - pad), *padding]
            starts = range(-pad, windows * stride - pad, stride)
            counts.append([min(start + k, size + pad) - start for start in starts])
        if self.method == "max":
            lowest = torch.finfo(x.dtype).min
            padded = F.pad(x, padding, value=lowest) if any(padding) else x
            return F.max_pool2d(padded, kernel, self.stride)
        padded = F.pad(x, padding) if any(padding) else x
        sums = F.avg_pool2d(padded, kernel, self.stride, divisor_override=1)
        rows, columns = (torch.tensor(count, dtype=x.dtype, device=x.device) for count in counts)
        return sums / (rows[:, None] * columns)


def pooling(layer: Any, shapes: Sequence[Shape]) -> nn.Module:
    """Of its tops only the first is made; the second would be the places of the maxima."""
    parameters, (shape,) = layer.pooling_param, shapes
    need(len(shape) == 4, "it needs maps")
    method = {0: "max", 1: "average"}.get(parameters.pool)
    need(method is not None, "stochastic pooling is not supported")
    kernel = None if parameters.global_pooling else pair(parameters, "kernel_size", "kernel")
    stride = pair(parameters, "stride", "stride", 1)
    pad = pair(parameters, "pad", "pad", 0)
    if kernel is None:
        given = any(parameters.HasField(name) for name in ("kernel_h", "kernel_w"))
        need(not given and not parameters.kernel_size, "global pooling has no kernel_size")
        need(pad == (0, 0) and stride == (1, 1), "global pooling has no pad and no stride")
    else:
        need(
            all(before < size for before, size in zip(pad, kernel, strict=True)),
            "pad must be below kernel_size",
        )
    floor = parameters.round_mode == 1 or not parameters.ceil_mode
    both = parameters.HasField("round_mode") and parameters.HasField("ceil_mode")
    need(not both, "it has both round_mode and ceil_mode")
    return Pooling(method, kernel, stride, pad, floor)
