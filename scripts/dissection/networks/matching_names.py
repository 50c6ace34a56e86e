"""Which tensor of a file belongs where in a network: by names, or by shapes that leave one way."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import takewhile
from typing import NamedTuple

Shapes = Mapping[str, tuple[int, ...]]  # by the names of tensors


class Matching(NamedTuple):
    """Which names belong together.

    Attributes
    ----------
    names : dict of str
        The file's name of each of the network's tensors that has one.
    way : str
        How they were found, for the log.
    complete : bool
        Whether every tensor, of the file and of the network, has its partner.
    """

    names: dict[str, str]
    way: str
    complete: bool


def match_names(given: Shapes, expected: Shapes) -> Matching:
    """Find the file's tensor for each of the network's.

    Names come first: as they are; without what wrappers put into them; with DenseNet's old names;
    without the longest prefix that all names of the file, or of the network, share; without
    ``model`` and ``backbone`` in front. Where none of these makes all names agree, layers of the
    same order and shapes were only renamed if each layer whose name differs has shapes that no
    other layer has.

    Parameters
    ----------
    given, expected : mapping of shapes, by name
        Of the file and of the network, in their orders.

    Returns
    -------
    Matching
        If it is not complete, that of the names of which most agree.
    """
    file = {name: name for name in given}  # the own name of each name as it is compared
    network = {name: name for name in expected}
    tried, ways = [(file, network, "")], ""
    for way, rename in _WAYS.items():
        renamed_file, renamed_network = rename(file), rename(network)
        kept = len(renamed_file) == len(given) and len(renamed_network) == len(expected)
        # What tells two tensors apart must not be cut away.
        if kept and (renamed_file, renamed_network) != (file, network):
            file, network, ways = renamed_file, renamed_network, f"{ways}, {way}"
            tried.append((file, network, ways))
    found = [
        Matching(
            {own: file[name] for name, own in network.items() if name in file},
            f"by their names{ways}",
            file.keys() == network.keys(),
        )
        for file, network, ways in tried
    ]
    found.sort(key=lambda matching: not matching.complete)
    if not found[0].complete:
        ordered = (_by_order(file, network, given, expected) for file, network, _ in tried)
        return next(filter(None, ordered), max(found, key=lambda matching: len(matching.names)))
    return found[0]


def _by_order(
    file: Mapping[str, str], network: Mapping[str, str], given: Shapes, expected: Shapes
) -> Matching | None:
    """Match in order if the shapes leave no other way for layers of different names."""
    if len(file) != len(network):
        return None
    layers: dict[str, str] = {}  # of the file, by that of the network
    for name, other in zip(network, file, strict=True):
        (layer, own), (other_layer, other_own) = _split(name), _split(other)
        same_kind = own == other_own and expected[network[name]] == given[file[other]]
        if not same_kind or layers.setdefault(layer, other_layer) != other_layer:
            return None
    if len(set(layers.values())) < len(layers):
        return None
    shapes = {layer: [] for layer in layers}
    for name, own in network.items():
        layer, tensor = _split(name)
        shapes[layer].append((tensor, expected[own]))
    count = Counter(map(tuple, shapes.values()))
    renamed = [layer for layer, other in layers.items() if layer != other]
    if any(count[tuple(shapes[layer])] > 1 for layer in renamed):
        return None
    return Matching(
        dict(zip(network.values(), file.values(), strict=True)),
        f"by their order: the names of {len(renamed)} layers differ, but each of these layers has "
        "shapes that no other has",
        True,
    )


def _split(name: str) -> tuple[str, str]:
    """Return the name of the layer and that of its tensor."""
    layer, _, tensor = name.rpartition(".")
    return layer, tensor


def _each(rename: Callable[[str], str]) -> Callable[[Mapping[str, str]], dict[str, str]]:
    return lambda names: {rename(name): own for name, own in names.items()}


def _without_wrapper(name: str) -> str:
    """Names of `torch.nn.DataParallel` and of `torch.compile`."""
    return re.sub(r"(^|\.)((module|_orig_mod)\.)+", r"\1", name)


def without_wrappers(name: str) -> str:
    """Return a name without what trainers put before it, as far as that is the same everywhere.

    Examples
    --------
    >>> without_wrappers("module.backbone.layer1.module.conv.weight")
    'layer1.conv.weight'
    """
    return re.sub(r"^((model|backbone)\.)+", "", _without_wrapper(name))


def _todays_densenet(name: str) -> str:
    """``denselayer1.norm.1.weight`` was the name of ``denselayer1.norm1.weight``."""
    return re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)", r"\1\2", name)


def _without_prefix(names: Mapping[str, str]) -> dict[str, str]:
    steps = zip(*(name.split(".")[:-1] for name in names), strict=False)
    alike = sum(1 for _ in takewhile(lambda step: len(set(step)) == 1, steps))
    return {".".join(name.split(".")[alike:]): own for name, own in names.items()}


_WAYS = {
    "without the steps module and _orig_mod": _each(_without_wrapper),
    "DenseNet's old ones turned into today's": _each(_todays_densenet),
    "without the prefix that all share": _without_prefix,
    "without model and backbone in front": _each(without_wrappers),
}
