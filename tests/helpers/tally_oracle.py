"""The overlap counts by the paper's definition, written plainly with NumPy."""

import numpy as np

from dissection.activations.geometry import Geometry, map_coordinates
from dissection.categories import CATEGORIES
from dissection.scoring.tally import Tally


def upsampled(activation_map, geometry, sh, sw):
    """S_k, pixel by pixel: rows first, then columns."""
    rows, columns = map_coordinates(geometry, sh, sw)
    a = activation_map.astype(np.float64)
    S = np.empty((sh, sw))
    for y, u in enumerate(rows):
        r, w = int(np.floor(u)), u - np.floor(u)
        line = a[r] + w * (a[min(r + 1, len(a) - 1)] - a[r])
        for x, v in enumerate(columns):
            c, w = int(np.floor(v)), v - np.floor(v)
            S[y, x] = line[c] + w * (line[min(c + 1, len(line) - 1)] - line[c])
    return S


def masks_of(broden, i):
    """L_c of every label c: bool (L + 1, height, width)."""
    height, width = broden.sizes[i]
    masks = np.zeros((len(broden.names), height, width), bool)
    maps, whole = broden.load_labels(i)
    for channels in maps.values():
        for label_map in channels:
            for label in range(1, len(masks)):
                masks[label] |= label_map == label
    for numbers in whole.values():
        masks[numbers] = True
    return masks


def tally_by_definition(
    activations, thresholds, broden, geometry, first_image, blocks=1, label_images=None
):
    units, labels = activations.shape[1], len(broden.names)
    intersection = np.zeros((blocks, units, labels), np.int64)
    unit_area = np.zeros((blocks, units, len(CATEGORIES)), np.int64)
    label_area = np.zeros((blocks, labels), np.int64)
    for n, maps in enumerate(activations):
        i = first_image + n
        L = masks_of(broden, i if label_images is None else label_images[i])
        label_area[i % blocks] += L.sum(axis=(1, 2))
        present = [(L.any(axis=(1, 2)) & (broden.primary == c)).any() for c in range(6)]
        for k in range(units):
            M = upsampled(maps[k], geometry, *L.shape[1:]) > thresholds[k]
            intersection[i % blocks, k] += (M & L).sum(axis=(1, 2))
            unit_area[i % blocks, k] += M.sum() * np.array(present)
    return Tally(intersection, unit_area, label_area)


def assert_equal(tally, expected):
    for name in ("intersection", "unit_area", "label_area"):
        got, want = getattr(tally, name), getattr(expected, name)
        assert got.dtype == want.dtype == np.int64
        np.testing.assert_array_equal(got, want, err_msg=name)


def random_geometry(rng):
    height, width = (int(n) for n in rng.integers(1, 6, 2))
    return Geometry(
        height,
        width,
        input_height=int(rng.integers(1, 30)),
        input_width=int(rng.integers(1, 30)),
        centre=tuple(rng.uniform(-3, 6, 2)),
        stride=tuple(rng.choice([1.0, 2.0, 4.5, 8.0], 2)),
        size=(5, 5),
    )
