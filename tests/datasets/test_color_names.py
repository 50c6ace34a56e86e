"""Basic colours against a plain reckoning, pixel by pixel, and against OpenCV's CIELAB."""

import cv2
import numpy as np
import pytest
from color_oracle import BIN, basic_color, lab_by_definition
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dissection.datasets.color_names import COLOR_NAMES, color_labels, lab


@given(arrays(np.uint8, st.tuples(st.integers(1, 4), st.integers(1, 4), st.just(3))))
def test_equal_to_the_nearest_reference(image):
    labels = color_labels(image)
    assert labels.dtype == np.uint8
    assert labels.shape == image.shape[:2]
    names = [[COLOR_NAMES[code - 1] for code in row] for row in labels]
    assert names == [[basic_color(pixel) for pixel in row] for row in image]


@given(st.lists(st.integers(0, 255), min_size=3, max_size=3))
def test_lab_is_that_of_the_standard(rgb):
    np.testing.assert_allclose(lab(np.array(rgb)), lab_by_definition(rgb), atol=1e-9)


def test_lab_is_that_of_opencv():
    rgb = np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    theirs = cv2.cvtColor((rgb / 255).astype(np.float32), cv2.COLOR_RGB2Lab)
    np.testing.assert_allclose(lab(rgb), theirs, atol=0.5)  # theirs is read from tables


def test_the_eleven_basic_terms():
    terms = "black white red green yellow blue brown purple pink orange grey"
    assert sorted(COLOR_NAMES) == sorted(terms.split())


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((255, 255, 255), "white"),
        ((0, 0, 0), "black"),
        ((128, 128, 128), "grey"),
        ((255, 0, 0), "red"),
        ((0, 0, 255), "blue"),
        ((0, 128, 0), "green"),
        ((255, 255, 0), "yellow"),
        ((255, 165, 0), "orange"),
        ((128, 0, 128), "purple"),
        ((255, 182, 193), "pink"),
        ((139, 69, 19), "brown"),
    ],
)
def test_colours_as_people_name_them(rgb, name):
    """The values are those that CSS gives to the names (lightpink and saddlebrown for two)."""
    assert COLOR_NAMES[color_labels(np.array([[rgb]], np.uint8))[0, 0] - 1] == name


def test_every_level_of_every_bin():
    """All 256 greys, and neighbours within a bin, which must not differ."""
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    labels = color_labels(greys)[0]
    assert {COLOR_NAMES[code - 1] for code in labels} == {"black", "grey", "white"}
    assert (labels.reshape(-1, BIN) == labels[::BIN, None]).all()
