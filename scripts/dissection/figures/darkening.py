"""How an image is shown through a binary map: full light inside, dark outside."""

import numpy as np

OUTSIDE = 0.4  # of the light that is left outside the binary map
DARK = 80.0  # mean light, of 255: darker images are brightened up to it
LEAST_EXPONENT = 1 / 3  # of brightening; black stays black


def darken_outside(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Darken an image outside a binary map.

    A dark photograph would become black there: it is brightened as a whole first, shadows most,
    so that what is outside stays visible and what is inside stands out.

    Parameters
    ----------
    image : uint8 (height, width, 3)
    inside : bool (height, width)

    Returns
    -------
    uint8 (height, width, 3)

    Examples
    --------
    >>> darken_outside(np.full((1, 2, 3), 200, np.uint8), np.array([[True, False]]))[0, :, 0]
    array([200,  80], dtype=uint8)
    >>> darken_outside(np.full((1, 2, 3), 20, np.uint8), np.array([[True, False]]))[0, :, 0]
    array([80, 32], dtype=uint8)
    """
    light = np.where(inside[..., None], 1.0, OUTSIDE)
    return np.rint(_brightened(image) * light).astype(np.uint8)


def _brightened(image: np.ndarray) -> np.ndarray:
    """A power of the light, from 0 to 1, that lifts an image's mean towards `DARK`."""
    mean = image.mean() if image.size else DARK
    if mean >= DARK:
        return image
    exponent = np.log(DARK / 255) / np.log(max(mean, 1) / 255)
    levels = 255 * (np.arange(256) / 255) ** max(exponent, LEAST_EXPONENT)
    return levels[image]
