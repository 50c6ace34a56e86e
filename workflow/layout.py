"""Where the files of a run lie, and which of them belong to a network, a figure or a page.

Everything follows from the configuration, completed with its defaults. Rules ask here, so that a
path is written in one place; `snakemake --lint` wants no functions in files of rules.
"""

import functools
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dissection.config.source_files import SourceTree
from dissection.datasets.sources.table import COLOR_TABLE, SOURCES, archives, missing, wanted
from dissection.jobs.files import layer_file_name
from dissection.networks.sources import (
    defining_files,
    downloads,
    is_downloaded,
    modules,
    own_files,
    released_download,
)
from dissection.training.settings import decisive_settings, own_settings

# Forms of labelled images, and their keys that are paths within an archive.
IMPORTED = ("masks", "coco", "voc", "labelme")
IN_ARCHIVE = {"images", "masks", "annotations", "panoptic", "folder"}


class Run:
    """A run of the workflow.

    Where a network is asked for, NAME@ITERATION is one, too: a trained network as it was after so
    many iterations.

    Parameters
    ----------
    config : mapping
        As `dissection.config.validation.complete` returns it.

    Attributes
    ----------
    results : str
        Folder of all that the run computes.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.results = f"results/{config['run']}"

    # ---- networks ----------------------------------------------------------------------------

    def network(self, network: str) -> Mapping[str, Any]:
        """Return the network's entry of the configuration."""
        return self.config["networks"][network.partition("@")[0]]

    def title(self, network: str) -> str:
        """Return the network's name for people."""
        name, _, iteration = network.partition("@")
        title = self.network(name).get("title", name)
        return f"{title} after {int(iteration):,} iterations" if iteration else title

    def titles(self, networks: Iterable[str]) -> list[str]:
        """Return the networks' names for people."""
        return [self.title(network) for network in networks]

    def layers(self, network: str) -> list[str]:
        """Return the network's dissected layers, from input to output."""
        return list(self.network(network)["layers"])

    def layer(self, network: str, file_name: str) -> str:
        """Return the name of the layer that is called so in file names."""
        return next(layer for layer in self.layers(network) if layer_file_name(layer) == file_name)

    def snapshots(self, name: str) -> list[tuple[int, str]]:
        """Return the iterations that a trained network is kept at, ascending: each as a network."""
        kept = self.network(name).get("trained", {}).get("snapshots", [])
        return [(iteration, f"{name}@{iteration}") for iteration in sorted(kept)]

    def patterns(self) -> dict[str, str]:
        """Return regular expressions for wildcards, which fit what the configuration names.

        A layer fits behind its network and a slash alone, so that nothing makes a layer that the
        network does not list.
        """
        layers = {}
        for name in self.config["networks"]:
            for network in (name, *(snapshot for _, snapshot in self.snapshots(name))):
                layers[network] = _any(map(layer_file_name, self.layers(name)))
        return {
            "network": _any(layers),
            "layer": "|".join(
                f"(?<=/{re.escape(network)}/){pattern}" for network, pattern in layers.items()
            ),
            "shard": _any(map(str, range(self.config["dissection"]["shards"]))),
        }

    def trained_pattern(self) -> str:
        """Return a regular expression that fits the networks that the run trains."""
        networks = self.config["networks"].items()
        return _any(name for name, network in networks if "trained" in network)

    def training(self, name: str) -> dict[str, Any]:
        """Return all that a trained network's weights depend on, apart from its images."""
        trained = self.network(name)["trained"]
        settings = own_settings(self.config["training"], trained["training"])
        decisive = {
            "training": decisive_settings(settings),
            "snapshots": sorted(trained["snapshots"]),
        }
        return _in_order({**trained, **decisive})

    def checkpoint_iterations(self, name: str) -> int:
        """Return the iterations after which an unfinished training is kept."""
        own = self.network(name)["trained"]["training"]
        return own_settings(self.config["training"], own)["checkpoint_iterations"]

    def source(self, network: str) -> dict[str, Any]:
        """Return what opens the network: its entry without what changes no activation.

        That is the title, the layers, the released table, and of a trained network how it was
        trained: its weights are a file of their own.
        """
        idle = ("title", "layers", "released")
        entry = {k: v for k, v in self.network(network).items() if k not in idle}
        if "trained" in entry:
            options = entry["trained"].items()
            training = ("seed", "snapshots", "training")
            entry["trained"] = {k: v for k, v in options if k not in training}
        return _in_order(entry)

    def without(self, missing: Collection[str]) -> "Run":
        """Return the run without the networks, and released tables, that some downloads make up."""
        networks = {}
        for name, files in self.network_downloads().items():
            if not set(files) & set(missing):
                networks[name] = dict(self.network(name))
                if released_download(networks[name]) in missing:
                    del networks[name]["released"]
        return self.of(networks)

    def of(self, networks: Mapping[str, Any]) -> "Run":
        """Return the run of some of its networks.

        Figures that show another one alone are left out, and groups of claims without any network.
        """
        figures = {
            figure: _shown(figure, options, networks)
            for figure, options in self.config["figures"].items()
        }
        figures = {figure: options for figure, options in figures.items() if options is not None}
        groups = self.config.get("claims", {})
        claims = {group: [n for n in names if n in networks] for group, names in groups.items()}
        claims = {group: names for group, names in claims.items() if names}
        return Run({**self.config, "networks": networks, "figures": figures, "claims": claims})

    def network_files(self, network: str) -> list[str]:
        """Return the files that a network is made of: weights or snapshots, downloads, own code.

        A download is its note, once it has been checked.
        """
        entry = self.network(network)
        files = [*map(_note, downloads(entry)), *own_files(entry)]
        if "trained" in entry:
            name, _, iteration = network.partition("@")
            folder = f"{self.results}/networks/{name}"
            files = [f"{folder}/snapshots" if iteration else f"{folder}/weights.pt"]
        return files + _own_code(*modules(entry))

    def defining_files(self, network: str) -> list[str]:
        """Return those of them that tell which layers there are, without weights."""
        names, own = defining_files(self.network(network))
        return [*map(_note, names), *own, *_own_code(*self.modules(network))]

    def modules(self, network: str) -> list[str]:
        """Return the names of the modules that are imported only to load this network."""
        return modules(self.network(network))

    def own_network_files(self, network: str) -> list[str]:
        """Return those that are the user's own and no code."""
        return own_files(self.network(network))

    def network_downloads(self) -> dict[str, list[str]]:
        """Return the names of the downloads, if any, that each network is made of."""
        return {name: downloads(entry) for name, entry in self.config["networks"].items()}

    def released_downloads(self) -> list[str]:
        """Return the names of the downloads that are released tables."""
        names = map(released_download, self.config["networks"].values())
        return list(dict.fromkeys(filter(None, names)))

    def uncertain(self) -> set[str]:
        """Return the networks that downloads are needed for, to dissect or to compare them."""
        entries = self.config["networks"].items()
        return {name for name, entry in entries if is_downloaded(entry) or released_download(entry)}

    def download_notes(self) -> list[str]:
        """Return the notes of all downloads of the run, whether they exist yet or not."""
        names = {name for names in self.network_downloads().values() for name in names}
        names |= set(self.released_downloads())
        if "broden" in self.config["dataset"]:
            names.add(f"broden1_{self.config['dataset']['broden']}")
        names |= {self.archive()} if self.archive() else set()
        names.update(self.source_archives())
        if self.color_table():
            names.add(COLOR_TABLE)
        return sorted(map(_note, names))

    def released(self, network: str) -> str:
        """Return the released table of a network's units; a download is its note."""
        entry = self.network(network)
        download = released_download(entry)
        return _note(download) if download else entry["released"]["file"]

    # ---- sources of the data set ---------------------------------------------------------------

    def sources(self) -> dict[str, str | bool]:
        """Return the edition of each source that the data set is joined of; none of others."""
        return wanted(self.config["dataset"].get("sources", {}))

    def missing_sources(self) -> list[str]:
        """Say what the released Broden has that the data set is joined without."""
        return missing(self.sources()) if "sources" in self.config["dataset"] else []

    def source_archives(self) -> list[str]:
        """Return the names of the downloads that hold those sources."""
        return archives(self.config["dataset"].get("sources", {}))

    def unpacked(self, source: str) -> dict[str, str]:
        """Return the folders of a source's unpacked archives, by what its reader calls them."""
        own = SOURCES[source].archives[self.sources()[source]]
        return {role: f"resources/unpacked/{archive}" for role, archive in own.items()}

    def source_module(self, source: str) -> str:
        """Return the name of the module that reads a source."""
        return f"dissection.datasets.sources.{SOURCES[source].module[self.sources()[source]]}"

    def color_table(self) -> list[str]:
        """Return the note of the paper's table of colours, if the data set is made with it."""
        options = self.config["dataset"].get("sources", {})
        return [_note(COLOR_TABLE)] if options.get("colors") == "paper" else []

    # ---- files -------------------------------------------------------------------------------

    def dataset(self) -> str:
        """Return the folder of the data set in Broden format."""
        dataset = self.config["dataset"]
        if "broden" in dataset:
            return f"resources/broden1_{dataset['broden']}"
        if "sources" in dataset:
            return f"{self.results}/joined"
        if self.import_form():
            return f"{self.results}/imported"
        return dataset.get("folder", f"{self.results}/dataset")

    def import_form(self) -> str | None:
        """Return the form of labelled images that is turned into Broden's, if there is one."""
        return next((form for form in IMPORTED if form in self.config["dataset"]), None)

    def archive(self) -> str | None:
        """Return the archive to download that the images lie in, if there is one."""
        return self.config["dataset"].get(self.import_form(), {}).get("archive")

    def import_options(self) -> dict[str, Any]:
        """Return what the reader of the form takes; paths in an archive as they are unpacked."""
        options = dict(self.config["dataset"][self.import_form()])
        if archive := options.pop("archive", None):
            for key in IN_ARCHIVE & options.keys():
                paths = _listed(options[key])
                inside = [f"resources/unpacked/{archive}/{path}" for path in paths]
                options[key] = inside if isinstance(options[key], list) else inside[0]
        return _in_order(options)

    def own_import_files(self) -> list[str]:
        """Return files and folders of the user's own that are imported."""
        keys = ("labels", "scenes") if self.archive() else (*sorted(IN_ARCHIVE), "labels", "scenes")
        options = self.config["dataset"][self.import_form()]
        paths = [path for key in keys if key in options for path in _listed(options[key])]
        return [path for path in paths if path != "folders"]

    def import_files(self) -> list[str]:
        """Return all that is imported: inputs of a rule."""
        unpacked = [f"resources/unpacked/{self.archive()}"] if self.archive() else []
        return [*unpacked, *self.own_import_files()]

    def training_set(self, network: str) -> str:
        """Return what the network is trained on: drawn images, or an index of those in a folder."""
        if "folder" in self.config["training_set"]:
            return f"{self.results}/training_images"
        task = self.network(network)["trained"]["task"]
        return f"{self.results}/training_set/{'object' if task == 'object' else 'scene'}"

    def held_out(self, network: str) -> str | list[str]:
        """Return what the network's accuracy is measured on: no files for networks of others."""
        return self.training_set(network) if "trained" in self.network(network) else []

    def dissected(self, network: str, layer: str, file: str) -> str:
        """Return a file of a dissected layer."""
        return f"{self.results}/dissection/{network}/{layer_file_name(layer)}/{file}"

    def shown_layer(self, options: Mapping[str, Any]) -> dict[str, str]:
        """Return what shows units of one layer: inputs of a rule, by their names."""
        files = ("units.csv", "thresholds.npy", "top_images.npz", "geometry.json")
        found = {
            Path(file).stem: self.dissected(options["network"], options["layer"], file)
            for file in files
        }
        return {**found, "dataset": self.dataset()}

    def last_layers(self, networks: Iterable[str]) -> list[str]:
        """Return detectors.csv of each network's last dissected layer."""
        return [
            self.dissected(network, self.layers(network)[-1], "detectors.csv")
            for network in networks
        ]

    def agreements(self, networks: Iterable[str]) -> dict[str, list[str]]:
        """Return how the units of last layers compare with released ones: inputs of a rule."""
        return {
            name: [
                self.dissected(network, self.layers(network)[-1], f"{file}.csv")
                for network in networks
            ]
            for name, file in (("units", "agreement"), ("categories", "agreement_categories"))
        }

    def compared(self, networks: Sequence[str]) -> dict[str, list[str]]:
        """Return detectors and accuracies of networks trained here: inputs of a rule."""
        return {
            "detectors": self.last_layers(networks),
            "training": [self.training_table(network) for network in networks],
        }

    def rotation(self, network: str, layer: str) -> str:
        """Return the table of a rotated layer."""
        return f"{self.results}/rotation/{network}/{layer_file_name(layer)}/rotation.csv"

    def rotated(self, options: Mapping[str, Any] | None = None) -> list[tuple[str, str]]:
        """Return network and layer of all that slide 9 shows, or would show with these options."""
        shown = options or self.config["figures"].get("slide09_rotation")
        names = dict.fromkeys([shown["network"], *shown["repeats"]]) if shown else []
        return [(name, shown["layer"]) for name in names]

    def rotations(self, options: Mapping[str, Any] | None = None) -> list[str]:
        """Return the tables of these layers."""
        return [self.rotation(*pair) for pair in self.rotated(options)]

    def bars(self, options: Mapping[str, Any]) -> list[list[int]]:
        """Return which of a figure's networks are one bar: those that differ in their seed alone.

        Each is one by itself where the figure's options say so.
        """
        bars: dict[str, list[int]] = {}
        for place, name in enumerate(options["networks"]):
            entry = {k: v for k, v in self.training(name).items() if k not in {"seed", "snapshots"}}
            key = repr(entry) if options["seeds"] == "mean" else name
            bars.setdefault(key, []).append(place)
        return list(bars.values())

    def training_table(self, network: str) -> str:
        """Return the loss and the accuracy of a training, over its iterations."""
        return f"{self.results}/networks/{network}/training.csv"

    def figure(self, figure: str) -> dict[str, str]:
        """Return the plot as PDF and PNG, and the numbers that it draws."""
        return {kind: f"{self.results}/figures/{figure}.{kind}" for kind in ("pdf", "png", "csv")}

    def targets(self) -> list[str]:
        """Return all that the run makes of its networks, for people."""
        figures = [file for name in self.config["figures"] for file in self.figure(name).values()]
        pages = [page for *_, page in self.unit_pages()]
        return [*figures, *pages, *([self.unit_index()] if pages else [])]

    def unit_index(self) -> str:
        """Return the page to search a concept among the units of all layers."""
        return f"{self.results}/units/index.html"

    def unit_pages(self) -> list[tuple[str, str, str]]:
        """Return network, layer and page of every layer that has a page of its units."""
        return [
            (name, layer, f"{self.results}/units/{name}/{layer_file_name(layer)}.html")
            for name in self.config["networks"]
            for layer in self.layers(name)
        ]

    # ---- claims ------------------------------------------------------------------------------

    def shown_snapshots(self) -> list[tuple[int, str]]:
        """Return the snapshots that slide 11 shows, ascending."""
        options = self.config["figures"].get("slide11_iterations")
        return self.snapshots(options["network"]) if options else []

    def judged_layers(self) -> list[tuple[str, str]]:
        """Return network and layer of all that the slides' claims look at, in a fixed order."""
        groups = self.config.get("claims", {})
        names = [name for group in groups.values() for name in group]
        names += [network for _, network in self.shown_snapshots()]
        found = {(name, self.layers(name)[-1]) for name in names}
        for name in groups.get("baseline", [])[:1]:
            found |= {(name, layer) for layer in self.layers(name)}
        found |= set(self.rotated())

        order = list(self.config["networks"])

        def rank(pair: tuple[str, str]) -> tuple[int, str, int]:
            network, layer = pair
            name = network.partition("@")[0]
            return order.index(name), network, self.layers(name).index(layer)

        return sorted(found, key=rank)

    def compared_by_claims(self) -> list[str]:
        """Return the networks, of those that claims name, that are trained at all, in order."""
        named = {name for group in self.config.get("claims", {}).values() for name in group}
        return [name for name in self.config["networks"] if name in named and self._learns(name)]

    def _learns(self, name: str) -> bool:
        if "trained" not in self.network(name):
            return False
        settings = self.training(name)["training"]
        return settings.get("iterations", settings.get("epochs")) > 0


def _shown(
    figure: str, options: Mapping[str, Any], networks: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """A figure's options with these networks alone; None if it needs others."""
    if "networks" in options:
        shown = [name for name in options["networks"] if name in networks]
        if figure == "slide06_agreement":
            shown = [name for name in shown if "released" in networks[name]]
        return {**options, "networks": shown} if shown else None
    if "repeats" in options:
        options = {**options, "repeats": [name for name in options["repeats"] if name in networks]}
    return options if options.get("network") in {None, *networks} else None


def _in_order(value: Any) -> Any:
    """The same with sorted keys: Snakemake compares parameters as they are printed."""
    if isinstance(value, Mapping):
        return {key: _in_order(value[key]) for key in sorted(value)}
    return value


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def _note(download: str) -> str:
    return f"resources/checked/{download}.json"


@functools.cache
def _own_code(*names: str) -> list[str]:
    return [os.path.relpath(file) for name in names for file in SourceTree(Path()).module(name)]


def _any(names: Iterable[str]) -> str:
    """A regular expression that fits these names; nothing if there are none."""
    return f"(?:{'|'.join(map(re.escape, names)) or '(?!)'})"
