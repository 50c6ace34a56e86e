"""Any configured network: its model, its preprocessing, its layers."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from dissection.downloads.receipts import noted_file
from dissection.errors import InputError, did_you_mean
from dissection.jobs.logs import log
from dissection.networks.layers import Layer, modules_by_name, readings
from dissection.networks.precision import use_float32
from dissection.networks.preprocessing import Preprocessing, chosen_settings, described
from dissection.networks.sources import SOURCES, given_sources, source_module, source_of
from dissection.networks.users_code import guard, users_code

SEED = 1  # of initial weights that no file replaces


@dataclass(frozen=True)
class Network:
    """A network that is ready to be dissected.

    Attributes
    ----------
    model : nn.Module
        In evaluation mode, without gradients.
    input_size : tuple of int
        Height and width, pixels.
    preprocess : callable
        From a uint8 RGB array or PIL image to a float32 tensor (3, height, width).
    layer_aliases : mapping of str
        Names by which modules of the model are known besides their own.
    uncertain : collection of str
        Names of modules whose calls its file does not tell from others'.
    """

    model: torch.nn.Module
    input_size: tuple[int, int]
    preprocess: Callable[[Any], torch.Tensor]
    layer_aliases: Mapping[str, str] = field(default_factory=dict)
    uncertain: Collection[str] = ()


def find_layer(network: Network, name: str) -> Layer:
    """Return a layer by its name: an alias, or the dotted name of a module.

    ``NAME:2`` is the second call of the module in a forward pass; without a number it is the last.

    Raises
    ------
    InputError
        If there is none, or if its calls cannot be told from others': the message lists the
        layers.
    """
    aliases, modules = network.layer_aliases, modules_by_name(network.model)
    for stem, call in readings(name):
        target = aliases.get(stem, stem)
        if target in network.uncertain:
            certain = ", ".join(key for key in modules if key not in network.uncertain)
            raise InputError(
                f"Layer '{stem}': the network's file does not tell its calls from those of other "
                "modules, because it is called through an index or an interface, in a fork, or "
                f"has hooks. Layers that can be told: {certain or 'none'}. For others give the "
                "network's code (`factory`) or export it (`exported`)."
            )
        if target in modules:
            return Layer(modules[target], call)
    names = [*aliases, *(key for key in modules if key not in aliases)]
    hint = did_you_mean(name, names)
    shown = ", ".join(names[:80]) + (f" and {len(names) - 80} more" if len(names) > 80 else "")
    raise InputError(f"The network has no layer '{name}'.{hint} Its layers: {shown}.")


def open_network(
    network: Mapping[str, Any],
    files: Sequence[str | Path],
    name: str,
    layers: Sequence[str] | None = None,
) -> Network:
    """Load a network from the files that it is made of.

    Parameters
    ----------
    network : mapping
        One entry of the configuration's networks.
    files : sequence of paths
        Of its source, in the source's order. A ``.json`` file is the note of a checked download
        and stands for the file that it names; a folder holds weights after some iterations, of
        which the network's name, as ``NAME@ITERATION``, says one. Code (``.py``), of a source or
        of a user's function, is not looked at.
    name : str
        The network's name.
    layers : sequence of str, optional
        As in `load_network`.
    """
    paths = [noted_file(file) if Path(file).suffix == ".json" else Path(file) for file in files]
    iteration = name.rpartition("@")[2]
    used = [
        path / f"{iteration}.pt" if path.is_dir() else path
        for path in paths
        if path.suffix != ".py"
    ]
    try:
        return load_network(network, used, layers, f"network '{name}'")
    except InputError as error:
        raise InputError(f"Network '{name}': {error}") from error


def load_network(
    network: Mapping[str, Any],
    files: Sequence[str | Path] = (),
    layers: Sequence[str] | None = None,
    name: str = "network",
) -> Network:
    """Load a network from one of the sources.

    Parameters
    ----------
    network : mapping
        Exactly one key of `SOURCES` with that source's options, all of them: defaults are the
        configuration's. Those of `preprocessing.KEYS` replace what the network's file and the
        source say. Other keys than the source are not looked at.
    files : sequence of paths
        What the source is loaded from. Without weights among them the initial ones are random,
        the same every time.
    layers : sequence of str, optional
        Names of the layers that are needed, if not all are: what none of them needs may be left
        out, and need not be known or have weights.
    name : str
        What it is called in messages of its forward passes.

    Raises
    ------
    InputError
    """
    found = given_sources(network)
    if len(found) != 1:
        raise InputError(
            f"A network needs exactly one source out of {', '.join(SOURCES)}; "
            f"found {', '.join(found) or 'none'}."
        )
    source, options = source_of(network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        loaded = source_module(source).load(options, [Path(file) for file in files], layers)
    settings = chosen_settings(options, loaded.preprocessing)
    log.info("preprocessing: %s", described(settings))
    model = loaded.model
    with users_code("The network cannot be put into evaluation mode"):
        model.eval()  # a user's own may return nothing
        model.requires_grad_(False)
    use_float32(model, settings["input_size"])
    guard(model, name)
    return Network(
        model,
        settings["input_size"],
        Preprocessing(**settings),
        loaded.layer_aliases,
        loaded.uncertain,
    )
