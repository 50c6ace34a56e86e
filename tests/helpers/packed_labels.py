"""What packed labels say, read plainly."""

import numpy as np


def concept_mask(store, i, label):
    """Return L_c of image i: bool (height, width), where the label is."""
    s = store.segments
    pixels, segments, labels, whole = map(slice, s.starts[i], s.starts[i + 1])
    if label in s.whole[whole]:
        return np.ones(s.sizes[i], bool)
    lengths = s.lengths[segments]
    segment_of_label = np.repeat(np.arange(len(lengths)), lengths)
    has_label = np.zeros(len(lengths), bool)
    has_label[segment_of_label[s.labels[labels] == label]] = True
    return has_label[s.pixels[pixels]].reshape(s.sizes[i])
