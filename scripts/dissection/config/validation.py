"""Check a configuration against its schema, with messages for people.

The schema (workflow/schemas/config.schema.yaml) knows every key's type, default and meaning.
What a schema cannot say, how keys belong together, is checked here.
"""

from collections.abc import Iterator

from dissection.errors import InputError, did_you_mean
from dissection.jobs.schemas import schema_problems, with_defaults, with_numbers
from dissection.training.settings import last_iteration, own_settings

# Where a network comes from; and what names its files.
SOURCES = ("trained", "torchvision", "caffe", "checkpoint", "factory", "torchscript", "exported")
FILES = {
    "caffe": [{"download"}, {"prototxt", "caffemodel"}],
    "checkpoint": [{"download"}, {"file"}],
}


def complete(config: dict, schema: dict, file: str) -> dict:
    """Return a copy of the configuration with every default filled in.

    Parameters
    ----------
    config : dict
        What the user wrote.
    schema : dict
        JSON Schema (2020-12) whose objects all refuse unknown keys.
    file : str
        Where the configuration was read from, for the messages.

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
        problems = [*_reference_problems(config), *_training_problems(config)]
    if problems:
        more = f"\n  ... and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise InputError(
            f"The configuration in {file} has a mistake:\n  " + "\n  ".join(problems[:5]) + more
        )
    return config


def _reference_problems(config: dict) -> Iterator[str]:
    """Yield a message for every name that refers to nothing, and every choice left open."""
    networks = config["networks"]
    for name, network in networks.items():
        sources = [key for key in network if key in SOURCES]
        if len(sources) != 1:
            yield f"networks.{name}: give exactly one of {', '.join(SOURCES)}."
        for source, choices in FILES.items():
            given = {key for key in network.get(source, {}) if any(key in c for c in choices)}
            if source in network and given not in choices:
                words = " or ".join(" and ".join(sorted(choice)) for choice in choices)
                yield f"networks.{name}.{source}: give {words}."

    def missing(at: str, name: str) -> str:
        near = did_you_mean(name, networks)
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
                elif "layer" in options and options["layer"] not in networks[name]["layers"]:
                    layers = networks[name]["layers"]
                    yield (
                        f"figures.{figure}.layer: network '{name}' does not list the layer "
                        f"'{options['layer']}'.{did_you_mean(options['layer'], layers)} "
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
