"""torchvision's classifiers of images, with the weights that it publishes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torchvision import models

from dissection.errors import InputError, did_you_mean
from dissection.networks.loaded import Loaded
from dissection.networks.state_dicts import load_weights

# These two draw their initial weights slowly unless told not to.
SLOW_TO_BUILD = ("googlenet", "inception_v3")


def check(options: Mapping[str, Any]) -> None:
    """Refuse names that torchvision does not know."""
    published_weights(options["name"], options["weights"])


def downloads(options: Mapping[str, Any]) -> list[str]:
    """Return torchvision's full name of the weights, as in ``ResNet18_Weights.IMAGENET1K_V1``."""
    return [str(published_weights(options["name"], options["weights"]))]


def load(options: Mapping[str, Any], files: Sequence[Path], layers: Sequence[str] | None) -> Loaded:
    """Build a network of torchvision.

    Parameters
    ----------
    options : mapping
        ``name`` of the network; ``weights``, its entry of them, or DEFAULT.
    files : sequence of paths
        The file of these weights; without it they are random.
    """
    name = options["name"]
    entry = published_weights(name, options["weights"])
    extra = {}
    if name in SLOW_TO_BUILD:
        # Files of torchvision hold the auxiliary classifiers and expect inputs scaled as by the
        # network's first authors, which the network then does itself.
        extra = {"init_weights": not files, "aux_logits": True, "transform_input": True}
    model = build_classifier(name, len(entry.meta["categories"]), **extra)
    transforms = entry.transforms()
    size = transforms.crop_size[0]
    for file in files:
        load_weights(model, file, layers, options.get("input_size", (size, size)))
    own = {
        "input_size": (size, size),
        "interpolation": transforms.interpolation.value,
        "mean": transforms.mean,
        "std": transforms.std,
    }
    return Loaded(model, own)


def build_classifier(name: str, classes: int, **options: Any) -> torch.nn.Module:
    """Build one of torchvision's classifiers with random weights; nothing is downloaded.

    Raises
    ------
    InputError
        If torchvision has no classifier of that name.
    """
    require_classifier(name)
    return models.get_model(name, weights=None, num_classes=classes, **options)


def require_classifier(name: str) -> None:
    """Refuse names that are not those of torchvision's classifiers of images.

    Others would fetch the weights of a part of theirs by themselves, or take no single image.

    Raises
    ------
    InputError
        With the nearest names.
    """
    names = models.list_models(module=models)
    if name in names:
        return
    if name in models.list_models():
        raise InputError(
            f"torchvision's '{name}' is not one of its classifiers of images, which alone can be "
            "named here. Build it in a function of your own (`factory`)."
        )
    raise InputError(
        f"torchvision has no network '{name}'.{did_you_mean(name, names)} All: {', '.join(names)}."
    )


def published_weights(name: str, weights: str) -> Any:
    """Return torchvision's entry for a network's weights: ``url``, ``meta``, ``transforms()``.

    Raises
    ------
    InputError
        If torchvision has no such network, or no such weights for it.
    """
    require_classifier(name)
    entries = models.get_model_weights(name)
    if weights not in entries.__members__:
        raise InputError(
            f"torchvision has no weights '{weights}' for {name}; it has "
            f"{', '.join(entries.__members__)}."
        )
    return entries[weights]
