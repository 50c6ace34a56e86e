"""The README's examples: a network and a data set of one's own, as they stand there."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from repository import ROOT
from snakemake_starts import start
from workflow_runs import clone, environment, job_counts, planned, snakemake

pytestmark = pytest.mark.workflow
README = ROOT / "README.md"
CATEGORIES = ("object", "part", "scene", "material", "texture", "color")


def section(title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", README.read_text(), re.M | re.S)[1]


def files(title):
    """Name and content of the files in a section: the name is the last one before the block."""
    text = section(title)
    found = {}
    for block in re.finditer(r"^```\w+\n(.*?)^```$", text, re.M | re.S):
        names = re.findall(r"`([\w/]+\.(?:py|yaml|csv))`", text[: block.start()])
        found[names[-1]] = block[1]
    return found


def commands(title):
    lines = re.findall(r"^    ((?:python|snakemake) .*)$", section(title), re.M)
    return [re.sub(r"--cores \d+", "--cores 2", line) for line in lines]


def write(folder, title):
    """Write the files, with fewer of the images that are drawn."""
    for name, content in files(title).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content.replace("scene_images: 240", "scene_images: 60"))


def run(folder, line):
    program, *words = shlex.split(line)
    if program == "snakemake":
        result = start(words, folder, environment(), seconds=900)
    else:
        result = subprocess.run(
            [sys.executable, *words], cwd=folder, env=environment(), text=True, timeout=900,
            check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    assert result.returncode == 0, result.stdout
    return result.stdout


def units_of(folder, run_name, network, layer):
    place = folder / f"results/{run_name}/dissection/{network}/{layer}"
    units = pd.read_csv(place / "units.csv", keep_default_na=False)
    detectors = pd.read_csv(place / "detectors.csv")
    assert sorted(units["unit"]) == list(range(1, len(units) + 1))
    assert units["score"].between(0, 1).all()
    assert list(detectors["category"]) == [*CATEGORIES, "total"] * 2
    assert (detectors["unique"] <= detectors["units"].clip(lower=0) * 6).all()
    return units, detectors


@pytest.fixture(scope="module")
def network_run(tmp_path_factory):
    folder = clone(tmp_path_factory.mktemp("network") / "netdissect")
    write(folder, "Your own network")
    for line in commands("Your own network"):
        run(folder, line)
    return folder


def test_network_from_code_script_and_export_is_the_same_network(network_run):
    units, detectors = units_of(network_run, "my_network", "from_code", "relu2")
    assert len(units) == 16
    assert len(units_of(network_run, "my_network", "from_code", "relu1")[0]) == 8
    for network in ("from_torchscript", "from_export"):
        other_units, other_detectors = units_of(network_run, "my_network", network, "relu2")
        pd.testing.assert_frame_equal(other_units, units)
        pd.testing.assert_frame_equal(other_detectors, detectors)
    assert (network_run / "results/my_network/report.html").stat().st_size > 0


def recomputed(folder):
    """The networks of which a dry run would compute the activations again, and for which files."""
    result = snakemake(folder, "--dry-run", config="config/my_network.yaml")
    assert result.returncode == 0, result.stdout
    found = {}
    for job in result.stdout.split("rule cache_activations:")[1:]:
        network = re.search(r"output: results/my_network/activations/(\w+)/", job)[1]
        reason = re.search(r"reason: (.*)", job)[1]
        inputs = re.search(r"input: (.*)", job)[1].split(", ")
        updated = re.search(r"Updated input files: ([^;]*)", reason)
        found.setdefault(network, set()).update(updated[1].split(", ") if updated else [reason])
        assert found[network] <= set(inputs)
    return found


def test_edited_code_and_weights_rerun_what_they_make(network_run):
    assert planned(network_run, config="config/my_network.yaml") == set()
    weights = {
        "from_code": "my_network.pt",
        "from_torchscript": "my_network.torchscript",
        "from_export": "my_network.pt2",
    }
    before = {}
    for file in weights.values():
        path = network_run / file
        before[path] = path.read_bytes(), path.stat()
        path.write_bytes(path.read_bytes() + b"\n")
    assert recomputed(network_run) == {network: {file} for network, file in weights.items()}
    for path, (content, status) in before.items():
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    # What the module imports is part of the network too.
    (network_run / "my_layers.py").write_text("SIZE = 3\n")
    code = network_run / "my_network.py"
    code.write_text("import my_layers\n" + code.read_text())
    assert recomputed(network_run) == {"from_code": {"my_layers.py", "my_network.py"}}


# ---- data ------------------------------------------------------------------------------------


def draw_data(folder):
    """Red balls with a yellow stripe and blue boxes on grass, in images of many sizes."""
    rng = np.random.default_rng(0)
    for name in ("images", "things", "parts"):
        (folder / name).mkdir(parents=True)
    for i in range(40):
        height, width = (int(n) for n in rng.integers(40, 100, 2))
        image = rng.integers(90, 120, (height, width, 3), dtype=np.uint8)
        image[height // 2 :] = (60, 140, 50)
        things = np.zeros((height, width), np.uint8)
        things[height // 2 :] = 3
        parts = np.zeros((height, width), np.uint16)
        y, x = np.ogrid[:height, :width]
        if i % 3:
            cy, cx, radius = rng.integers(12, height - 12), rng.integers(12, width - 12), 10
            ball = (y - cy) ** 2 + (x - cx) ** 2 <= radius**2
            stripe = ball & (abs(y - cy) <= 1)
            image[ball], image[stripe] = (225, 20, 20), (240, 220, 40)
            things[ball], parts[stripe] = 1, 1
        else:
            image[5:18, 5:25], things[5:18, 5:25] = (20, 40, 210), 2
        things[0], parts[0] = 255, 255
        # Where many activations are the greatest one, none is above the threshold.
        light = rng.uniform(0.7, 0.97) + rng.uniform(0, 0.03, (height, width, 1))
        image = (image * light).astype(np.uint8)
        stem = f"{'street' if i % 2 else 'harbour'}_{i}"
        Image.fromarray(image).save(folder / f"images/{stem}.png")
        mask = Image.fromarray(things)
        if i % 2:
            mask.putpalette(bytes(range(256)) * 3)
        mask.save(folder / f"things/{stem}.png")
        if i % 3:
            Image.fromarray(parts).save(folder / f"parts/{stem}.png")


def write_red_detector(path):
    """Weights for the README's network: unit 1 fires on red alone, unit 2 on blue alone."""
    state = {
        "conv1.weight": torch.zeros(8, 3, 3, 3), "conv1.bias": torch.zeros(8),
        "conv2.weight": torch.zeros(16, 8, 3, 3), "conv2.bias": torch.zeros(16),
    }  # fmt: skip
    state["conv1.weight"][0, :, 1, 1] = torch.tensor([1.0, -0.5, -0.5])
    state["conv1.weight"][1, :, 1, 1] = torch.tensor([-0.5, -0.5, 1.0])
    state["conv1.bias"][:2] = -1
    state["conv2.weight"][0, 0, 1, 1] = state["conv2.weight"][1, 1, 1, 1] = 1
    torch.save(state, path)


@pytest.fixture(scope="module")
def data_run(tmp_path_factory):
    folder = clone(tmp_path_factory.mktemp("data") / "netdissect")
    write(folder, "Your own network")
    write(folder, "Your own data")
    draw_data(folder / "my_data")
    write_red_detector(folder / "my_network.pt")
    for line in commands("Your own data"):
        run(folder, line)
    return folder


def test_units_find_the_data_s_own_concepts(data_run):
    units, detectors = units_of(data_run, "my_data", "mine", "relu2")
    units = units.set_index("unit")
    assert units.loc[1, "object-label"] == "ball"
    assert units.loc[1, "object-iou"] > 0.04
    assert units.loc[1, "color-label"] == "red-c"
    assert units.loc[2, "object-label"] == "box"
    assert units.loc[2, "color-label"] == "blue-c"
    assert (units.loc[3:, "score"] == 0).all()
    counts = detectors.query("rule == 'per_category'").set_index("category")["unique"]
    assert counts["object"] == counts["color"] == 2
    assert counts["scene"] == counts["texture"] == 0
    for figure in ("slide04_broden", "slide05_activation_map", "slide06_unit_detectors"):
        assert (data_run / f"results/my_data/figures/{figure}.png").stat().st_size > 0
    assert (data_run / "results/my_data/units/mine/relu2.html").stat().st_size > 0
    assert len(pd.read_csv(data_run / "results/my_data/imported/index.csv")) == 40


def test_edits_in_a_folder_in_broden_format_are_noticed(data_run):
    config = yaml.safe_load((data_run / "config/my_data.yaml").read_text())
    config |= {"run": "again", "dataset": {"folder": "my_broden"}}
    (data_run / "config/my_broden.yaml").write_text(yaml.safe_dump(config))
    shutil.copytree(data_run / "results/my_data/imported", data_run / "my_broden")
    target, options = "results/again/labels", {"config": "config/my_broden.yaml"}
    assert snakemake(data_run, target, **options).returncode == 0
    assert planned(data_run, target, **options) == set()
    label_map = next((data_run / "my_broden/images").glob("*_object.png"))
    Image.fromarray(np.zeros_like(np.array(Image.open(label_map)))).save(label_map)
    assert planned(data_run, target, **options) == {"pack_labels"}


def test_edited_masks_and_labels_are_imported_anew(data_run):
    config = "config/my_data.yaml"
    assert planned(data_run, config=config) == set()
    mask = data_run / "my_data/things/street_1.png"
    before = mask.read_bytes()
    values = np.array(Image.open(mask))
    values[1] = 77
    Image.fromarray(values).save(mask)
    result = snakemake(data_run, config=config)
    assert result.returncode != 0
    planned_rules = job_counts(result.stdout).keys()
    assert {"import_masks", "pack_labels", "cache_activations"} <= planned_rules
    assert "my_data/things: value 77" in result.stdout
    assert "street_1.png" in result.stdout
    assert "my_data/labels.csv" in result.stdout
    assert "Traceback" not in result.stdout
    assert not list((data_run / "results/my_data").glob(".imported*"))
    mask.write_bytes(before)


def test_missing_folder_is_named(tmp_path):
    folder = clone(tmp_path / "netdissect")
    write(folder, "Your own network")
    write(folder, "Your own data")
    result = snakemake(folder, "--dry-run", config="config/my_data.yaml")
    assert result.returncode != 0
    assert "my_data/images" in result.stdout
    assert "Traceback" not in result.stdout
