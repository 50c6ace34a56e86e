"""Coordinates and interpolation against plain definitions."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dissection.activations.geometry import Geometry, map_coordinates, upsample

geometries = st.builds(
    lambda h, w, ih, iw, cy, cx, sy, sx: Geometry(h, w, ih, iw, (cy, cx), (sy, sx), (3, 3)),
    *[st.integers(1, 5)] * 2,
    *[st.integers(1, 40)] * 2,
    *[st.floats(-20, 20)] * 2,
    *[st.floats(0.25, 20)] * 2,
)


def test_geometry_survives_json():
    geometry = Geometry(13, 12, 227, 200, (17.0, -3.5), (16.0, 8.0), (163, 99))
    assert Geometry.from_json(json.loads(json.dumps(geometry.to_json()))) == geometry


@settings(deadline=None, max_examples=60)
@given(geometries, st.integers(1, 30), st.integers(1, 30))
def test_map_coordinates_are_those_of_the_definition(geometry, sh, sw):
    rows, columns = map_coordinates(geometry, sh, sw)
    assert rows.dtype == columns.dtype == np.float64
    for y in range(sh):
        pixel = (y + 0.5) * geometry.input_height / sh - 0.5
        u = (pixel - geometry.centre[0]) / geometry.stride[0]
        assert rows[y] == min(max(u, 0.0), geometry.height - 1)
    for x in range(sw):
        pixel = (x + 0.5) * geometry.input_width / sw - 0.5
        u = (pixel - geometry.centre[1]) / geometry.stride[1]
        assert columns[x] == min(max(u, 0.0), geometry.width - 1)


def test_a_centre_pixel_gets_the_value_of_its_position():
    # Label maps of the input's size: CaffeNet's position i is centred on pixel 17 + 16 i.
    geometry = Geometry(13, 13, 227, 227, (17.0, 17.0), (16.0, 16.0), (163, 163))
    values = np.random.default_rng(0).normal(size=(13, 13))
    scaled = upsample(values, geometry, 227, 227)
    assert np.array_equal(scaled[17::16, 17::16][:13, :13], values)
    assert np.array_equal(scaled[:18, :18], np.full((18, 18), values[0, 0]))  # clamped


@settings(deadline=None, max_examples=40)
@given(geometries, st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_upsample_is_the_weighted_mean_of_four_neighbours(geometry, sh, sw, seed):
    values = np.random.default_rng(seed).normal(size=(geometry.height, geometry.width))
    scaled = upsample(values.astype(np.float32), geometry, sh, sw)
    values = values.astype(np.float32).astype(np.float64)
    rows, columns = map_coordinates(geometry, sh, sw)
    expected = np.empty((sh, sw))
    for y, u in enumerate(rows):
        for x, v in enumerate(columns):
            # Sum over all positions with the tent that bilinear interpolation is.
            expected[y, x] = sum(
                values[i, j] * max(0, 1 - abs(u - i)) * max(0, 1 - abs(v - j))
                for i in range(geometry.height)
                for j in range(geometry.width)
            )
    assert scaled.dtype == np.float64
    np.testing.assert_allclose(scaled, expected, rtol=0, atol=1e-12)


def test_upsample_of_a_constant_map_is_exactly_constant():
    geometry = Geometry(5, 4, 64, 50, (3.3, 1.7), (11.1, 9.7), (3, 3))
    assert np.unique(upsample(np.full((5, 4), 0.1), geometry, 37, 41)).tolist() == [0.1]
