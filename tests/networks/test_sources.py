"""The table of sources, and the schema that has to agree with it."""

import importlib
import inspect
import json
import subprocess
import sys

import pytest
import yaml
from repository import ROOT, SCRIPTS

from dissection.config.source_files import SourceTree
from dissection.datasets.sources.table import COLOR_TABLE
from dissection.datasets.sources.table import SOURCES as DATA_SOURCES
from dissection.downloads.registry import read_registry
from dissection.networks.preprocessing import KEYS
from dissection.networks.sources import (
    RELEASED,
    SOURCES,
    defining_files,
    downloads,
    is_downloaded,
    modules,
    own_files,
    source_module,
    source_of,
)

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
NETWORK = SCHEMA["$defs"]["network"]["properties"]
LIGHT = ("dissection.networks.sources", "dissection.config.validation")


def options_in_schema(source):
    entry = NETWORK[source]
    return SCHEMA["$defs"][entry["$ref"].rpartition("/")[2]] if "$ref" in entry else entry


def test_the_schema_has_the_sources_of_the_table():
    assert set(NETWORK) - {"title", "layers", "released"} == set(SOURCES)


@pytest.mark.parametrize("key", SOURCES)
def test_the_schema_has_each_source_s_options(key):
    source, properties = SOURCES[key], options_in_schema(key)["properties"]
    assert {*source.files, *filter(None, [source.function])} <= properties.keys()
    assert ("download" in properties) == bool(source.registered)
    assert len(source.registered) in (0, len(source.files))
    preprocessing = SCHEMA["$defs"]["preprocessing"]["properties"]
    assert set(preprocessing) == set(KEYS)
    if key != "trained":  # its networks see what they were trained on
        assert preprocessing.items() <= properties.items()


@pytest.mark.parametrize("key", SOURCES)
def test_each_source_has_its_functions(key):
    module = source_module(key)
    assert list(inspect.signature(module.load).parameters) == ["options", "files", "layers"]
    assert hasattr(module, "check") == SOURCES[key].checks
    assert hasattr(module, "downloads") == SOURCES[key].publishes


@pytest.mark.parametrize("name", LIGHT)
def test_the_table_is_read_without_torch(name):
    program = f"import json, sys, {name}; print(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=SCRIPTS, capture_output=True, text=True, check=True)
    assert not {"torch", "torchvision", "numpy", "pandas"} & set(json.loads(result.stdout))


@pytest.mark.parametrize(
    ("network", "files", "registered"),
    [
        ({"trained": {"task": "scene"}}, [], []),
        ({"caffe": {"prototxt": "a", "caffemodel": "b"}}, ["a", "b"], []),
        ({"caffe": {"caffemodel": "b", "prototxt": "a"}}, ["a", "b"], []),
        (
            {"title": "V", "layers": ["x"], "caffe": {"download": "vgg16_imagenet"}},
            [],
            ["vgg16_imagenet.prototxt", "vgg16_imagenet.caffemodel"],
        ),
        ({"checkpoint": {"architecture": "resnet18", "file": "w"}}, ["w"], []),
        ({"checkpoint": {"download": "dissect-vgg16_places365.pth"}}, [],
         ["dissect-vgg16_places365.pth"]),
        ({"caffe": {"download": "places-alexnet_places205"}}, [],
         ["places-alexnet_places205.prototxt", "places-alexnet_places205.caffemodel"]),
        ({"timm": {"name": "resnet18", "file": "w"}}, ["w"], []),
        ({"factory": {"function": "m:f", "arguments": {"file": "x"}}}, [], []),
        ({"factory": {"function": "m:f", "file": "w"}}, ["w"], []),
        ({"torchscript": {"file": "w", "input_size": [8, 8]}}, ["w"], []),
        ({"exported": {"file": "w"}}, ["w"], []),
    ],
)  # fmt: skip
def test_what_a_network_is_made_of(network, files, registered):
    assert source_of(network)[1] in network.values()
    assert own_files(network) == files
    assert downloads(network) == registered
    assert is_downloaded(network) == bool(registered)
    first = source_of(network)[0] in ("caffe", "torchscript", "exported")
    assert defining_files(network) == (registered[:first], files[:first])
    assert set(registered) <= set(read_registry(ROOT / "config/downloads.yaml"))


def test_every_download_can_be_asked_for_by_a_configuration():
    registry = read_registry(ROOT / "config/downloads.yaml")
    patterns = [pair for source in SOURCES.values() for pair in source.registered.items()]
    patterns.append((RELEASED, "csv"))

    def asked_for(name, kind):
        found = (pattern.partition("{}") for pattern, of_kind in patterns if of_kind == kind)
        return any(name.startswith(begin) and name.endswith(end) for begin, _, end in found)

    sizes = SCHEMA["properties"]["dataset"]["properties"]["broden"]["enum"]
    others = {name for name, entry in registry.items() if not asked_for(name, entry.kind)}
    others -= {entry.archive.name for entry in registry.values() if entry.archive}
    editions = [names for source in DATA_SOURCES.values() for names in source.archives.values()]
    archives = {name for names in editions for name in names.values()}
    assert others == {f"broden1_{size}" for size in sizes} | archives | {COLOR_TABLE, "camvid"}


def test_the_modules_that_load_a_network_are_known_though_no_script_imports_them():
    assert modules({"exported": {}}) == ["dissection.networks.exported"]
    assert modules({"factory": {"function": "mine.nets:build"}}) == [
        "dissection.networks.factory",
        "mine.nets",
    ]
    for key in SOURCES:
        (name, *_) = modules({key: {"function": "m:f"}})
        file = importlib.import_module(name).__file__
        assert SCRIPTS / file in SourceTree(SCRIPTS).module(name)
