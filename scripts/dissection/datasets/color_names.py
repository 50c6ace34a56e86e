"""Basic colours of pixels, for data sets whose colours are not labelled by people.

The eleven basic colour terms of English (Berlin and Kay), as in Broden. A pixel has the colour
whose reference is nearest in CIELAB.
"""

import functools

import numpy as np

# References in sRGB; several for colours that cover much of the space.
REFERENCES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "black": ((0, 0, 0), (35, 35, 35)),
    "blue": ((30, 60, 200), (70, 130, 220), (20, 30, 110)),
    "brown": ((110, 65, 30), (150, 100, 60), (80, 45, 20)),
    "grey": ((128, 128, 128), (90, 90, 90), (170, 170, 170)),
    "green": ((40, 150, 50), (110, 190, 90), (25, 80, 35), (90, 120, 60)),
    "orange": ((245, 135, 25), (225, 110, 30)),
    "pink": ((250, 150, 190), (235, 100, 150), (250, 190, 200)),
    "purple": ((120, 40, 160), (160, 100, 200), (80, 30, 90)),
    "red": ((215, 30, 35), (150, 20, 25)),
    "white": ((255, 255, 255), (225, 225, 225)),
    "yellow": ((250, 230, 40), (220, 200, 90), (240, 235, 150)),
}
COLOR_NAMES = tuple(REFERENCES)
BITS = 5  # of each channel that the table of colours tells apart

# sRGB (D65) to XYZ, IEC 61966-2-1, divided by the white point.
_TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
) / np.array([[0.9505], [1.0], [1.089]])


def lab(rgb: np.ndarray) -> np.ndarray:
    """Turn sRGB values from 0 to 255 into CIELAB, float64 of the same shape (..., 3).

    Examples
    --------
    >>> lab(np.array([255, 255, 255])).round(1) + 0
    array([100.,   0.,   0.])
    """
    values = np.asarray(rgb, np.float64) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def color_labels(rgb: np.ndarray) -> np.ndarray:
    """Return the basic colour of every pixel.

    Parameters
    ----------
    rgb : uint8 (h, w, 3)
        The upper five bits of each channel count.

    Returns
    -------
    uint8 (h, w)
        Codes from 1: places in `COLOR_NAMES`, plus 1.

    Examples
    --------
    >>> code = color_labels(np.array([[[250, 10, 10]]], np.uint8))[0, 0]
    >>> COLOR_NAMES[code - 1]
    'red'
    """
    bins = (rgb >> (8 - BITS)).astype(np.int32)
    return _table()[(bins[..., 0] << 2 * BITS) | (bins[..., 1] << BITS) | bins[..., 2]]


@functools.cache
def _table() -> np.ndarray:
    """The code of every bin's middle, uint8 (2^15,)."""
    middles = (np.arange(2**BITS) << (8 - BITS)) + (1 << (7 - BITS))
    grid = np.stack(np.meshgrid(middles, middles, middles, indexing="ij"), axis=-1).reshape(-1, 3)
    references = lab(np.array([rgb for group in REFERENCES.values() for rgb in group]))
    codes = np.repeat(np.arange(1, len(REFERENCES) + 1), [len(g) for g in REFERENCES.values()])
    places = lab(grid)
    distances = ((places[:, None, :] - references) ** 2).sum(axis=-1)
    return codes[distances.argmin(axis=1)].astype(np.uint8)
