"""From an image to a network's input: the formula, and which settings count."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from small_networks import random_image

from dissection.errors import InputError
from dissection.networks.preprocessing import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    KEYS,
    Preprocessing,
    chosen_settings,
)


@settings(deadline=None, max_examples=20)
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 999),
    st.sampled_from(["rgb", "bgr"]),
    st.sampled_from([1.0, 255.0]),
)
def test_preprocessing_is_the_formula(height, width, seed, channels, value_range):
    image = random_image(seed, height, width)
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 1.5)
    preprocess = Preprocessing((height, width), mean, std, channels, value_range)
    found = preprocess(image)
    assert torch.equal(preprocess.inputs(torch.from_numpy(image)[None])[0], found)
    assert found.dtype == torch.float32
    assert found.shape == (3, height, width)
    for c in range(3):
        plane = image[:, :, c if channels == "rgb" else 2 - c].astype(np.float64)
        expected = (plane / 255 * value_range - mean[c]) / std[c]
        np.testing.assert_array_equal(found[c].numpy(), expected.astype(np.float32))


def test_the_whole_image_is_seen():
    # A wide image with a bright left and a dark right edge: a crop would lose them.
    image = np.full((100, 300, 3), 128, np.uint8)
    image[:, :20], image[:, -20:] = 255, 0
    found = Preprocessing((50, 50), (0, 0, 0), (1, 1, 1))(image)
    assert found.shape == (3, 50, 50)
    assert found[:, :, 0].min() == 1
    assert found[:, :, -1].max() == 0


def test_array_and_pil_image_are_the_same_and_grey_is_made_rgb():
    preprocess = Preprocessing((7, 5))
    image = random_image(1, 20, 30)
    assert torch.equal(preprocess(image), preprocess(Image.fromarray(image)))
    grey = Image.fromarray(image[:, :, 0])
    assert preprocess(grey).shape == (3, 7, 5)


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_other_arrays_are_refused(image):
    with pytest.raises(InputError, match="must be uint8"):
        Preprocessing((4, 4))(image)


OWN = {
    "input_size": (9, 7),
    "interpolation": "bicubic",
    "mean": (109.0, 118.0, 124.0),
    "std": (60.0, 50.0, 40.0),
    "channels": "bgr",
    "value_range": 255.0,
}
ASKED = {
    "input_size": [5, 4],
    "interpolation": "lanczos",
    "mean": [0.1, 0.2, 0.3],
    "std": [1, 2, 3],
    "channels": "rgb",
    "value_range": 1,
}


IMAGENET = {
    "interpolation": "bilinear",
    "mean": IMAGENET_MEAN,
    "std": IMAGENET_STD,
    "channels": "rgb",
    "value_range": 1.0,
}


@given(st.sets(st.sampled_from(KEYS)), st.sets(st.sampled_from(KEYS)))
def test_what_is_asked_for_comes_first_then_what_the_file_says_then_imagenet(asked, own):
    own |= {"input_size"}
    found = chosen_settings({key: ASKED[key] for key in asked}, {key: OWN[key] for key in own})
    assert set(found) == set(KEYS)
    follows = {"mean", "std"} if asked & {"channels", "value_range"} else set()
    for key in set(KEYS) - (follows - asked):
        source = ASKED if key in asked else OWN if key in own else IMAGENET
        assert list(np.ravel(found[key])) == list(np.ravel(source[key])), key


def test_without_any_saying_it_is_imagenet_s():
    assert chosen_settings({"input_size": [5, 4]}, {}) == {"input_size": (5, 4), **IMAGENET}
    with pytest.raises(InputError, match=r"Give input_size: \[height, width\]"):
        chosen_settings({}, {"mean": (1, 2, 3)})


@pytest.mark.parametrize("own", [OWN, {"input_size": (9, 7)}])
@pytest.mark.parametrize("value_range", [1, 255])
@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_a_mean_that_is_not_asked_for_keeps_its_meaning(own, value_range, channels):
    image = random_image(3, 9, 7)
    before = Preprocessing(**chosen_settings({}, own))(image)
    asked = {"channels": channels, "value_range": value_range}
    after = Preprocessing(**chosen_settings(asked, own))(image)
    turned = channels != own.get("channels", "rgb")
    torch.testing.assert_close(after.flip(0) if turned else after, before)


@pytest.mark.parametrize("name", ["bilinear", "bicubic", "lanczos"])
def test_an_image_is_resized_as_asked(name):
    image = random_image(4, 30, 20)
    resized = Image.fromarray(image).resize((9, 12), Image.Resampling[name.upper()])
    expected = Preprocessing((12, 9))(np.asarray(resized))
    assert torch.equal(Preprocessing((12, 9), interpolation=name)(image), expected)
