"""Batches are the same whoever loads them."""

import numpy as np
import pytest
import torch
from pretended_gpu import GPU, pretended_gpu

from dissection.activations.loading import loaded_batches
from dissection.errors import InputError
from dissection.networks.preprocessing import Preprocessing

CPU = torch.device("cpu")
PREPROCESS = Preprocessing((9, 11), channels="bgr", value_range=255.0)


def image(number):
    """Image 5 needs no resizing."""
    size = (9, 11) if number == 5 else (12, 10)
    return np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)


def damaged(number):
    if number == 7:
        raise InputError("7.jpg: the image is damaged.")
    return image(number)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 4, 7, 12])
@pytest.mark.parametrize("images", [range(7), range(12, 23)])
def test_a_gpu_gets_what_the_cpu_gets(images, batch_size, threads):
    expected = list(loaded_batches(image, PREPROCESS, images, batch_size, 1, CPU))
    by_threads = list(loaded_batches(image, PREPROCESS, images, batch_size, threads, CPU))
    with pretended_gpu():
        found = list(loaded_batches(image, PREPROCESS, images, batch_size, threads, GPU))
        assert {batch.device for _, batch in found} == {GPU}
        found = [(first, batch.cpu()) for first, batch in found]
    for others in (by_threads, found):
        assert [first for first, _ in others] == [first for first, _ in expected]
        assert all(
            torch.equal(other, batch)
            for (_, other), (_, batch) in zip(others, expected, strict=True)
        )
    inputs = torch.cat([batch for _, batch in expected])
    assert len(inputs) == -(-len(images) // batch_size) * batch_size
    for number, found in zip(images, inputs, strict=False):
        assert torch.equal(found, PREPROCESS(image(number)))
    assert all(torch.equal(row, inputs[len(images) - 1]) for row in inputs[len(images) :])


@pytest.mark.parametrize("device", [CPU, GPU])
def test_a_damaged_image_is_named(device):
    with pretended_gpu(), pytest.raises(InputError, match=r"^7\.jpg"):
        list(loaded_batches(damaged, PREPROCESS, range(9), 4, 2, device))


def test_no_images():
    assert list(loaded_batches(image, PREPROCESS, range(0), 4, 2, CPU)) == []
