"""Networks that cannot be had stop their own bars alone, are named, and are tried again."""

import json

import pandas as pd
import pytest
import yaml
from caffe_definitions import random_blobs, write_caffemodel
from http_server import FaultyServer, Reply
from workflow_runs import clone, planned, snakemake

pytestmark = pytest.mark.workflow
CONFIG = "config/missing.yaml"
PROTOTXT = """
input: "data" input_dim: 1 input_dim: 3 input_dim: 48 input_dim: 48
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 12 kernel_size: 5 stride: 3 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
"""
RUN = {
    "run": "missing",
    "dataset": {"synthetic": {"scene_images": 24, "texture_images": 8}},
    "dissection": {
        "bootstrap_blocks": 4, "bootstrap_samples": 10, "top_images": 4, "batch_size": 16
    },
    "networks": {
        "lost": {"title": "Lost", "layers": ["conv1"], "caffe": {"download": "lost"}},
        "kept": {
            "title": "Kept",
            "layers": ["conv1"],
            "caffe": {"download": "kept"},
            "released": {"download": "table"},
        },
    },
    "claims": {"baseline": ["kept"], "object_task": ["lost"]},
    "figures": {
        "slide06_unit_detectors": {"network": "lost", "layer": "conv1"},
        "slide06_agreement": {"networks": ["kept"]},
        "slide08_networks": {"networks": ["lost", "kept"]},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Contents of what there is to download, by name."""
    prototxt = tmp_path_factory.mktemp("caffe") / "net.prototxt"
    prototxt.write_text(PROTOTXT)
    found = {}
    for seed, name in enumerate(("lost", "kept")):
        model = prototxt.with_suffix(".caffemodel")
        write_caffemodel(model, random_blobs(prototxt, seed))
        found |= {f"{name}.prototxt": PROTOTXT.encode(), f"{name}.caffemodel": model.read_bytes()}
    return found


@pytest.fixture
def folder(tmp_path, files):
    """A clone whose registry names a server that has all but one network's weights, and a table."""
    folder = clone(tmp_path / "netdissect")
    (folder / CONFIG).write_text(yaml.safe_dump(RUN, sort_keys=False))
    with FaultyServer() as server:
        registry = {
            name: {"path": f"zoo/{name}", "urls": [server.url(f"/{name}")], "kind": name[5:]}
            for name in files
        }
        registry["released-table.csv"] = {
            "path": "released/table.csv", "urls": [server.url("/table.csv")], "kind": "csv"
        }  # fmt: skip
        (folder / "config/downloads.yaml").write_text(yaml.safe_dump(registry))
        for name, body in files.items():
            if name != "lost.caffemodel":
                server.serve(f"/{name}", Reply(body))
        yield folder, server


def bars(folder):
    """Total of each bar of this run in slide 8; empty if it is not known."""
    table = pd.read_csv(
        folder / "results/missing/figures/slide08_networks.csv", keep_default_na=False
    )
    own = table[(table["panel"] == "This run") & (table["category"] == "total")]
    return dict(zip(own["bar"], own["value"], strict=True))


def made(folder):
    """Networks and figures that there are results of."""
    results = folder / "results/missing"
    networks = {path.name for path in (results / "dissection").iterdir()}
    return networks, {path.stem for path in (results / "figures").glob("*.png")}


def report(folder):
    return (folder / "results/missing/report.html").read_text()


def test_a_missing_network_stops_its_own_bars_alone_and_is_tried_again(folder, files):
    folder, server = folder
    # What is cut off is no network either.
    server.serve("/lost.caffemodel", Reply(files["lost.caffemodel"][:-40]))
    result = snakemake(folder, "make_report", config=CONFIG)
    assert result.returncode == 0, result.stdout
    assert "Traceback" not in result.stdout
    missing = json.loads((folder / "results/missing/missing.json").read_text())
    assert missing.keys() == {"lost.caffemodel", "released-table.csv"}
    address = server.url("/lost.caffemodel")
    assert f"Without lost.caffemodel: lost.caffemodel could not be fetched:\n  {address}: " in (
        result.stdout
    )
    assert made(folder) == ({"kept"}, {"slide08_networks"})
    before = bars(folder)
    assert list(before) == ["Lost", "Kept"]
    assert before["Lost"] == ""
    assert float(before["Kept"]) >= 0
    assert "Left out, because they could not be had: Lost, released-table.csv" in report(folder)
    assert address in report(folder)
    assert "is cut off in layer 1" in report(folder)
    assert "could not be drawn: Slide 6: the best detectors" in report(folder)
    assert "supervision_object" not in (folder / "results/missing/claims.csv").read_text()

    # Once it is there, so is what needs it; what was made stays as it is.
    server.serve("/lost.caffemodel", Reply(files["lost.caffemodel"]))
    units = folder / "results/missing/dissection/kept/conv1/units.csv"
    server.serve("/table.csv", Reply(units.read_bytes()))
    stamp = units.stat().st_mtime_ns
    last = snakemake(folder, "slide08_networks", "slide06_agreement", config=CONFIG)
    assert last.returncode == 0, last.stdout
    assert units.stat().st_mtime_ns == stamp
    assert made(folder) == ({"kept", "lost"}, {"slide08_networks", "slide06_agreement"})
    assert bars(folder)["Lost"] != ""
    assert "Without" not in last.stdout
    assert planned(folder, "slide08_networks", "slide06_agreement", config=CONFIG) == set()


def test_without_any_network_there_is_no_run(folder):
    folder, _ = folder
    config = {
        **RUN,
        "networks": {"lost": RUN["networks"]["lost"]},
        "claims": {},
        "figures": {"slide08_networks": {"networks": ["lost"]}},
    }
    (folder / CONFIG).write_text(yaml.safe_dump(config))
    result = snakemake(folder, "slide08_networks", config=CONFIG)
    assert result.returncode != 0
    assert "None of the networks can be had." in result.stdout
    assert "Traceback" not in result.stdout
    assert not (folder / "results/missing/missing.json").exists()
