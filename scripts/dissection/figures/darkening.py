"""How an image is shown through a binary map: full light inside, dark outside."""

import numpy as np

OUTSIDE = 0.4  # of the light that is left outside the binary map


def darken_outside(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Darken an image outside a binary map.

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
    """
    light = np.where(inside[..., None], 1.0, OUTSIDE)
    return np.rint(image * light).astype(np.uint8)
