"""Label maps as pictures: a colour for each concept, and its name where it fits."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import hsv_to_rgb, to_hex
from matplotlib.patheffects import withStroke
from scipy.ndimage import uniform_filter

from dissection.figures.masked import enlarge, show_image
from dissection.figures.style import EMPTY, readable_on, text_width

SIZES = (6.0, 5.0)  # points: names on segments; the first that fits
FITS = 0.85  # share of a name's box that must lie on its segment


def segment_colors(labels: Sequence[int]) -> dict[int, str]:
    """Pale colours that differ from label to label, dark text readable on each.

    Hues advance by the golden ratio, so that any few labels in a row are far apart.
    """
    colors = {}
    for place, label in enumerate(labels):
        hue = (0.58 + place * 0.618034) % 1
        saturation, value = ((0.34, 0.98), (0.55, 0.86))[place % 2]
        colors[label] = to_hex(hsv_to_rgb((hue, saturation, value)))
    return colors


def mean_colors(label_map: np.ndarray, image: np.ndarray) -> dict[int, str]:
    """The mean colour of the image in each segment.

    Parameters
    ----------
    label_map : int (sh, sw)
    image : uint8 (height, width, 3)
    """
    sh, sw = label_map.shape
    height, width = image.shape[:2]
    rows, columns = np.arange(sh) * height // sh, np.arange(sw) * width // sw
    pixels = image[rows][:, columns]
    labels = np.unique(label_map[label_map > 0])
    return {int(c): to_hex(pixels[label_map == c].mean(axis=0) / 255) for c in labels}


def place_name(
    mask: np.ndarray, name: str, points: float, inches: float
) -> tuple[float, float] | None:
    """Find where a name fits into a segment.

    Parameters
    ----------
    mask : bool (height, width)
        The segment.
    name : str
    points : float
        Size of the text.
    inches : float
        Width of the map on the page.

    Returns
    -------
    (row, column) of the text's centre in pixels of the mask, or None if it fits nowhere
    """
    per_point = mask.shape[1] / (inches * 72)
    box = (
        max(1, int(np.ceil(points * 0.95 * per_point))),
        max(1, int(np.ceil((text_width(name, points) + 2) * per_point))),
    )
    if box[0] > mask.shape[0] or box[1] > mask.shape[1]:
        return None
    inside = uniform_filter(mask.astype(np.float64), size=box, mode="constant")
    if inside.max() < FITS:
        return None
    # Of the best places the one nearest to the segment's middle.
    rows, columns = np.nonzero(inside >= min(inside.max(), 1.0) - 1e-9)
    middle = np.argwhere(mask).mean(axis=0)
    best = np.argmin((rows - middle[0]) ** 2 + (columns - middle[1]) ** 2)
    # A window of even length lies half a pixel before its index.
    return tuple(
        float(place[best] - (0.5 if length % 2 == 0 else 0.0))
        for place, length in zip((rows, columns), box, strict=True)
    )


def show_segments(
    axes: Axes,
    label_map: np.ndarray,
    names: Mapping[int, str],
    colors: Mapping[int, str],
    inches: float,
    lines: bool = True,
) -> None:
    """Show a label map with the names of the large segments.

    Parameters
    ----------
    axes : Axes
    label_map : int (height, width)
        0 is unlabelled.
    names, colors : mapping from label
    inches : float
        Width on the page.
    lines : bool
        Whether to draw white lines between segments.
    """
    labels = [int(label) for label in np.unique(label_map)]
    palette = np.array(
        [[int((colors[c] if c else EMPTY)[k : k + 2], 16) for k in (1, 3, 5)] for c in labels],
        np.uint8,
    )
    big = enlarge(label_map, inches)
    picture = palette[np.searchsorted(labels, big)]
    if lines:
        edges = np.zeros(big.shape, bool)
        edges[:, 1:] |= big[:, 1:] != big[:, :-1]
        edges[1:] |= big[1:] != big[:-1]
        picture[edges] = 255
    show_image(axes, picture)
    scale = big.shape[0] / label_map.shape[0]
    for label in labels:
        if label == 0:
            continue
        for points in SIZES:
            place = place_name(label_map == label, names[label], points, inches)
            if place is not None:
                axes.text(
                    (place[1] + 0.5) * scale - 0.5,
                    (place[0] + 0.5) * scale - 0.5,
                    names[label],
                    fontsize=points,
                    color=readable_on(colors[label]),
                    ha="center",
                    va="center",
                    # Letters that reach over a segment's edge stay readable.
                    path_effects=[withStroke(linewidth=1.2, foreground=colors[label])],
                )
                break
