"""Read activation shards piece by piece, in bounded memory.

A shard is an array (images, units, height, width), usually memory-mapped from a ``.npy`` file.
Shards follow one another: image 0 of the second shard comes after the last image of the first.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from dissection.errors import InputError
from dissection.jobs.arrays import release

CHUNK_BYTES = 32 * 2**20  # read at a time: far above the cost of a call, far below any memory


def shard_ranges(images: int, shards: int, batch_size: int) -> list[range]:
    """Split the images into shards at borders of batches.

    A batch therefore holds the same images whatever the number of shards, and every activation
    has the same bits. With more shards than batches some are empty.

    Examples
    --------
    >>> shard_ranges(10, 2, 4)
    [range(0, 4), range(4, 10)]
    """
    batches = -(-images // batch_size)
    borders = [min(images, batches * k // shards * batch_size) for k in range(shards + 1)]
    return [range(*pair) for pair in itertools.pairwise(borders)]


def check_shards(shards: Sequence[np.ndarray]) -> tuple[int, tuple[int, int, int]]:
    """Check that shards belong together.

    Parameters
    ----------
    shards : sequence of float16 or float32 arrays (images, units, height, width)

    Returns
    -------
    images : int
        In all shards together.
    shape : tuple of int
        (units, height, width).

    Raises
    ------
    InputError
        If there is no shard or no image, or if shape or dtype differ between shards.

    Examples
    --------
    >>> check_shards([np.zeros((2, 3, 4, 4), np.float16), np.zeros((1, 3, 4, 4), np.float16)])
    (3, (3, 4, 4))
    """
    if not shards:
        raise InputError("There is no activation file. Compute the activations first.")
    first = shards[0]
    for number, shard in enumerate(shards):
        name = getattr(shard, "filename", None) or f"shard {number}"
        if shard.ndim != 4 or shard.dtype not in (np.float16, np.float32):
            raise InputError(
                f"{name}: expected activations (images, units, height, width) of float16 or "
                f"float32, found shape {shard.shape} of {shard.dtype}. Compute it again."
            )
        if shard.shape[1:] != first.shape[1:] or shard.dtype != first.dtype:
            raise InputError(
                f"{name}: maps {shard.shape[1:]} of {shard.dtype} do not match the first shard's "
                f"{first.shape[1:]} of {first.dtype}. Delete the layer's activations and compute "
                "them again."
            )
    images = sum(len(shard) for shard in shards)
    if images == 0 or 0 in first.shape[1:]:
        raise InputError("The activation files hold no values. Compute the activations again.")
    return images, first.shape[1:]


def chunks(
    shards: Sequence[np.ndarray], chunk_bytes: int = CHUNK_BYTES
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (number of the first image, consecutive images' activations), in order.

    A chunk is a view, valid until the next one is asked for. Pages of a read-only memory map
    are handed back after use, so that resident memory stays at about ``chunk_bytes``, however
    large the file.

    Examples
    --------
    >>> shards = [np.zeros((3, 1, 2, 2), np.float16), np.zeros((2, 1, 2, 2), np.float16)]
    >>> [(first, len(chunk)) for first, chunk in chunks(shards, chunk_bytes=16)]
    [(0, 2), (2, 1), (3, 2)]
    """
    first_of_shard = 0
    for shard in shards:
        bytes_an_image = max(1, shard.itemsize * int(np.prod(shard.shape[1:])))
        step = max(1, chunk_bytes // bytes_an_image)
        for start in range(0, len(shard), step):
            yield first_of_shard + start, shard[start : start + step]
            release(shard)
        first_of_shard += len(shard)


def count_chunks(shards: Sequence[np.ndarray], chunk_bytes: int = CHUNK_BYTES) -> int:
    """Return how many chunks `chunks` yields."""
    sizes = [(len(s), s.itemsize * int(np.prod(s.shape[1:]))) for s in shards]
    return sum(-(-n // max(1, chunk_bytes // max(1, size))) for n, size in sizes)
