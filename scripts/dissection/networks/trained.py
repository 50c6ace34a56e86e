"""Networks that the workflow trains itself."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from dissection.networks.loaded import Loaded
from dissection.networks.state_dicts import load_weights, read_state_dict
from dissection.training.architectures import build, classes_of
from dissection.training.tasks import TASKS


def load(options: Mapping[str, Any], files: Sequence[Path], layers: Sequence[str] | None) -> Loaded:
    """Load the weights of a training.

    Parameters
    ----------
    options : mapping
        Those of `training.architectures.build`, and ``task``.
    files : sequence of paths
        One file of weights; without it they are random, and for a single class.
    """
    head = TASKS[options["task"]].head
    classes = classes_of(read_state_dict(files[0])) if files else 1
    model = build({**options, **({"head": head} if head else {})}, classes)
    for weights in files:
        load_weights(model, weights)
    learned = {
        "input_size": model.input_size,
        "mean": model.mean,
        "std": model.std,
        "value_range": model.value_range,
    }
    # As in training: pools and convolutions of few units are faster so.
    return Loaded(model.to(memory_format=torch.channels_last), learned)
