"""Run a training in a test, and compare weights."""

import pandas as pd
import torch

from dissection.training import train


def run(spec, data, folder, workers=0):
    """Train in a folder and return the weights and the table."""
    files = [folder / name for name in ("weights.pt", "t.csv", "snapshots", "unfinished")]
    train(spec, data, *files, workers=workers)
    return torch.load(files[0], weights_only=True), pd.read_csv(files[1])


def equal(one, other):
    """Whether two state dicts are the same, bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
