"""Images on the figures, whole and through a binary map."""

import numpy as np
from matplotlib.axes import Axes

from dissection.figures.darkening import darken_outside
from dissection.figures.style import DPI

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
