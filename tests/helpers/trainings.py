"""Run a training in a test, interrupt it, and compare weights."""

from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import torch

from dissection.training.train import train

# What the configuration gives to every training.
SETTINGS = {
    **{"batch_size": 8, "threads": 1, "mixed_precision": False, "checkpoint_iterations": 5000},
    **{"optimizer": "adamw", "learning_rate": 0.002, "weight_decay": 1e-4, "momentum": 0.9},
    **{"schedule": "one_cycle", "step_size": 100_000, "patience": 5},
}


def draw_images(folder, images, held_out, classes):
    """Write a training set of images whose brightness shows their class."""
    rng = np.random.default_rng(0)
    for part, count in (("", images), ("held_out_", held_out)):
        labels = np.arange(count) % classes
        pixels = rng.integers(0, 60, (count, 64, 64, 3)) + 50 * labels[:, None, None, None]
        np.save(folder / f"{part}images.npy", pixels.astype(np.uint8))
        np.save(folder / f"{part}labels.npy", labels)
    return folder


@contextmanager
def iterations(stop=None):
    """Give a list that grows by one for every iteration; Ctrl-C is pressed in the last one."""
    original, done = torch.nn.functional.cross_entropy, []

    def counted(*arguments):
        done.append(None)
        if len(done) == stop:
            raise KeyboardInterrupt
        return original(*arguments)

    with patch.object(torch.nn.functional, "cross_entropy", counted):
        yield done


def run_interrupted(spec, data, folder, stop):
    """Train up to the iteration of the number ``stop``, which is interrupted."""
    with iterations(stop), pytest.raises(KeyboardInterrupt):
        run(spec, data, folder)


def run(spec, data, folder, workers=0, code=()):
    """Train in a folder and return the weights and the table."""
    files = [folder / name for name in ("weights.pt", "t.csv", "snapshots", "unfinished")]
    train(spec, data, *files, code=code, workers=workers)
    return torch.load(files[0], weights_only=True), pd.read_csv(files[1])


def equal(one, other):
    """Whether two state dicts are the same, bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
