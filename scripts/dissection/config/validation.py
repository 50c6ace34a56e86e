"""Check a configuration against its schema, with messages for people.

The schema (workflow/schemas/config.schema.yaml) knows every key's type, default and meaning.
What a schema cannot say, how keys belong together, is checked here.
"""

import copy
import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from dissection.errors import InputError
from dissection.networks.sources import (
    SOURCES,
    downloads,
    given_sources,
    source_module,
    source_of,
)
from dissection.training.layer_names import layer_names
from dissection.training.settings import last_iteration, own_settings

# What JSON Schema calls the types of a YAML file.
TYPE_NAMES = {
    "object": "a group of keys",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}

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
    config = copy.deepcopy(config)
    _fill_defaults(config, schema, schema)
    errors = sorted(
        (
            leaf
            for error in Draft202012Validator(schema).iter_errors(config)
            for leaf in _leaves(error)
        ),
        key=lambda error: list(map(str, error.absolute_path)),
    )
    problems = [_message(error) for error in errors] or [
        *_source_problems(config["networks"]),
        *_reference_problems(config),
        *_training_problems(config),
    ]
    if registry is not None and not problems:
        problems = list(_outside_problems(config["networks"], registry))
    if problems:
        more = f"\n  ... and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise InputError(
            f"The configuration in {file} has a mistake:\n  " + "\n  ".join(problems[:5]) + more
        )
    return config


def _resolve(schema: dict, root: dict) -> dict:
    """Return the schema that a ``$ref`` points to, with the keys that stand beside it."""
    if "$ref" not in schema:
        return schema
    target: Any = root
    for step in schema["$ref"].removeprefix("#/").split("/"):
        target = target[step]
    return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}


def _fill_defaults(value: Any, schema: dict, root: dict) -> None:
    schema = _resolve(schema, root)
    if isinstance(value, dict):
        for key, entry in schema.get("properties", {}).items():
            entry = _resolve(entry, root)
            if key not in value and "default" in entry:
                value[key] = copy.deepcopy(entry["default"])
            if key in value:
                _fill_defaults(value[key], entry, root)
        others = schema.get("additionalProperties")
        if isinstance(others, dict):
            for key in value.keys() - schema.get("properties", {}).keys():
                _fill_defaults(value[key], others, root)
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            _fill_defaults(item, schema["items"], root)


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    if error.context:
        for inner in error.context:
            yield from _leaves(inner)
    else:
        yield error


def _path(keys: Any) -> str:
    return ".".join(str(key) for key in keys) or "(top level)"


def _nearest(word: str, words: list[str]) -> str:
    matches = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    return f" Did you mean '{matches[0]}'?" if matches else ""


def _message(error: ValidationError) -> str:
    where = _path(error.absolute_path)
    rule, expected, found = error.validator, error.validator_value, error.instance
    if rule == "additionalProperties":
        valid = sorted(error.schema.get("properties", {}))
        unknown = sorted(set(found) - set(valid), key=str)
        return "; ".join(
            f"{_path([*error.absolute_path, key])}: unknown key.{_nearest(str(key), valid)} "
            + (f"Valid keys: {', '.join(valid)}." if valid else "No keys are allowed here.")
            for key in unknown
        )
    if rule == "required":
        missing = [key for key in expected if key not in found]
        return f"{where}: the key '{missing[0]}' is missing."
    if rule == "type":
        names = [
            TYPE_NAMES[name] for name in ([expected] if isinstance(expected, str) else expected)
        ]
        hint = ""
        if isinstance(found, str) and expected in ("number", "integer"):
            hint = " Write numbers like 0.001 (YAML reads 1e-3 as text) and without quotes."
        return f"{where}: {found!r} should be {' or '.join(names)}.{hint}"
    if rule == "enum":
        values = [str(value) for value in expected]
        return (
            f"{where}: {found!r} is not one of {', '.join(values)}.{_nearest(str(found), values)}"
        )
    if rule == "pattern":
        return f"{where}: {found!r} has characters that are not allowed (pattern {expected})."
    if rule in ("minProperties", "maxProperties"):
        valid = ", ".join(sorted(error.schema.get("properties", {})))
        return f"{where}: give exactly one of {valid}." if valid else f"{where}: is empty."
    if rule == "oneOf":
        return f"{where}: {error.schema.get('description', error.message)}"
    return f"{where}: {error.message}."


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
                        f"{_nearest(layer, names)} Layers: {blocks}."
                    )


def _outside_problems(networks: dict, read_registry: Callable[[], Registry]) -> Iterator[str]:
    """Yield a message for every name that refers to nothing outside of the configuration."""
    for name, network in networks.items():
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
                    f"in config/downloads.yaml.{_nearest(options['download'], names)} "
                    f"There are {', '.join(names)}."
                )


def _downloadable(source: str, registry: Registry) -> list[str]:
    """Return what ``download`` of a source can be."""
    file, kind = next(iter(SOURCES[source].registered.items()))
    before, _, after = file.partition("{}")
    return [
        name.removeprefix(before).removesuffix(after)
        for name, entry in registry.items()
        if entry.kind == kind and name.startswith(before) and name.endswith(after)
    ]


def _reference_problems(config: dict) -> Iterator[str]:
    """Yield a message for every name that refers to nothing in the configuration."""
    networks = config["networks"]

    def missing(at: str, name: str) -> str:
        near = _nearest(name, list(networks))
        return f"{at}: there is no network '{name}'.{near} Networks: {', '.join(networks)}."

    for group, names in config.get("claims", {}).items():
        for name in names:
            if name not in networks:
                yield missing(f"claims.{group}", name)
    for figure, options in config["figures"].items():
        for key in ("network", "networks"):
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
                        f"'{options['layer']}'.{_nearest(options['layer'], layers)} "
                        f"Layers: {', '.join(layers)}."
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
        last, batch_size = last_iteration(settings, images), settings["batch_size"]
        if images < batch_size and settings.get("iterations", settings["epochs"]):
            yield (
                f"training_set.images: {images} images are fewer than one batch of {batch_size}, "
                f"with which networks.{name} is trained."
            )
        late = [iteration for iteration in trained["snapshots"] if iteration > last]
        if late:
            yield (
                f"networks.{name}.trained.snapshots: {late[0]} lies beyond the last iteration, "
                f"{last}. There are {images // batch_size} iterations in an epoch."
            )
