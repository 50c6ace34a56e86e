"""Architectures: shapes, options, and where the layers' outputs stand."""

import pytest
import torch
from receptive_fields import receptive_field

from dissection.errors import InputError
from dissection.training.architectures import ARCHITECTURES, HEADS, PUBLISHED, build, classes_of

SMALL = PUBLISHED | {"architecture": "alexnet"}
LAST = {"alexnet": "conv5", "vgg": "conv6", "googlenet": "inception_c", "resnet": "layer3"}


@pytest.mark.parametrize("architecture", LAST)
@pytest.mark.parametrize("head", HEADS)
def test_last_layer_is_8_by_8_and_not_negative(architecture, head):
    torch.manual_seed(0)
    model = build(PUBLISHED | {"architecture": architecture, "head": head}, 5).eval()
    images = torch.randn(2, 3, 64, 64)
    maps = model.until(LAST[architecture], images)
    assert maps.shape == (2, 96, 8, 8)
    assert maps.min() == 0
    shape = (2, 5, 8, 8) if head == "cells" else (2, 5)
    assert model(images).shape == shape
    assert torch.equal(model.after(LAST[architecture], maps), model(images))
    assert classes_of(model.state_dict()) == 5


def test_alexnet_of_the_paper():
    model = build(PUBLISHED, 205).eval()
    geometry = receptive_field(model, model.conv5, model.input_size)
    assert (geometry.height, geometry.width) == (13, 13)
    assert geometry.centre == (17, 17)
    assert geometry.stride == (16, 16)
    units = [getattr(model, f"conv{i}")[0].out_channels for i in range(1, 6)]
    assert units == [96, 256, 384, 384, 256]
    groups = [getattr(model, f"conv{i}")[0].groups for i in range(1, 6)]
    assert groups == [1, 2, 1, 2, 2]
    assert model.fc6[0].in_features == 256 * 6 * 6


def test_options_change_what_they_say():
    normalised = build(SMALL | {"batch_norm": True}, 4)
    norms = [m for m in normalised.modules() if "BatchNorm" in type(m).__name__]
    assert len(norms) == 5
    assert build(SMALL | {"width": 3}, 4).conv5[0].out_channels == 288
    names = [name for name, _ in build(SMALL | {"dropout": 0}, 4).named_children()]
    assert not any(name.startswith("drop") for name in names)
    wide = build(SMALL | {"head": "gap", "width": 3}, 4)
    assert wide.fc8.in_features == 288


def test_initial_weights_depend_on_the_seed_alone():
    def weights(seed):
        torch.manual_seed(seed)
        return build(SMALL, 4).conv1[0].weight

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


@pytest.mark.parametrize("options", [{"architecture": "lenet"}, {"head": "svm"}])
def test_unknown_ones_are_refused(options):
    with pytest.raises(
        InputError, match=", ".join([*ARCHITECTURES[:1]]) if "architecture" in options else "gap"
    ):
        build(SMALL | options, 4)
