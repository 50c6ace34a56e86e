"""What a training learns from: drawn images in arrays, or an indexed folder of images."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import torch

from dissection.errors import InputError
from dissection.training.image_batches import Crops, ImageLoader, scaled_side
from dissection.training.image_folder import CLASSES, INDEX
from dissection.training.tasks import Task

EVALUATION_BATCH = 128
PARTS, ARRAYS = ("", "held_out_"), ("images.npy", "labels.npy")  # of a drawn training set

Batch = tuple[torch.Tensor, torch.Tensor]  # inputs, uint8 (n, 3, h, w), and targets, int64


class TrainingData(Protocol):
    """A source of batches.

    Attributes
    ----------
    images : int
        To train on.
    files : list of Path
        Whose contents say which images and labels there are, those held out included.
    """

    images: int
    files: list[Path]

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Draw an epoch: one row an image, in the order in which they are used."""

    def batches(self, drawn: np.ndarray, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield the batches of some rows of an epoch.

        ``rng`` is used for a batch just before that is yielded, not earlier.
        """

    def held_out(self) -> Iterator[Batch]:
        """Yield all images that are not trained on, as they are, the same at every call."""


def count_classes(folder: str | Path) -> int:
    """Return the number of classes of a training set."""
    folder = Path(folder)
    if (folder / INDEX).is_file():
        return len((folder / CLASSES).read_text(encoding="utf-8").splitlines())
    return int(np.load(folder / "labels.npy", allow_pickle=False).max()) + 1


def open_training_data(
    folder: str | Path, task: Task, size: int, batch_size: int = EVALUATION_BATCH, workers: int = 0
) -> TrainingData:
    """Open a training set of either kind.

    Parameters
    ----------
    folder : path
        Written by `datasets.drawn.dataset.draw_training_set` or by `image_folder.index_images`.
    task : Task
    size : int
        Side of a network's input, pixels.
    batch_size : int
        Of training.
    workers : int
        Processes that load images; 0 loads them in this one. Changes no batch.

    Raises
    ------
    InputError
        If the set is not whole, or its images do not fit the network.
    """
    if (Path(folder) / INDEX).is_file():
        return FolderData(Path(folder), task, size, batch_size, workers)
    return ArrayData(Path(folder), task, size, batch_size)


class ArrayData:
    """Drawn images, all in memory. Parameters as in `open_training_data`."""

    def __init__(self, folder: Path, task: Task, size: int, batch_size: int) -> None:
        self._task, self._batch_size = task, batch_size
        self._training, self._held_out = (_read(folder, part) for part in PARTS)
        self.files = [folder / f"{part}{name}" for part in PARTS for name in ARRAYS]
        self.images = len(self._training[0])
        found = tuple(self._training[0].shape[2:])
        if found != (size, size):
            raise InputError(
                f"The images in {folder} have {found[0]} x {found[1]} pixels, but the network's "
                f"input has {size} x {size}. Train it on photographs (training_set.folder), or "
                "choose one of the small architectures."
            )

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """See `TrainingData`; a row is the image's number."""
        return rng.permutation(self.images)

    def batches(self, drawn: np.ndarray, rng: np.random.Generator) -> Iterator[Batch]:
        """See `TrainingData`."""
        images, labels = self._training
        for part in _parts(len(drawn), self._batch_size):
            chosen = torch.from_numpy(drawn[part])
            yield self._task.batch(images[chosen], labels[chosen], rng, training=True)

    def held_out(self) -> Iterator[Batch]:
        """See `TrainingData`."""
        images, labels = self._held_out
        rng = np.random.default_rng(0)  # the same rotations and puzzles at every evaluation
        for part in _parts(len(images), EVALUATION_BATCH):
            yield self._task.batch(images[part], labels[part], rng, training=False)


class FolderData:
    """Images in files, decoded when they are needed. Parameters as in `open_training_data`.

    Training images are cut out at random and half of them mirrored; held-out images are cut out
    of the middle.
    """

    def __init__(
        self, folder: Path, task: Task, size: int, batch_size: int, workers: int = 0
    ) -> None:
        self._task, self._batch_size = task, batch_size
        # Of names and classes alone: to read every image would take hours.
        self.files = [folder / INDEX, folder / CLASSES]
        # Two, because held-out images are asked for in the middle of an epoch.
        self._training_loader, self._held_out_loader = (
            ImageLoader(size, workers) for _ in range(2)
        )
        self._margin = scaled_side(size) - size
        table = pd.read_csv(folder / INDEX, keep_default_na=False, dtype={"image": str})
        self._training, self._held_out = (
            (rows["image"].to_numpy(object), torch.tensor(rows["label"].to_list()))
            for rows in (table[table["part"] == part] for part in ("train", "held_out"))
        )
        self.images = len(self._training[0])

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """See `TrainingData`; a row is the image's number, the crop's place, and whether mirrored.

        All is drawn beforehand because images are loaded before it is their batch's turn.
        """
        order = rng.permutation(self.images)
        places = rng.integers(0, self._margin + 1, (self.images, 2))
        # A mirrored puzzle would have another solution.
        mirrored = (rng.random(self.images) < 0.5) & (self._task.name != "puzzle")
        return np.column_stack([order, places, mirrored])

    def batches(self, drawn: np.ndarray, rng: np.random.Generator) -> Iterator[Batch]:
        """See `TrainingData`."""
        loader = self._training_loader
        yield from self._load(loader, self._training, drawn, self._batch_size, rng)

    def held_out(self) -> Iterator[Batch]:
        """See `TrainingData`."""
        count = len(self._held_out[0])
        middle = np.full(count, self._margin // 2)
        drawn = np.column_stack([np.arange(count), middle, middle, np.zeros(count, int)])
        rng = np.random.default_rng(0)  # the same rotations and puzzles at every evaluation
        loader = self._held_out_loader
        yield from self._load(loader, self._held_out, drawn, EVALUATION_BATCH, rng)

    def _load(
        self,
        loader: ImageLoader,
        images: tuple[np.ndarray, torch.Tensor],
        drawn: np.ndarray,
        batch_size: int,
        rng: np.random.Generator,
    ) -> Iterator[Batch]:
        files, labels = images
        rows = [drawn[part] for part in _parts(len(drawn), batch_size)]
        crops: Iterator[Crops] = ((files[part[:, 0]], part[:, 1:]) for part in rows)
        for part, batch in zip(rows, loader.batches(crops), strict=True):
            # Moved and mirrored already.
            yield self._task.batch(batch, labels[part[:, 0]], rng, training=False)


def _parts(count: int, size: int) -> Iterator[slice]:
    return (slice(first, first + size) for first in range(0, count, size))


def _read(folder: Path, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = (np.load(folder / f"{part}{name}", allow_pickle=False) for name in ARRAYS)
    if len(images) != len(labels) or len(images) == 0:
        raise InputError(
            f"{folder}: {len(images)} images with {len(labels)} labels. Make it again."
        )
    return torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels)
