"""The sources of weights: the one table that the configuration, the Snakefile and the loader read.

Free of torch; a source's own module, which need not be, is imported when it is asked for. The
schema (workflow/schemas/config.schema.yaml) holds each source's keys, their meanings and defaults.

A new source is a row here, a module of this package, its keys in the schema, and a test. The module
has `load`; some have the other two functions that `Source` names:

``load(options, files, layers)``
    Returns a `dissection.networks.loaded.Loaded` from the source's options and its files, as
    `own_files` or `downloads` order them; a source that can do without weights draws them at
    random if there are no files. What none of the layers (all if it is None) needs may be left out.
``check(options)``
    Raises an `InputError` for names that refer to nothing.
``downloads(options)``
    Returns names that `dissection.downloads.registry` knows besides those of its file.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Source:
    """A source of weights.

    Attributes
    ----------
    module : str
        Of this package.
    files : tuple of str
        Options that name a user's own files, in the order in which they are loaded.
    registered : dict of str
        If the option ``download`` can stand in their place: for each file its name in
        config/downloads.yaml, with ``{}`` for that option, and its kind there.
    defining : int
        How many of the files, the first ones, say what layers there are. The rest are weights.
    function : str
        Option that names a function of the user's, as ``package.module:function``.
    checks, publishes : bool
        Whether the module has `check`, and `downloads`.
    """

    module: str
    files: tuple[str, ...] = ()
    registered: Mapping[str, str] = field(default_factory=dict)
    defining: int = 0
    function: str = ""
    checks: bool = False
    publishes: bool = False


# By their keys in the configuration. The files of trained networks are the workflow's own.
SOURCES = {
    "trained": Source("trained"),
    "torchvision": Source("from_torchvision", checks=True, publishes=True),
    "timm": Source("from_timm", files=("file",), checks=True, publishes=True),
    "caffe": Source(
        "caffe.load",
        files=("prototxt", "caffemodel"),
        registered={"{}.prototxt": "prototxt", "{}.caffemodel": "caffemodel"},
        defining=1,
    ),
    "checkpoint": Source(
        "checkpoint", files=("file",), registered={"{}": "checkpoint"}, checks=True
    ),
    "factory": Source("factory", files=("file",), function="function", checks=True),
    "torchscript": Source("torchscript", files=("file",), defining=1),
    "exported": Source("exported", files=("file",), defining=1),
}


# Released tables of networks' units, in config/downloads.yaml.
RELEASED = "released-{}.csv"


def given_sources(network: Mapping[str, Any]) -> list[str]:
    """Return which of the sources an entry of the configuration names; it should be one."""
    return [key for key in SOURCES if key in network]


def source_of(network: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the source of a network, as its key, and that source's options.

    Parameters
    ----------
    network : mapping
        One entry of the configuration's networks, with exactly one source.
    """
    (key,) = given_sources(network)
    return key, network[key]


def own_files(network: Mapping[str, Any]) -> list[str]:
    """Return the user's own files that a network is made of, in the order of its source."""
    key, options = source_of(network)
    return [options[name] for name in SOURCES[key].files if name in options]


def is_downloaded(network: Mapping[str, Any]) -> bool:
    """Whether a network can be made of downloads; their names can take seconds to tell."""
    key, options = source_of(network)
    return "download" in options or (SOURCES[key].publishes and not own_files(network))


def downloads(network: Mapping[str, Any]) -> list[str]:
    """Return the names of the downloads that a network is made of, in the order of its source.

    Raises
    ------
    InputError
        If there are no such weights. For networks of torchvision and timm this takes seconds.
    """
    key, options = source_of(network)
    if SOURCES[key].publishes:
        return source_module(key).downloads(options)
    if "download" not in options:
        return []
    return [name.format(options["download"]) for name in SOURCES[key].registered]


def released_download(network: Mapping[str, Any]) -> str | None:
    """Return the name of the download with a network's released units; None if it has none."""
    table = network.get("released", {})
    return RELEASED.format(table["download"]) if "download" in table else None


def defining_files(network: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the downloads, by their names, and own files that tell a network's layers.

    The rest of its files are weights.
    """
    count = SOURCES[source_of(network)[0]].defining
    if not count:
        return [], []
    return downloads(network)[:count], own_files(network)[:count]


def modules(network: Mapping[str, Any]) -> list[str]:
    """Return the dotted names of the modules that are imported only to load this network."""
    key, options = source_of(network)
    names = [_module_name(key)]
    if SOURCES[key].function:
        names.append(options[SOURCES[key].function].partition(":")[0])
    return names


def source_module(key: str) -> Any:
    """Import the module of a source."""
    return importlib.import_module(_module_name(key))


def _module_name(key: str) -> str:
    return f"dissection.networks.{SOURCES[key].module}"
