"""Batches of images from files, loaded by worker processes ahead of their use."""

import os
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import parent_process

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

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
        self._crops: list[Crops] = []
        self._loader = DataLoader(
            _CropFiles(size),
            batch_size=None,  # an item is a whole batch
            sampler=self._crops,
            collate_fn=_as_it_is,
            num_workers=workers,
            persistent_workers=workers > 0,
            # Forked processes would copy this one's threads and GPU context in whatever state.
            multiprocessing_context="spawn" if workers else None,
            worker_init_fn=_begin_worker,
            # Seeds for workers, which use none, shall not be drawn from the training's generator.
            generator=torch.Generator(),
        )

    def batches(self, crops: Iterable[Crops]) -> Iterator[torch.Tensor]:
        """Yield batches in the order in which they are asked for.

        Only one such iterator of a loader can be in use.

        Yields
        ------
        uint8 (n, 3, size, size)

        Raises
        ------
        InputError
            If an image cannot be read.
        RuntimeError
            Of torch, if a worker was killed; see `killed_workers_explained`.
        """
        self._crops[:] = crops
        for batch in self._loader:
            if isinstance(batch, InputError):
                raise batch
            yield torch.from_numpy(batch).permute(0, 3, 1, 2)


@contextmanager
def killed_workers_explained() -> Iterator[None]:
    """Say what to do if a worker was killed; torch says so wherever this process then is."""
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise InputError(
            "A process that loads images was killed, probably for lack of memory. Lower "
            "training.workers or training.batch_size, and run the same command again: the "
            "training goes on from its last checkpoint."
        ) from error


class _CropFiles(Dataset):
    """Batches of crops; the index of one is what is in it."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __getitem__(self, crops: Crops) -> np.ndarray | InputError:
        try:
            return load_crops(crops, self._size)
        except InputError as error:
            return error  # raised here, it would arrive with a worker's traceback as its message


def _as_it_is(batch: np.ndarray | InputError) -> np.ndarray | InputError:
    # A tensor would be handed over in shared memory, of which containers have little.
    return batch


def _begin_worker(number: int) -> None:
    # Ctrl-C is for the training, which then ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A worker of torch sees for itself that its parent was killed, but not while it hands over a
    # batch that nobody takes.
    parent_process().join()
    os._exit(1)
