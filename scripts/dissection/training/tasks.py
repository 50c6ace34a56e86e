"""What a network learns: labels, or one of three tasks that need none.

A task turns images into inputs and targets. Images are uint8 (n, 3, h, w) tensors; whatever is
random comes from a given NumPy generator, so that a batch depends on nothing but its seed.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import torch

SHIFT = 4  # pixels that an image is moved at most, when training
TILE_MARGIN = (
    4  # pixels that a tile's place in the puzzle varies by, so that edges give nothing away
)
PERMUTATIONS = tuple(itertools.permutations(range(4)))
GREY = 115  # the value that becomes 0 in a network
CELLS = 8  # of a side, whose colours are predicted
COLOR_LEVELS = (-24, -6, 6, 24)  # borders between levels of an opponent colour


@dataclass(frozen=True)
class Task:
    """A training task.

    Attributes
    ----------
    name : str
        scene, object, rotation, colorization or puzzle.
    head : str or None
        The head that it needs (see `architectures.HEADS`); None for any.
    classes : int or None
        Number of classes; None if the data's labels say it.
    """

    name: str
    head: str | None = None
    classes: int | None = None

    def batch(
        self, images: torch.Tensor, labels: torch.Tensor, rng: np.random.Generator, training: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Turn images into inputs and targets.

        Parameters
        ----------
        images : uint8 (n, 3, h, w)
        labels : int64 (n,)
        rng : numpy Generator
        training : bool
            Whether images are flipped and moved at random first.

        Returns
        -------
        inputs : uint8 (n, 3, h, w)
        targets : int64 (n,), or (n, 8, 8) of colorization
        """
        if training:
            images = moved(images, rng, flip=self.name != "puzzle")
        if self.name == "rotation":
            return rotated(images, rng)
        if self.name == "puzzle":
            return shuffled_tiles(images, rng)
        if self.name == "colorization":
            return without_color(images)
        return images, labels


TASKS = {
    task.name: task
    for task in (
        Task("scene"),
        Task("object"),
        Task("rotation", classes=4),
        Task("colorization", head="cells", classes=(len(COLOR_LEVELS) + 1) ** 2),
        Task("puzzle", classes=len(PERMUTATIONS)),
    )
}


def moved(images: torch.Tensor, rng: np.random.Generator, flip: bool = True) -> torch.Tensor:
    """Move every image by up to 4 pixels, its border repeated, and mirror half of them."""
    count, _, height, width = images.shape
    down, right = rng.integers(-SHIFT, SHIFT + 1, (2, count))
    mirrored = (rng.random(count) < 0.5) & flip
    channels_last = images.permute(0, 2, 3, 1).numpy()
    around = ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0))
    padded = np.pad(channels_last, around, mode="edge")
    result = np.empty_like(channels_last)
    for n in range(count):
        top, left = SHIFT + down[n], SHIFT + right[n]
        cut = padded[n, top : top + height, left : left + width]
        result[n] = cut[:, ::-1] if mirrored[n] else cut
    return torch.from_numpy(result).permute(0, 3, 1, 2)


def rotated(images: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn every image by 0, 90, 180 or 270 degrees, counter-clockwise; the target says which."""
    turns = torch.from_numpy(rng.integers(0, 4, len(images)))
    result = images.clone()
    for k in (1, 2, 3):
        result[turns == k] = torch.rot90(images[turns == k], k, (2, 3))
    return result, turns


def shuffled_tiles(
    images: torch.Tensor, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut every image into 2 x 2 tiles and put them in another order; the target says which.

    Place i of the result shows tile `PERMUTATIONS[target][i]`. A tile is a little smaller than a
    quarter and cut out at random, with grey around it, so that lines that go on across a cut do
    not give the answer away.
    """
    count, _, height, width = images.shape
    high, wide = height // 2, width // 2
    targets = rng.integers(0, len(PERMUTATIONS), count)
    cut = rng.integers(0, TILE_MARGIN + 1, (count, 4, 2))
    result = torch.full_like(images, GREY)
    half = TILE_MARGIN // 2
    for n in range(count):
        for place, tile in enumerate(PERMUTATIONS[targets[n]]):
            top, left = (tile // 2) * high + cut[n, tile, 0], (tile % 2) * wide + cut[n, tile, 1]
            y, x = (place // 2) * high + half, (place % 2) * wide + half
            size = (high - TILE_MARGIN, wide - TILE_MARGIN)
            result[n, :, y : y + size[0], x : x + size[1]] = images[
                n, :, top : top + size[0], left : left + size[1]
            ]
    return result, torch.from_numpy(targets)


def without_color(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Take the colour out; the target is the mean colour of each of 8 x 8 cells.

    A colour is its place on two axes, red - green and yellow - blue, each cut into five levels.
    """
    values = images.float()
    grey = (values * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    cells = torch.nn.functional.adaptive_avg_pool2d(values, CELLS)
    red, green, blue = cells.unbind(1)
    levels = torch.tensor(COLOR_LEVELS, dtype=torch.float32)
    first = torch.bucketize(red - green, levels)
    second = torch.bucketize((red + green) / 2 - blue, levels)
    inputs = grey.round().to(torch.uint8).expand(-1, 3, -1, -1)
    return inputs, first * (len(COLOR_LEVELS) + 1) + second
