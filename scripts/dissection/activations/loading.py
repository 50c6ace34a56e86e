"""Batches of a network's inputs, loaded while the batches before them are in use."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch

from dissection.networks.preprocessing import Preprocessing


def loaded_batches(
    load_image: Callable[[int], np.ndarray],
    preprocess: Preprocessing,
    images: range,
    batch_size: int,
    threads: int,
    device: torch.device,
) -> Iterator[tuple[int, torch.Tensor]]:
    """Read and preprocess images; the next batch is loaded while this one is in use.

    Parameters
    ----------
    load_image, images, batch_size
        As of `cache.cache_activations`.
    preprocess : Preprocessing
    threads : int
        That load images.
    device : torch.device
        Where the batches are wanted.

    Yields
    ------
    first : int
        Number of the batch's first image.
    batch : float32 (batch_size, 3, height, width)
        The last one is filled up with its last image.
    """
    # A GPU gets bytes, a quarter of the floats, and makes floats of them beside its other work.
    of_bytes = device.type != "cpu"

    def load_one(number: int) -> np.ndarray | torch.Tensor:
        image = load_image(number)
        return preprocess.pixels(image) if of_bytes else preprocess(image)

    with ThreadPoolExecutor(threads) as pool:

        def load(first: int) -> list[Future]:
            numbers = range(first, min(first + batch_size, images.stop))
            return [pool.submit(load_one, number) for number in numbers]

        following = load(images.start)
        for first in range(images.start, images.stop, batch_size):
            loading, following = following, load(first + batch_size)
            loaded = [image.result() for image in loading]
            loaded += loaded[-1:] * (batch_size - len(loaded))
            if of_bytes:
                yield first, preprocess.inputs(torch.from_numpy(np.stack(loaded)).to(device))
            else:
                yield first, torch.stack(loaded)
