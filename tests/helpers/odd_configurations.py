"""Configurations that nobody should write, and some that look odd but are right.

Each has a verdict: REFUSED, or in words why it is accepted.
"""

import copy
import math
import random
from collections.abc import Iterator
from typing import Any

import yaml
from repository import ROOT

REFUSED = "refused"
DELETE = object()
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
SMOKE = yaml.safe_load((ROOT / "config/smoke.yaml").read_text())

# Values of every type and some edges; what is right for one key is wrong for another.
VALUES: list[Any] = [
    *(None, True, -1, 0, 1.5, 2.0, 10**12, -(10**12), 1e-300, math.nan, math.inf, -math.inf),
    *("", " ", "x", "7", "1e999", "{x}", "../x", "a/b", "\N{SNOWMAN}", "x" * 300, "no"),
    *([], [1], ["x"], [None], [[]], {}, {"x": 1}, {7: 1}, {None: 1}),
]

OWN = "networks/own"
FACTORY = {"layers": ["a"], "factory": {"function": "own_network:build", "input_size": [8, 8]}}


def changed(*changes: tuple[str, Any]) -> dict:
    """Return the smoke configuration with some keys set; DELETE takes one out."""
    config = copy.deepcopy(SMOKE)
    for path, value in changes:
        *parents, last = path.split("/")
        place = config
        for key in parents:
            place = place.setdefault(key, {})
        if value is DELETE:
            del place[last]
        else:
            place[last] = copy.deepcopy(value)
    return config


def resolved(schema: dict) -> dict:
    if "$ref" not in schema:
        return schema
    name = schema["$ref"].rpartition("/")[2]
    return SCHEMA["$defs"][name] | {k: v for k, v in schema.items() if k != "$ref"}


def leaves(schema: dict = SCHEMA, path: str = "") -> Iterator[str]:
    """Yield the path of every key that may stand in a configuration."""
    schema = resolved(schema)
    if path:
        yield path
    for key, entry in schema.get("properties", {}).items():
        yield from leaves(entry, f"{path}/{key}" if path else key)
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        yield from leaves(others, f"{path}/alexnet")


def own(**source: Any) -> dict:
    return changed((OWN, {"layers": ["a"], **source}))


def figure(name: str, **options: Any) -> dict:
    return changed((f"figures/{name}", options))


# By what is odd about them.
CASES: dict[str, tuple[dict, str]] = {
    # ---- names that refer to nothing
    "network of a figure": (figure("slide08_layers", network="none"), REFUSED),
    "networks of a figure": (figure("slide08_networks", networks=["alexnet", "none"]), REFUSED),
    "layer of a figure": (figure("slide09_rotation", network="gap", layer="conv1"), REFUSED),
    "layer of a trained network": (changed(("networks/gap/layers", ["conv9"])), REFUSED),
    "layer inside of none": (changed(("networks/gap/layers", ["conv5.9"])), REFUSED),
    "layer with a call": (changed(("networks/gap/layers", ["conv5:1"])), REFUSED),
    "group of claims": (changed(("claims/baseline", ["none"])), REFUSED),
    "figure": (changed(("figures/slide99", {})), REFUSED),
    "snapshot beyond the end": (changed(("networks/gap/trained/snapshots", [10**6])), REFUSED),
    "slide 11 without snapshots": (figure("slide11_iterations", network="gap"), REFUSED),
    "torchvision network": (own(torchvision={"name": "resnet19"}), REFUSED),
    "torchvision weights": (own(torchvision={"name": "resnet18", "weights": "V9"}), REFUSED),
    "torchvision segmentation": (own(torchvision={"name": "fcn_resnet50"}), REFUSED),
    "torchvision detection": (own(torchvision={"name": "fasterrcnn_resnet50_fpn"}), REFUSED),
    "caffe download": (own(caffe={"download": "none"}), REFUSED),
    "checkpoint download": (
        own(checkpoint={"architecture": "resnet18", "download": "none"}), REFUSED),
    "architecture": (own(checkpoint={"architecture": "resnet", "file": "w.pt"}), REFUSED),
    "factory module": (
        own(factory={"function": "nowhere:build", "input_size": [8, 8]}), REFUSED),
    "factory function": (own(factory={"function": "json:build", "input_size": [8, 8]}), REFUSED),
    "slide 10 of others": (
        changed((OWN, FACTORY), ("figures/slide10_regularization", {"networks": ["own"]})),
        REFUSED),
    "units that a layer lacks": (
        figure("slide06_unit_detectors", network="alexnet", layer="conv5", units=[9999]), REFUSED),
    "data set": (changed(("dataset", {"folder": "nowhere"})), REFUSED),
    "masks": (changed(
        ("dataset", {"masks": {"images": "i", "masks": ["m"], "labels": "l.csv"}})), REFUSED),
    "file of weights": (own(torchscript={"file": "none.pt", "input_size": [8, 8]}), REFUSED),
    "files of caffe": (own(caffe={"prototxt": "a", "caffemodel": "b"}), REFUSED),
    # ---- choices left open
    "no source": (own(), REFUSED),
    "two sources": (own(trained={}, torchvision={"name": "alexnet"}), REFUSED),
    "caffe by halves": (own(caffe={"prototxt": "a"}), REFUSED),
    "caffe twice": (own(caffe={"download": "vgg16_imagenet", "prototxt": "a"}), REFUSED),
    "no input size": (own(factory={"function": "own_network:build"}), REFUSED),
    "two data sets": (changed(("dataset/folder", "x")), REFUSED),
    "no data set": (changed(("dataset", {})), REFUSED),
    "no networks": (changed(("networks", {})), REFUSED),
    "no figures": (changed(("figures", {})), "tables and unit pages alone"),
    "no claims": (changed(("claims", DELETE)), "an empty table of claims"),
    "no run": (changed(("run", DELETE)), REFUSED),
    "no layers": (changed(("networks/gap/layers", [])), REFUSED),
    # ---- too many, too few
    "more shards than images": (changed(("dissection/shards", 256)), "some shards are empty"),
    "a million shards": (changed(("dissection/shards", 10**6)), REFUSED),
    "fewer images than a batch": (changed(("training_set/images", 3)), REFUSED),
    "one alpha": (changed(("rotation/alphas", [1])), REFUSED),
    "an alpha twice": (changed(("rotation/alphas", [0, 0.0, 1])), REFUSED),
    "a layer twice": (changed(("networks/gap/layers", ["conv5", "conv5"])), REFUSED),
    "two layers of one file name": (
        changed((OWN, FACTORY | {"layers": ["a/b", "a-b"]})), REFUSED),
    "one probe split": (changed(("rotation/probe_splits", 1)), REFUSED),
    # ---- odd names
    "one title": (changed(("networks/gap/title", "AlexNet")), REFUSED),
    "a title with braces": (changed(("networks/gap/title", "{x} {0} %s")), "drawn as it is"),
    "a title in another script": (changed(("networks/gap/title", "建物")), "drawn as it is"),
    "a title without letters": (changed(("networks/gap/title", "  ")), REFUSED),
    "a network's name with a slash": (changed(("networks/a\u2215b", {})), REFUSED),
    "a network's name with an at sign": (changed(("networks/a@1", FACTORY)), REFUSED),
    "a run's name with dots": (changed(("run", "../x")), REFUSED),
    "braces in a path": (changed(("dataset", {"folder": "a{b}"})), REFUSED),
}  # fmt: skip

PLAIN = yaml.safe_dump(SMOKE).encode()

# Text that is no such dictionary, or loses something on the way to one.
TEXTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", REFUSED),
    "a list": (b"- a\n", REFUSED),
    "a word": (b"smoke\n", REFUSED),
    "a tab": (b"run:\tx\n\tdataset: y\n", REFUSED),
    "a key twice": (PLAIN + b"run: other\n", REFUSED),
    "an inner key twice": (
        PLAIN.replace(b"networks:", b"networks:\n  gap: {}\n", 1), REFUSED),
    "a key that is no text": (PLAIN + b"no: 1\n", REFUSED),
    "a number as a key": (
        PLAIN.replace(b"networks:", b"networks:\n  7: {}", 1), REFUSED),
    "a tag": (b"run: !!python/object/apply:os.getcwd []\n", REFUSED),
    "not closed": (b"run: [\n", REFUSED),
    "a mark of byte order": (
        b"\xef\xbb\xbf" + PLAIN, "as editors of Windows write UTF-8"),
    "two documents": (PLAIN + b"---\nrun: x\n", REFUSED),
    "a number as text": (
        yaml.safe_dump(changed(("dissection/quantile", "1e-2"))).encode(), "it is a number"),
}  # fmt: skip


def drawn(count: int, seed: int = 1) -> dict[str, dict]:
    """Return configurations with an odd value at some key, drawn from all keys and values."""
    pairs = [(path, value) for path in leaves() for value in VALUES]
    chosen = random.Random(seed).sample(pairs, count)
    return {f"{path} = {value!r:.40}": changed((path, value)) for path, value in chosen}
