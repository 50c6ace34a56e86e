"""Check a configuration against its schema, with messages for people.

The schema (workflow/schemas/config.schema.yaml) knows every key's type, default and meaning.
What a schema cannot say, how keys belong together, is checked here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from dissection.categories import BRODENS_COLORS
from dissection.datasets.sources.table import SOURCES as DATA_SOURCES
from dissection.datasets.sources.table import wanted
from dissection.errors import InputError, did_you_mean
from dissection.jobs.files import layer_file_name
from dissection.jobs.schemas import schema_problems, with_defaults, with_numbers
from dissection.networks.sources import (
    RELEASED,
    SOURCES,
    downloads,
    given_sources,
    released_download,
    source_module,
    source_of,
)
from dissection.training.layer_names import layer_names, layer_units
from dissection.training.settings import certain_iterations, own_settings

# Figures that show the accuracies of their networks, which only a training here measures.
WITH_ACCURACY = ("slide10_regularization", "slide12_initialization", "slide12_width")

# Entries of config/downloads.yaml, each with its `kind`, by name.
Registry = Mapping[str, Any]


def complete(
    config: dict, schema: dict, file: str, registry: Callable[[], Registry] | None = None
) -> dict:
    """Return a copy of the configuration with every default filled in.

    Parameters
    ----------
    config : dict
        What the user wrote.
    schema : dict
        JSON Schema (2020-12) whose objects all refuse unknown keys.
    file : str
        Where the configuration was read from, for the messages.
    registry : callable, optional
        Reads the registry of downloads, if a network needs it. With it, networks' names of
        downloads, of torchvision's networks and of functions' modules are checked too, which takes
        seconds where there are any.

    Raises
    ------
    InputError
        On the first mistakes found: a line for each, with the key's path and what is allowed.
    """
    config = with_numbers(config, schema)
    # With a mistake in it, it may be too odd to be completed.
    problems = schema_problems(config, schema)
    if not problems:
        config = with_defaults(config, schema)
        problems = [
            *_dataset_problems(config["dataset"], schema["properties"]["dataset"]["properties"]),
            *_name_problems(config["networks"]),
            *_source_problems(config["networks"]),
            *_reference_problems(config),
            *_training_problems(config),
        ]
    if registry is not None and not problems:
        problems = [
            *_outside_problems(config["networks"], registry),
            *_archive_problems(config["dataset"], registry),
        ]
    if problems:
        more = f"\n  ... and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise InputError(
            f"The configuration in {file} has a mistake:\n  " + "\n  ".join(problems[:5]) + more
        )
    return config


def _dataset_problems(dataset: dict, keys: Iterable[str]) -> Iterator[str]:
    """Yield a message for several data sets or none, alike colours, and a join of nothing."""
    forms = [key for key in keys if key != "categories"]
    if len(dataset.keys() & set(forms)) != 1:
        yield f"dataset: give exactly one of {', '.join(forms)}."
    own = {name: colour.upper() for name, colour in dataset.get("categories", {}).items()}
    seen: dict[str, str] = {}
    for name, colour in {**BRODENS_COLORS, **own}.items():
        other = seen.setdefault(colour, name)
        if other != name:
            yield f"dataset.categories.{name}: {other} has the same colour. Give another one."
    if "sources" in dataset and not wanted(dataset["sources"]):
        yield f"dataset.sources: ask for at least one of {', '.join(DATA_SOURCES)}."


def _source_problems(networks: dict) -> Iterator[str]:
    """Yield a message for every choice of weights left open, and for layers that are not there."""
    for name, network in networks.items():
        if len(given_sources(network)) != 1:
            yield f"networks.{name}: give exactly one of {', '.join(SOURCES)}."
            continue
        key, options = source_of(network)
        source = SOURCES[key]
        if source.registered:
            choices = [{"download"}, set(source.files)]
            if options.keys() & set.union(*choices) not in choices:
                words = " or ".join(" and ".join(sorted(choice)) for choice in choices)
                yield f"networks.{name}.{key}: give {words}."
        if key == "trained":
            names = layer_names(options)
            blocks = ", ".join(layer for layer in names if "." not in layer)
            for layer in network["layers"]:
                if layer not in names:
                    yield (
                        f"networks.{name}.layers: this network has no layer '{layer}'."
                        f"{did_you_mean(layer, names)} Layers: {blocks}."
                    )


def _outside_problems(networks: dict, read_registry: Callable[[], Registry]) -> Iterator[str]:
    """Yield a message for every name that refers to nothing outside of the configuration."""
    for name, network in networks.items():
        if table := released_download(network):
            registry = read_registry()
            if table not in registry:
                given = network["released"]["download"]
                names = _registered(RELEASED, "csv", registry)
                yield (
                    f"networks.{name}.released.download: there is no '{given}' in "
                    f"config/downloads.yaml.{did_you_mean(given, names)} There are "
                    f"{', '.join(names)}."
                )
        key, options = source_of(network)
        if SOURCES[key].checks:
            try:
                source_module(key).check(options)
            except InputError as error:
                yield f"networks.{name}.{key}: {error}"
        if "download" in options:
            registry = read_registry()
            files = zip(downloads(network), SOURCES[key].registered.values(), strict=True)
            if any(file not in registry or registry[file].kind != kind for file, kind in files):
                names = _downloadable(key, registry)
                yield (
                    f"networks.{name}.{key}.download: there is no '{options['download']}' for it "
                    f"in config/downloads.yaml.{did_you_mean(options['download'], names)} "
                    f"There are {', '.join(names)}."
                )


def _archive_problems(dataset: dict, read_registry: Callable[[], Registry]) -> Iterator[str]:
    """Yield a message if the data set lies in an archive that is not listed."""
    for form, options in dataset.items():
        if not isinstance(options, dict) or "archive" not in options:
            continue
        kinds = ("zip", "tar", "tar.gz")
        archives = [name for name, entry in read_registry().items() if entry.kind in kinds]
        if options["archive"] not in archives:
            yield (
                f"dataset.{form}.archive: there is no archive '{options['archive']}' in "
                f"config/downloads.yaml.{did_you_mean(options['archive'], archives)} There are "
                f"{', '.join(archives)}."
            )


def _downloadable(source: str, registry: Registry) -> list[str]:
    """Return what ``download`` of a source can be."""
    return _registered(*next(iter(SOURCES[source].registered.items())), registry)


def _registered(file: str, kind: str, registry: Registry) -> list[str]:
    """Return what ``{}`` can be in the names of files of a kind."""
    before, _, after = file.partition("{}")
    return [
        name.removeprefix(before).removesuffix(after)
        for name, entry in registry.items()
        if entry.kind == kind and name.startswith(before) and name.endswith(after)
    ]


def _name_problems(networks: dict) -> Iterator[str]:
    """Yield a message for what figures or files could not tell from something else."""
    names: dict[str, str] = {}
    for name, network in networks.items():
        other = names.setdefault(network.get("title", name), name)
        if other != name:
            yield f"networks.{name}.title: networks.{other} is called the same in figures."
        layers: dict[str, str] = {}
        for layer in network["layers"]:
            other = layers.setdefault(layer_file_name(layer), layer)
            if other != layer:
                yield (
                    f"networks.{name}.layers: the files of '{layer}' would have the names of those "
                    f"of '{other}'. Dissect one of them in another network of the same source."
                )


def _reference_problems(config: dict) -> Iterator[str]:
    """Yield a message for every name that refers to nothing in the configuration."""
    networks = config["networks"]

    def missing(at: str, name: str) -> str:
        near = did_you_mean(name, networks)
        return f"{at}: there is no network '{name}'.{near} Networks: {', '.join(networks)}."

    if config.get("network", next(iter(networks))) not in networks:
        yield missing("network", config["network"])
    for group, names in config.get("claims", {}).items():
        for name in names:
            if name not in networks:
                yield missing(f"claims.{group}", name)
    for figure, options in config["figures"].items():
        for key in ("network", "networks", "repeats"):
            names = options.get(key, [])
            for name in [names] if isinstance(names, str) else names:
                if name not in networks:
                    yield missing(f"figures.{figure}.{key}", name)
                elif figure == "slide11_iterations" and not (
                    networks[name].get("trained", {}).get("snapshots")
                ):
                    yield (
                        f"networks.{name}.trained.snapshots: figures.{figure} needs snapshots of "
                        f"'{name}'; list the iterations to keep."
                    )
                elif figure == "slide06_agreement" and "released" not in networks[name]:
                    yield (
                        f"networks.{name}.released: figures.{figure} needs the released table of "
                        f"the units of '{name}'; say where it is, or take the network out there."
                    )
                elif figure in WITH_ACCURACY and "trained" not in networks[name]:
                    yield (
                        f"figures.{figure}.networks: '{name}' is not trained by the workflow "
                        "(`trained`), so that its accuracy, which the figure shows, is not known. "
                        "Take it out; slide08_networks shows networks of every kind."
                    )
                elif "layer" in options and options["layer"] not in networks[name]["layers"]:
                    layers = networks[name]["layers"]
                    yield (
                        f"figures.{figure}.layer: network '{name}' does not list the layer "
                        f"'{options['layer']}'.{did_you_mean(options['layer'], layers)} "
                        f"Layers: {', '.join(layers)}."
                    )
                else:
                    yield from _unit_problems(figure, options, networks[name])


def _unit_problems(figure: str, options: dict, network: dict) -> Iterator[str]:
    """Yield a message if a figure shows units that a layer of a trained network lacks."""
    wanted = options.get("units", [])
    if not wanted or "trained" not in network:
        return
    units = layer_units(network["trained"]).get(options["layer"], max(wanted))
    if lacking := [str(unit) for unit in wanted if unit > units]:
        yield (
            f"figures.{figure}.units: layer '{options['layer']}' of '{options['network']}' has "
            f"{units} units, numbered from 1: there is no {', '.join(lacking)}."
        )


def _training_problems(config: dict) -> Iterator[str]:
    """Yield a message for every training that drawn images are too few for."""
    images = config["training_set"]["images"]
    if "folder" in config["training_set"]:  # how many it has is known to the training
        return
    for name, network in config["networks"].items():
        if "trained" not in network:
            continue
        trained = network["trained"]
        settings = own_settings(config["training"], trained["training"])
        last, batch_size = certain_iterations(settings, images), settings["batch_size"]
        if images < batch_size and settings.get("iterations", settings["epochs"]):
            yield (
                f"training_set.images: {images} images are fewer than one batch of {batch_size}, "
                f"with which networks.{name} is trained."
            )
        late = [iteration for iteration in trained["snapshots"] if iteration > last]
        if late:
            sure = " that is certain" if settings["schedule"] == "plateau" else ""
            yield (
                f"networks.{name}.trained.snapshots: {late[0]} lies beyond the last iteration"
                f"{sure}, {last}. There are {images // batch_size} iterations in an epoch."
            )
