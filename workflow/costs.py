"""What jobs cost, roughly: the time on a core, and the disk. One model, for all that is said of it.

Times are those of one core of the machine that benchmarks/README.md was measured on, without a GPU;
`core_speed` says how fast another one is. Sizes of networks that are not in the table are guessed.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from layout import Run

from dissection.jobs.files import layer_file_name

START = 1.5  # seconds until a job computes
READ = 0.011  # seconds to read an image of 227 x 227 pixels
MAC = 0.02  # seconds for 10^9 multiplications of a forward pass
BACKWARD = 3  # a step of training, in forward passes
REFERENCE = 1.6e-3  # seconds of 200 matrix products, see core_speed

# Images of published data sets.
BRODEN = 63_305
SOURCES = {
    "ade20k": {"challenge": 22_210, "full": 22_210, "full_2021": 27_574},
    "pascal": {True: 10_103},
    "opensurfaces": {True: 25_352},
    "dtd": {True: 5_640},
    "coco_stuff": {True: 5_000},
}
ARCHIVES = {"camvid": 701}


@dataclass(frozen=True)
class Cost:
    """What a job takes.

    Attributes
    ----------
    seconds : float
        Of one core.
    kept, held, fetched : float
        Bytes on the disk: of results, of activations that are removed after use, of downloads.
    """

    seconds: float
    kept: float = 0
    held: float = 0
    fetched: float = 0


@dataclass(frozen=True)
class Kind:
    """A kind of network.

    Attributes
    ----------
    pattern : str
        Regular expression that its names fit, without ``-`` and ``_``.
    macs : float
        10^9 multiplications of a forward pass.
    parameters : float
        Millions.
    layers : dict
        Units and height of maps, for layers whose names fit a regular expression; an empty one, at
        the end, is for all others.
    """

    pattern: str
    macs: float
    parameters: float
    layers: Mapping[str, tuple[int, int]]


ALEXNET = {"conv1": (96, 55), "conv2": (256, 27), "conv[34]": (384, 13)}
ALEXNET |= {r"features\.[012]": (64, 55), r"features\.[345]": (192, 27)}  # torchvision's
ALEXNET |= {r"features\.[67]": (384, 13), "": (256, 13)}
LAST = {"layer1": (256, 56), "layer2": (512, 28), "layer3": (1024, 14), "": (2048, 7)}
BASIC = {"layer1": (64, 56), "layer2": (128, 28), "layer3": (256, 14), "": (512, 7)}
KINDS = (
    Kind(
        "caffenet|alexnet",
        0.72,
        61,
        {**ALEXNET, "conv[34]|features.[67]": (384, 13), "": (256, 13)},
    ),
    Kind("vgg", 15.5, 138, {"": (512, 14)}),
    Kind("googlenet", 1.5, 7, {"": (1024, 7)}),
    Kind("resnet(18|34)", 1.8, 12, BASIC),
    Kind("resnet152", 11.5, 60, LAST),
    Kind("resnet", 4.1, 26, LAST),
    Kind("densenet", 7.8, 29, {"": (2208, 7)}),
    Kind("vit|deit|dino|clip", 8, 50, {"": (768, 14)}),
)
UNKNOWN = Kind("", 4, 30, {"": (512, 14)})

# Those that are trained on images of 64 x 64 pixels: seconds for an image in a forward pass (it is
# read first) and in training.
SMALL_LAYERS = {"conv1": (24, 32), "conv2": (48, 16), "": (96, 8)}
SMALL = {"alexnet": (0.002, 0.0015), "vgg": (0.004, 0.0026)}
SMALL |= {"googlenet": (0.0035, 0.0016), "resnet": (0.0035, 0.002)}
UNTIL_PLATEAUS = 36  # epochs, about: config/thorough.yaml's first eight trainings took 28 to 41


# Rules with a method of `Costs` each, and those that take little more than their start.
COMPUTING = (
    *("download_file", "find_networks", "synthesize_broden", "synthesize_training_set"),
    *("unpack_broden", "convert_source", "join_sources", "import_masks", "pack_labels"),
    *("train_network", "cache_activations", "compute_thresholds", "summarize_activations"),
    *("tally_overlaps", "score_units", "make_unit_page", "rotate_basis"),
)
SHORT = ("list_concepts", "compare_released", "judge_claims", "make_unit_index", "make_report")


class Costs:
    """What the jobs of a run cost.

    Parameters
    ----------
    run : Run
    registry : callable, optional
        Returns what config/downloads.yaml lists; asked only for the size of a download.
    """

    def __init__(self, run: Run, registry: Callable[[], Mapping[str, Any]] | None = None) -> None:
        self._run, self._config, self._registry = run, run.config, registry
        self._images: int | None = None
        self._rules = {*COMPUTING, *SHORT, *self._config["figures"]}

    @property
    def images(self) -> int:
        """How many images the data set has: counted if it is there, 0 if nobody can tell yet."""
        if self._images is None:
            self._images = _images(self._run)
        return self._images

    def rule(self, name: str) -> str | None:
        """Return which rule it is that may have got a prefix, as of a module; None if another's."""
        fitting = (rule for rule in self._rules if name == rule or name.endswith(f"_{rule}"))
        return max(fitting, key=len, default=None)

    def of(self, rule: str, wildcards: Any) -> Cost:
        """Return what a job of a rule takes; nothing if the rule is none of these."""
        known = self.rule(rule)
        if known is None:
            return Cost(0)
        if known in COMPUTING:
            return getattr(self, f"_{known}")(wildcards)
        return Cost(4 if known in self._config["figures"] else START)

    # ---- data ------------------------------------------------------------------------------

    def _download_file(self, wildcards: Any) -> Cost:
        listed = self._registry().get(wildcards.file) if self._registry else None
        return Cost(0, fetched=(getattr(listed, "size", None) or _said(listed)) if listed else 0)

    def _find_networks(self, wildcards: Any) -> Cost:
        fetched = [name for name, files in self._run.network_downloads().items() if files]
        return Cost(0, fetched=sum(4e6 * self._kind(name).parameters for name in fetched))

    def _synthesize_broden(self, wildcards: Any) -> Cost:
        return Cost(START + 0.017 * self.images, kept=28e3 * self.images)

    def _synthesize_training_set(self, wildcards: Any) -> Cost:
        images = self._config["training_set"]["images"] + self._config["training_set"]["held_out"]
        return Cost(START + 0.004 * images, kept=12.5e3 * images)

    def _unpack_broden(self, wildcards: Any) -> Cost:
        return Cost(0.001 * self.images, kept=18e3 * self.images)

    def _convert_source(self, wildcards: Any) -> Cost:
        images = SOURCES[wildcards.source][self._run.sources()[wildcards.source]]
        return Cost(0.014 * images, kept=100e3 * images)

    def _join_sources(self, wildcards: Any) -> Cost:
        return Cost(0.006 * self.images, kept=40e3 * self.images)

    def _import_masks(self, wildcards: Any) -> Cost:
        return Cost(START + 0.1 * self.images, kept=300e3 * self.images)

    def _pack_labels(self, wildcards: Any) -> Cost:
        large = "synthetic" not in self._config["dataset"]
        return Cost(START + 0.003 * self.images, kept=(28e3 if large else 8.6e3) * self.images)

    # ---- networks --------------------------------------------------------------------------

    def _train_network(self, wildcards: Any) -> Cost:
        trained = self._run.training(wildcards.network)
        settings, snapshots = trained["training"], len(trained["snapshots"])
        if "iterations" in settings:
            images = settings["iterations"] * settings["batch_size"]
        else:
            epochs = settings["epochs"]
            if settings["schedule"] == "plateau":
                epochs = min(epochs, UNTIL_PLATEAUS)
            images = epochs * self._config["training_set"].get("images", 0)
        small = SMALL.get(trained["architecture"])
        kind = self._kind(wildcards.network)
        image = (
            small[1] * (1 + 0.2 * (trained["width"] - 1)) if small else BACKWARD * MAC * kind.macs
        )
        kept = 3.2e6 if small else 4e6 * kind.parameters
        return Cost(10 + image * images, kept=kept * (1 + snapshots))

    def _cache_activations(self, wildcards: Any) -> Cost:
        network = self._run.network(wildcards.network)
        small = SMALL.get(network.get("trained", {}).get("architecture", ""))
        image = small[0] if small else READ + MAC * self._kind(wildcards.network).macs
        images = self.images / self._config["dissection"]["shards"]
        layers = self._run.layers(wildcards.network)
        held = sum(2 * self._values(wildcards.network, layer) * images for layer in layers)
        return Cost(2.5 + image * images, held=held)

    # ---- layers ----------------------------------------------------------------------------

    def _compute_thresholds(self, wildcards: Any) -> Cost:
        return Cost(START + 6e-9 * self.images * self._of_layer(wildcards))

    def _summarize_activations(self, wildcards: Any) -> Cost:
        return Cost(START + 4e-9 * self.images * self._of_layer(wildcards))

    def _tally_overlaps(self, wildcards: Any) -> Cost:
        images = self.images / self._config["dissection"]["shards"]
        return Cost(START + images * (2e-4 + 1.2e-8 * self._of_layer(wildcards)))

    def _score_units(self, wildcards: Any) -> Cost:
        return Cost(START)

    def _make_unit_page(self, wildcards: Any) -> Cost:
        return Cost(0.6 + 0.013 * self._size(wildcards)[0], kept=14e3 * self._size(wildcards)[0])

    def _rotate_basis(self, wildcards: Any) -> Cost:
        rotation = self._config["rotation"]
        bases = len(rotation["alphas"]) * len(rotation["seeds"])
        values = self._of_layer(wildcards)
        return Cost(10 + bases * self.images * (5e-4 + 1.2e-8 * values))

    # ---- sizes of networks -----------------------------------------------------------------

    def _kind(self, network: str) -> Kind:
        entry = self._run.network(network)
        said = [entry.get(key, {}) for key in ("trained", "torchvision", "timm", "checkpoint")]
        names = [options.get("architecture") or options.get("name") for options in said]
        names += [entry.get("caffe", {}).get("download"), str(entry.get("factory", "")), network]
        name = re.sub("[-_]", "", next(filter(None, names)).lower())
        if "caffe" in entry and "caffereference" in name:
            return KINDS[0]
        return next((kind for kind in KINDS if re.search(kind.pattern, name)), UNKNOWN)

    def _size(self, wildcards: Any) -> tuple[int, int]:
        """Units and height of the maps of a job's layer, whose name is that of files."""
        trained = self._run.network(wildcards.network).get("trained")
        small = trained and trained["architecture"] in SMALL
        layers = SMALL_LAYERS if small else self._kind(wildcards.network).layers
        fitting = (v for k, v in layers.items() if re.fullmatch(k or ".*", wildcards.layer))
        units, height = next(fitting)
        last = layer_file_name(self._run.layers(wildcards.network)[-1])
        wide = trained["width"] if trained and wildcards.layer == last else 1
        return units * wide, height

    def _of_layer(self, wildcards: Any) -> int:
        """Values of an image's maps of a job's layer."""
        units, height = self._size(wildcards)
        return units * height * height

    def _values(self, network: str, layer: str) -> int:
        return self._of_layer(_Wildcards(network, layer_file_name(layer)))


@dataclass(frozen=True)
class _Wildcards:
    network: str
    layer: str


def _images(run: Run) -> int:
    dataset = run.config["dataset"]
    index = Path(run.dataset(), "index.csv")
    if index.is_file():
        with index.open("rb") as lines:
            return sum(1 for _ in lines) - 1
    if "synthetic" in dataset:
        return sum(dataset["synthetic"][key] for key in ("scene_images", "texture_images"))
    if "broden" in dataset:
        return BRODEN
    if "sources" in dataset:
        return sum(SOURCES[source][edition] for source, edition in run.sources().items())
    if run.archive():
        return ARCHIVES.get(run.archive(), 0)
    folder = Path(str(dataset.get(run.import_form(), {}).get("images", "")))
    return sum(1 for file in folder.rglob("*") if file.is_file()) if folder.parts else 0


def _said(listed: Any) -> float:
    """The bytes that a download's note speaks of."""
    found = re.search(r"([\d.]+) (MB|GB)", getattr(listed, "note", None) or "")
    return float(found[1]) * {"MB": 1e6, "GB": 1e9}[found[2]] if found else 0


def core_speed() -> float:
    """Return how fast a core is at present, 1 for that of benchmarks/README.md: in 20 ms.

    Matrix products, which most of the time goes into; so small that one core computes them.
    """
    matrix = np.ones((64, 64), np.float32)
    seconds = []
    for _ in range(10):
        begin = time.process_time()
        for _ in range(200):
            matrix @ matrix
        seconds.append(time.process_time() - begin)
    return min(max(REFERENCE / max(min(seconds), 1e-6), 0.2), 5)
