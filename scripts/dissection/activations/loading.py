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
    height, width = preprocess.input_size
    shape, dtype = ((height, width, 3), np.uint8) if of_bytes else ((3, height, width), np.float32)

    def load_one(number: int, row: np.ndarray) -> None:
        image = load_image(number)
        if of_bytes:
            row[...] = preprocess.pixels(image)
        else:
            preprocess.into(image, row)

    with ThreadPoolExecutor(threads) as pool:

        def load(first: int) -> tuple[np.ndarray, list[Future]]:
            batch = np.empty((batch_size, *shape), dtype)
            pairs = zip(range(first, images.stop), batch, strict=False)
            return batch, [pool.submit(load_one, *pair) for pair in pairs]

        following = load(images.start)
        for first in range(images.start, images.stop, batch_size):
            (batch, loading), following = following, load(first + batch_size)
            for image in loading:
                image.result()
            batch[len(loading) :] = batch[len(loading) - 1]
            loaded = torch.from_numpy(batch)
            yield first, preprocess.inputs(loaded.to(device)) if of_bytes else loaded
