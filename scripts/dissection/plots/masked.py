"""One way to show an image through a binary map: full light inside, dark outside."""

import numpy as np
from matplotlib.axes import Axes

from dissection.plots.style import DPI

OUTSIDE = 0.4  # of the light that is left outside the binary map
OUTLINE = "#FFD60A"


def enlarge(image: np.ndarray, inches: float) -> np.ndarray:
    """Repeat pixels until the image has enough of them for its size on the page.

    Small images keep their pixels sharp, where smooth scaling would blur them.

    Parameters
    ----------
    image : array (height, width, ...)
    inches : float
        Width on the page.

    Returns
    -------
    array (factor * height, factor * width, ...)
        The factor is the least that reaches the figures' resolution, at least 1.
    """
    factor = max(1, int(np.ceil(inches * DPI / max(image.shape[1], 1))))
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


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


def show_image(axes: Axes, image: np.ndarray) -> None:
    """Show an image without axes, in its own proportions."""
    axes.imshow(image)
    axes.set_axis_off()


def show_masked(axes: Axes, image: np.ndarray, inside: np.ndarray) -> None:
    """Show an image darkened outside a binary map, with a thin outline around it.

    Parameters
    ----------
    axes : Axes
    image : uint8 (height, width, 3)
    inside : bool (height, width)
    """
    show_image(axes, darken_outside(image, inside))
    if inside.any() and not inside.all():
        axes.contour(inside.astype(float), levels=[0.5], colors=OUTLINE, linewidths=0.7)
