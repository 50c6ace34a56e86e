"""The published data sets that a Broden can be joined of: a row each.

A new one is a module of this package with ``open_source``, a row here, its archives in
config/downloads.yaml and its key in the configuration's schema. The rules read this table, so it
imports nothing that takes long to load.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dissection.datasets.sources.records import Reader

COLOR_TABLE = "w2color.npy"  # of the paper's authors, as config/downloads.yaml calls it
RELEASED_SIZES = {224: 112, 227: 113, 384: 192}  # of images and of their label maps, pixels


@dataclass(frozen=True, slots=True)
class Source:
    """A published data set.

    Attributes
    ----------
    title : str
        For people.
    licence : str
        What may be done with it, as a sentence.
    gives : mapping of edition to tuple of str
        Categories that it has labels of. Editions are what the configuration may say; `True` if
        there is only one.
    module : mapping of edition to str
        Name of its reader.
    archives : mapping of edition to mapping
        Name in config/downloads.yaml of each archive, by what the reader calls it.
    """

    title: str
    licence: str
    gives: Mapping[str | bool, tuple[str, ...]]
    module: Mapping[str | bool, str]
    archives: Mapping[str | bool, Mapping[str, str]]

    def open(self, edition: str | bool, folders: Mapping[str, Path]) -> "Reader":
        """Open an edition, whose archives were unpacked into these folders."""
        module = f"{__package__}.{self.module[edition]}"
        open_source: Callable[..., Reader] = importlib.import_module(module).open_source
        return open_source(folders)


_FULL = ("object", "part", "scene")

# By the name that the configuration and the folders of images have; in the order in which they
# are read.
SOURCES: dict[str, Source] = {
    "ade20k": Source(
        title="ADE20K (Zhou et al., CVPR 2017)",
        licence="Annotations BSD 3-clause; images for research and education only.",
        gives={"challenge": ("object", "scene"), "full": _FULL, "full_2021": _FULL},
        module={
            "challenge": "ade20k_challenge",
            "full": "ade20k_full",
            "full_2021": "ade20k_full",
        },
        archives={
            "challenge": {"archive": "ADEChallengeData2016.zip"},
            "full": {"archive": "ADE20K_2016_07_26.zip"},
            "full_2021": {"archive": "ADE20K_2021_17_01.zip"},
        },
    ),
    "pascal": Source(
        title="PASCAL VOC 2010 with Context (Mottaghi et al., CVPR 2014) and Part (Chen et al., "
        "CVPR 2014)",
        licence="Photos by Flickr's terms of use; annotations free for research.",
        gives={True: ("object", "part")},
        module={True: "pascal"},
        archives={
            True: {
                "photos": "VOCtrainval_03-May-2010.tar",
                "context": "pascal-context.tar.gz",
                "parts": "pascal-parts.tar.gz",
            }
        },
    ),
    "opensurfaces": Source(
        title="OpenSurfaces (Bell et al., SIGGRAPH 2013)",
        licence="Annotations CC BY 4.0; each photo by its own licence, listed in photos.csv.",
        gives={True: ("material",)},
        module={True: "opensurfaces"},
        archives={True: {"archive": "opensurfaces.zip"}},
    ),
    "dtd": Source(
        title="Describable Textures Dataset r1.0.1 (Cimpoi et al., CVPR 2014)",
        licence="For research only.",
        gives={True: ("texture",)},
        module={True: "dtd"},
        archives={True: {"archive": "dtd-r1.0.1.tar.gz"}},
    ),
    "coco_stuff": Source(
        title="COCO-Stuff 164k, images of val2017 (Caesar et al., CVPR 2018)",
        licence="Annotations CC BY 4.0; photos by Flickr's terms of use.",
        gives={True: ("object",)},
        module={True: "coco_stuff"},
        archives={
            True: {
                "photos": "coco-val2017.zip",
                "maps": "cocostuff-maps.zip",
                "labels": "cocostuff-labels.txt",
            }
        },
    ),
}
# The paper's Broden.
RELEASED = {"ade20k": "full", "pascal": True, "opensurfaces": True, "dtd": True}


def wanted(options: Mapping[str, object]) -> dict[str, str | bool]:
    """Return the editions that a configuration's `dataset.sources` asks for, by source.

    Examples
    --------
    >>> wanted({"size": 227, "dtd": True, "pascal": False, "ade20k": "full"})
    {'ade20k': 'full', 'dtd': True}
    """
    return {name: options[name] for name in SOURCES if options.get(name)}


def archives(options: Mapping[str, object]) -> list[str]:
    """Return the names of the downloads that are to be unpacked, each once."""
    return list(
        dict.fromkeys(
            archive
            for name, edition in wanted(options).items()
            for archive in SOURCES[name].archives[edition].values()
        )
    )


def missing(editions: Mapping[str, str | bool]) -> list[str]:
    """Say, a phrase each, what the paper's Broden has that these editions lack.

    Examples
    --------
    >>> missing({"ade20k": "challenge", "pascal": True, "dtd": True})
    ['opensurfaces (material)', 'ade20k: part']
    """
    absent = [
        f"{name} ({', '.join(SOURCES[name].gives[edition])})"
        for name, edition in RELEASED.items()
        if name not in editions
    ]
    for name, edition in editions.items():
        if name in RELEASED:
            source = SOURCES[name]
            lacking = [c for c in source.gives[RELEASED[name]] if c not in source.gives[edition]]
            absent += [f"{name}: {', '.join(lacking)}"] if lacking else []
    return absent
