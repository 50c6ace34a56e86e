"""Labels of an image as segments, ready for compiled loops.

Many labels can lie on one pixel: an object, its part, a material, a colour. A *segment* is one
distinct set of labels that some pixel of an image has. An image is then one map of segment
numbers and a short table of what each segment stands for, and a pixel is counted once, whatever
the number of its labels.
"""

from typing import NamedTuple

import numpy as np

FIRST_PIXEL, FIRST_SEGMENT, FIRST_LABEL, FIRST_WHOLE = range(4)  # columns of Segments.starts


class Segments(NamedTuple):
    """Labels of images, one after another in flat arrays.

    sizes : int32 (images, 2)
        Height and width of the label maps.
    starts : int64 (images + 1, 4)
        Where each image begins in: pixels; areas and lengths; labels; whole. The columns are
        FIRST_PIXEL, FIRST_SEGMENT, FIRST_LABEL and FIRST_WHOLE.
    present : bool (images, 6)
        Whether the image has a label whose primary category is the given one.
    pixels : uint16
        Segment of each pixel, row by row.
    areas : int32
        Pixels of each segment.
    lengths : uint16
        Number of labels of each segment.
    labels : uint16
        Labels of the first segment, of the second, ...; ascending within a segment.
    whole : uint16
        Labels of whole images, ascending within an image; they are in no segment.
    """

    sizes: np.ndarray
    starts: np.ndarray
    present: np.ndarray
    pixels: np.ndarray
    areas: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray
    whole: np.ndarray
