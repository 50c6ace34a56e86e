"""Batches of images from files, loaded by worker processes ahead of their use."""

import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process

import numpy as np
import torch
from PIL import Image

from dissection.datasets.image_files import IMAGE_FILE_ERRORS
from dissection.errors import InputError

# Images are first scaled to 256 x 256 pixels for an input of 227, as the paper's were.
SCALED_TO_INPUT = 256 / 227


# Files, and of each the crop's first row and column and whether it is mirrored, int (n, 3).
Crops = tuple[Sequence[str], np.ndarray]


def scaled_side(size: int) -> int:
    """Return the side that images are scaled to before a square of ``size`` pixels is cut out.

    Examples
    --------
    >>> scaled_side(227), scaled_side(64)
    (256, 72)
    """
    return round(size * SCALED_TO_INPUT)


def load_image(file: str, side: int) -> np.ndarray:
    """Load an image, scaled to a square as a whole, without keeping its proportions.

    That is how Caffe prepared the paper's training images, and how images are dissected.

    Returns
    -------
    uint8 (side, side, 3)

    Raises
    ------
    InputError
        If the file is missing, damaged or no image.
    """
    try:
        with Image.open(file) as image:
            image = image.convert("RGB")
            if image.size != (side, side):
                image = image.resize((side, side), Image.Resampling.BILINEAR)
            return np.asarray(image)
    except IMAGE_FILE_ERRORS as error:
        raise InputError(
            f"The training image {file} cannot be read ({error}). Replace it by a whole copy and "
            "run the same command again: the training goes on from its last checkpoint."
        ) from error


def load_crops(crops: Crops, size: int) -> np.ndarray:
    """Load square crops of ``size`` pixels.

    Returns
    -------
    uint8 (n, size, size, 3)
    """
    files, places = crops
    batch = np.empty((len(files), size, size, 3), np.uint8)
    for crop, file, (top, left, mirrored) in zip(batch, files, places, strict=True):
        image = load_image(file, scaled_side(size))[top : top + size, left : left + size]
        crop[:] = image[:, ::-1] if mirrored else image
    return batch


class ImageLoader:
    """Loads batches of crops, some ahead of their use.

    Parameters
    ----------
    size : int
        Side of a crop, pixels.
    workers : int
        Processes that load; 0 loads in this one. Changes no pixel. They start with the first
        batch, and end with this object or with this process, whatever ends it.
    """

    def __init__(self, size: int, workers: int) -> None:
        self._size, self._workers = size, workers
        self._pool = (
            # Forked processes would copy this one's threads and GPU context in whatever state.
            ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin_worker)
            if workers
            else None
        )

    def batches(self, crops: Iterable[Crops]) -> Iterator[torch.Tensor]:
        """Yield batches in the order in which they are asked for.

        Several such iterators may take turns.

        Yields
        ------
        uint8 (n, 3, size, size)

        Raises
        ------
        InputError
            If an image cannot be read, or if a worker was killed.
        """
        loaded = self._ahead(crops) if self._pool else (load_crops(c, self._size) for c in crops)
        for batch in loaded:
            yield torch.from_numpy(batch).permute(0, 3, 1, 2)

    def _ahead(self, crops: Iterable[Crops]) -> Iterator[np.ndarray]:
        waiting: deque[Future[np.ndarray]] = deque()
        try:
            for job in crops:
                waiting.append(self._pool.submit(load_crops, job, self._size))
                if len(waiting) > self._workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise InputError(
                "A process that loads images was killed, probably for lack of memory. Lower "
                "training.workers or training.batch_size, and run the same command again: the "
                "training goes on from its last checkpoint."
            ) from error
        finally:
            for future in waiting:
                future.cancel()


def _begin_worker() -> None:
    # Ctrl-C is for the training, which then ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Workers of a training that is killed would wait for batches for ever."""
    parent_process().join()
    os._exit(1)
