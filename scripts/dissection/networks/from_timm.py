"""timm's networks, with the weights that it publishes or with others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data import resolve_model_data_config

from dissection.downloads.hub import HUB, published_config
from dissection.errors import InputError, did_you_mean
from dissection.jobs.logs import log
from dissection.networks.loaded import Loaded
from dissection.networks.preprocessing import FILTERS
from dissection.networks.state_dicts import load_weights
from dissection.networks.users_code import users_code


def check(options: Mapping[str, Any]) -> None:
    """Refuse names that timm does not know, and published weights that it does not have."""
    architecture, _, tag = options["name"].partition(".")
    names = timm.list_models()
    if architecture not in names:
        raise InputError(
            f"timm has no network '{architecture}'.{did_you_mean(architecture, names)}"
        )
    tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        raise InputError(
            f"timm has no weights '{tag}' for {architecture}.{did_you_mean(tag, tags)} "
            f"It has {', '.join(tags) or 'none'}."
        )
    if _published(options):
        published_config(options["name"])


def downloads(options: Mapping[str, Any]) -> list[str]:
    """Return the name of the published weights, with timm's name and the revision."""
    check(options)
    return [f"{HUB}{options['name']}@{options['revision']}"] if _published(options) else []


def load(options: Mapping[str, Any], files: Sequence[Path], layers: Sequence[str] | None) -> Loaded:
    """Build a network of timm.

    Parameters
    ----------
    options : mapping
        ``name``; ``arguments`` of `timm.create_model`.
    files : sequence of paths
        One file of weights, published or not; without it they are random.
    """
    check(options)
    arguments = _arguments(options)
    with users_code(f"timm cannot make '{options['name']}' with the arguments given"):
        model = timm.create_model(options["name"], pretrained=False, **arguments)
    own = _preprocessing(model)
    if "img_size" in arguments:
        size = arguments["img_size"]
        own["input_size"] = (size, size) if isinstance(size, int) else tuple(size)
    for file in files:
        load_weights(
            model,
            file,
            layers,
            options.get("input_size", own["input_size"]),
            convert=lambda state: _converted(state, options["name"], arguments),
        )
    return Loaded(model, own)


def _arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the network is made with: it has to know its input's size if that is fixed."""
    arguments = dict(options["arguments"])
    config = timm.models.get_pretrained_cfg(options["name"])
    if config and config.fixed_input_size and "input_size" in options:
        arguments.setdefault("img_size", tuple(options["input_size"]))
    return arguments


def _published(options: Mapping[str, Any]) -> bool:
    return "file" not in options and options["pretrained"]


def _preprocessing(model: torch.nn.Module) -> dict[str, Any]:
    """Return what a network's own configuration says of its input."""
    own = resolve_model_data_config(model)
    if own["input_size"][0] != 3:
        raise InputError(
            f"This network takes images of {own['input_size'][0]} channels, but images have 3."
        )
    if own["crop_pct"] < 1:
        log.info(
            "timm shows the network the middle %g of an image; here it is shown the whole image, "
            "because labels cover it",
            own["crop_pct"],
        )
    interpolation = own["interpolation"] if own["interpolation"] in FILTERS else "bilinear"
    return {
        "input_size": tuple(own["input_size"][1:]),
        "interpolation": interpolation,
        "mean": tuple(own["mean"]),
        "std": tuple(own["std"]),
    }


def _converted(
    state: dict[str, torch.Tensor], name: str, arguments: Mapping[str, Any]
) -> dict[str, torch.Tensor]:
    """Let timm turn weights into its own: their names, and what depends on the input's size."""
    # Told the number of classes that is wanted, timm puts no random head in another's place.
    overlay = {"state_dict": state}
    if "num_classes" in arguments:
        overlay["num_classes"] = arguments["num_classes"]
    with users_code("timm does not know the names of these weights, or some are missing"):
        model = timm.create_model(
            name, pretrained=True, pretrained_cfg_overlay=overlay, **arguments
        )
    return model.state_dict()
