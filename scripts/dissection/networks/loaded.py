"""What the module of a source of weights hands over."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import torch


class Loaded(NamedTuple):
    """A network as its source knows it.

    Attributes
    ----------
    model : nn.Module
    preprocessing : mapping
        What the network's file, or else its source, says of `preprocessing.KEYS`. Never read
        from the model: an attribute of somebody's model may be called ``mean`` and be anything.
    layer_aliases : mapping of str
        Other names of the model's modules.
    uncertain : collection of str
        Names of modules whose calls the file does not tell from others'.
    """

    model: torch.nn.Module
    preprocessing: Mapping[str, Any] = {}
    layer_aliases: Mapping[str, str] = {}
    uncertain: Collection[str] = ()
