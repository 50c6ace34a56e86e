"""Colours of pixels by a table: the paper's, or that of `dissection.datasets.color_names`."""

from pathlib import Path

import numpy as np

from dissection.datasets.color_names import BITS, COLOR_NAMES, color_labels
from dissection.errors import InputError

SIDE = 2**BITS


def paper_table(path: Path, remedy: str) -> np.ndarray:
    """Read the paper's table, ``w2color.npy``, as uint8 (2^15,): codes from 1 by colour.

    It has a number from 0 to 10, in the order of `COLOR_NAMES`, for [R // 8, G // 8, B // 8].

    Raises
    ------
    InputError
        If the file holds something else. Nothing in it is unpickled.
    """
    try:
        table = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{path} is damaged, or no table of numbers ({error}). {remedy}"
        ) from error
    if (
        not isinstance(table, np.ndarray)
        or table.shape != (SIDE,) * 3
        or table.dtype.kind not in "iu"
        or not 0 <= table.min() <= table.max() < len(COLOR_NAMES)
    ):
        raise InputError(
            f"{path} is not the paper's table of colours: it must have {SIDE} x {SIDE} x {SIDE} "
            f"numbers from 0 to {len(COLOR_NAMES) - 1}. {remedy}"
        )
    return (table + 1).astype(np.uint8).ravel()


def own_table() -> np.ndarray:
    """Return the table of `color_labels` in the same form."""
    steps = np.arange(SIDE, dtype=np.uint8) << (8 - BITS)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    return color_labels(grid.reshape(SIDE, -1, 3)).ravel()


def colors_of(pixels: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Return the codes of an image's colours, uint8 (h, w).

    Parameters
    ----------
    pixels : uint8 (h, w, 3)
    table : uint8 (2^15,)
    """
    bins = (pixels >> (8 - BITS)).astype(np.uint16)
    return table[(bins[..., 0] << 2 * BITS) | (bins[..., 1] << BITS) | bins[..., 2]]
