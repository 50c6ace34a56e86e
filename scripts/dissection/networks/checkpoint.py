"""Weights of known architectures in files of their own, such as those of Places365."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dissection.networks.from_torchvision import (
    SLOW_TO_BUILD,
    build_classifier,
    require_classifier,
)
from dissection.networks.loaded import Loaded
from dissection.networks.state_dicts import load_weights
from dissection.training.architectures import PUBLISHED, build


def check(options: Mapping[str, Any]) -> None:
    """Refuse architectures that do not exist."""
    if options["architecture"] != "caffenet":
        require_classifier(options["architecture"])


def load(options: Mapping[str, Any], files: Sequence[Path], layers: Sequence[str] | None) -> Loaded:
    """Build an architecture and fill it.

    Parameters
    ----------
    options : mapping
        ``architecture``, a classifier of torchvision or caffenet; ``classes``, their number.
    files : sequence of paths
        One file of weights; without it they are random. Inputs are expected as torchvision's
        networks expect them, by a caffenet too.
    """
    name, classes = options["architecture"], options["classes"]
    if name == "caffenet":
        model = build(PUBLISHED, classes)
        input_size = model.input_size
    else:
        extra = {}
        if name in SLOW_TO_BUILD:
            extra = {"init_weights": not files, "aux_logits": False}
        model = build_classifier(name, classes, **extra)
        input_size = (299, 299) if name == "inception_v3" else (224, 224)
    for file in files:
        load_weights(model, file, layers, options.get("input_size", input_size))
    return Loaded(model, {"input_size": input_size})
