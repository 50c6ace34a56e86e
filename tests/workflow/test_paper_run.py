"""The paper's own run, end to end, on small stand-ins at the documented paths; nothing is fetched
from elsewhere."""

import hashlib
import json
import re
import shutil
import socket
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from http_server import FaultyServer, Reply
from paper_files import (
    BRODEN,
    CHECKPOINT,
    LABELS,
    RELEASED,
    SCENES,
    ZOO,
    released_units,
    write_files,
)
from repository import ROOT
from workflow_runs import clone, planned, snakemake

from dissection.config.validation import complete
from dissection.downloads.registry import read_registry
from dissection.networks.load import open_network

pytestmark = pytest.mark.workflow
CONFIG = "config/small_paper.yaml"
REGISTRY = read_registry(ROOT / "config/downloads.yaml")
CATEGORIES = ("object", "part", "scene", "material", "texture", "color")
PUBLISHED = pd.read_csv(ROOT / "workflow/published/detectors.csv").set_index("network")

# Of the paper's networks one of each kind. Of the others none: of most of their files checksums are
# known, and the one without is a large network (it is opened below, but not dissected).
FROM_ELSEWHERE = [*ZOO, "caffenet_random"]
TRAINED = ["alexnet", "repeat1", "gap_wide", "alexnet_long"]


def cut(config):
    """Make the paper's configuration small; everything that is not named here stays as it is."""
    kept = [*FROM_ELSEWHERE, *TRAINED]
    networks = config["networks"] = {name: config["networks"][name] for name in kept}
    networks["caffe_reference_places205"]["layers"] = ["conv1", "conv5"]
    networks["alexnet"]["layers"] = ["conv5"]
    config["training"] |= {"iterations": 3, "batch_size": 4}
    networks["alexnet_long"]["trained"] |= {
        "snapshots": [0, 4],
        "training": {"iterations": 4, "step_size": 2},
    }
    # On two cores jobs of one thread each are faster than the same jobs one after the other.
    config["training"]["workers"] = 0
    config["dissection"] |= {"shards": 1, "threads": 1, "top_images": 2, "bootstrap_samples": 20}
    config["rotation"] = {"alphas": [0, 1], "seeds": [1, 2]}
    for options in config["figures"].values():
        if "networks" in options:
            options["networks"] = [name for name in options["networks"] if name in kept]
    groups = config["claims"].items()
    groups = {group: [name for name in names if name in kept] for group, names in groups}
    config["claims"] = {group: names for group, names in groups.items() if names}
    return config


def paper_clone(folder):
    clone(folder)
    config = cut(yaml.safe_load((folder / "config/paper.yaml").read_text()))
    (folder / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
    return folder


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module", autouse=True)
def nowhere():
    """Every way out ends at a port of loopback that nobody listens to."""
    with socket.socket() as closed, pytest.MonkeyPatch.context() as patch:
        closed.bind(("127.0.0.1", 0))
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            patch.setenv(name, f"http://127.0.0.1:{closed.getsockname()[1]}")
            patch.delenv(name.upper(), raising=False)
        patch.setenv("no_proxy", "127.0.0.1")
        patch.delenv("NO_PROXY", raising=False)
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """What would lie in resources/ once everything has been fetched."""
    folder = tmp_path_factory.mktemp("files")
    write_files(folder)
    return folder


@pytest.fixture(scope="module")
def run(files, tmp_path_factory):
    """The finished run of files that were put there by hand."""
    folder = paper_clone(tmp_path_factory.mktemp("paper") / "netdissect")
    shutil.copytree(files, folder / "resources", dirs_exist_ok=True)
    result = snakemake(folder, config=CONFIG)
    assert result.returncode == 0, result.stdout
    for sign in ("Traceback", "Logging error", "Warning"):
        assert sign not in result.stdout
    return folder


def configuration(folder):
    return yaml.safe_load((folder / CONFIG).read_text())


def figure(folder, name):
    return pd.read_csv(folder / f"results/paper/figures/{name}.csv", keep_default_na=False)


def dissected(folder, network, layer, file):
    return folder / f"results/paper/dissection/{network}/{layer}/{file}"


def bars(table, panel):
    """Counts of a panel: one row a bar, in the order drawn."""
    own = table[table["panel"] == panel]
    own = own.assign(value=pd.to_numeric(own["value"]))
    return own.pivot(index="bar", columns="category", values="value").loc[own["bar"].unique()]


# ---- the run ---------------------------------------------------------------------------------


def test_every_figure_the_report_and_the_pages_are_there(run):
    config, results = configuration(run), run / "results/paper"
    assert set(config["figures"]) == set(yaml.safe_load((ROOT / "config/paper.yaml").read_text())[
        "figures"
    ])  # fmt: skip
    report = (results / "report.html").read_text()
    for name in config["figures"]:
        for kind in ("pdf", "png", "csv"):
            assert (results / f"figures/{name}.{kind}").stat().st_size > 0
        assert f'id="{name}"' in report, name
    for name, network in config["networks"].items():
        for layer in network["layers"]:
            page = results / f"units/{name}/{layer.replace('/', '-')}.html"
            assert page.stat().st_size > 0
    assert planned(run, config=CONFIG) == set()


def test_claims_are_judged(run):
    claims = pd.read_csv(run / "results/paper/claims.csv", keep_default_na=False)
    named = yaml.safe_load((ROOT / "workflow/claims.yaml").read_text())
    groups = configuration(run)["claims"].keys()
    assert list(claims["id"]) == [
        name
        for name, claim in named.items()
        if {claim[key] for key in ("more", "fewer") if key in claim} <= groups
    ]
    assert set(claims["verdict"]) <= {"replicated", "not replicated", "inconclusive"}
    measured = claims.set_index("id")["measured"]
    assert re.fullmatch(r"[\d.]+ against [\d.]+", measured["training"])


def test_slide_4_compares_the_small_broden_with_the_published_one(run):
    table = figure(run, "slide04_broden")
    statistics = table[table["panel"] == "statistics"].set_index(["quantity", "category"])
    labels = statistics.loc["labels"]
    for category in CATEGORIES:
        own = [name for name, homes in LABELS.values() if category in homes]
        assert float(labels.loc[category, "value"]) == len(own)
    assert float(labels.loc["total", "value"]) == len(LABELS)
    assert float(labels.loc["object", "published"]) == 584
    assert float(statistics.loc[("images", "total"), "published"]) == 63_305


def test_unpacking_says_what_is_not_as_published(run):
    log = (run / "resources/logs/unpack_broden-227.log").read_text()
    found = re.findall(r"Not as published: (.*)", log)
    assert f"total: {len(LABELS)} labels; published are 1,197." in found
    assert any(line.startswith("total:") and "published are 63,305" in line for line in found)
    assert {line.partition(":")[0] for line in found} == {*CATEGORIES, "total"}
    index = pd.read_csv(run / "resources/broden1_227/index.csv", dtype=str)
    assert sorted(index["scene"].dropna()) == sorted(map(str, SCENES))


def test_slides_5_and_6_show_the_paper_s_units_first(run):
    assert set(figure(run, "slide05_activation_map")["unit"]) == {107}
    table = figure(run, "slide06_unit_detectors")
    assert list(dict.fromkeys(table["unit"]))[:2] == [107, 79]
    units = pd.read_csv(
        dissected(run, "caffe_reference_places365", "conv5", "units.csv"), keep_default_na=False
    ).set_index("unit")
    for unit in (107, 79):
        rows = table[table["unit"] == unit]
        assert rows["label"].unique().tolist() == [units.loc[unit, "label"]]
        assert rows["iou"].unique() == pytest.approx([units.loc[unit, "score"]])


def test_units_are_compared_with_those_that_were_released(run):
    released = released_units()
    for name in RELEASED:
        units = pd.read_csv(dissected(run, name, "conv5", "units.csv"), keep_default_na=False)
        table = pd.read_csv(dissected(run, name, "conv5", "agreement.csv"), keep_default_na=False)
        assert table["unit"].tolist() == list(range(1, 257))
        assert table["released_iou"].tolist() == released["object-iou"].tolist()
        own = units.sort_values("unit")["score"]
        assert table["iou"].to_numpy() == pytest.approx(own.to_numpy())
    drawn = figure(run, "slide06_agreement")
    assert drawn["layer"].unique().tolist() == [
        "AlexNet-Places205, conv5", "AlexNet-Places365, conv5"
    ]  # fmt: skip


def test_no_unit_detects_a_label_without_a_name(run):
    for path in (run / "results/paper/dissection").rglob("units.csv"):
        units = pd.read_csv(path, keep_default_na=False)
        assert (units["score"] > 0).any(), path
        names = {name for name, _ in LABELS.values()}
        assert set(units.loc[units["score"] > 0, "label"]) <= names


def test_slide_8_has_every_network_beside_its_published_counts(run):
    config = configuration(run)
    shown = config["figures"]["slide08_networks"]["networks"]
    assert set(shown) == set(FROM_ELSEWHERE)
    titles = [config["networks"][name]["title"] for name in shown]
    table = figure(run, "slide08_networks")
    ours, theirs = bars(table, "This run"), bars(table, "Published (Bau et al. 2017)")
    assert ours.index.tolist() == theirs.index.tolist() == titles
    for name, title in zip(shown, titles, strict=True):
        layer = config["networks"][name]["layers"][-1].replace("/", "-")
        detectors = pd.read_csv(dissected(run, name, layer, "detectors.csv"))
        own = detectors[detectors["rule"] == "per_category"].set_index("category")["unique"]
        assert ours.loc[title].to_dict() == own.to_dict()
        counts = [PUBLISHED.loc[name, f"unique_{category}"] for category in CATEGORIES]
        assert theirs.loc[title, list(CATEGORIES)].tolist() == counts
        assert theirs.loc[title, "total"] == sum(counts)


def test_receptive_fields_are_those_of_the_paper_s_alexnet(run):
    file = dissected(run, "caffe_reference_places365", "conv5", "geometry.json")
    geometry = json.loads(file.read_text())
    assert geometry["centre"] == [17, 17]
    assert geometry["stride"] == [16, 16]


def test_slide_9_begins_with_the_layer_itself(run):
    place = run / "results/paper/rotation/caffe_reference_places205/conv5/rotation.csv"
    rotation = pd.read_csv(place)
    detectors = pd.read_csv(dissected(run, "caffe_reference_places205", "conv5", "detectors.csv"))
    counted = ["rule", "category", "units", "unique"]
    for seed, rows in rotation.query("alpha == 0").groupby("seed"):
        assert rows[counted].values.tolist() == detectors[counted].values.tolist(), seed
    assert rotation["probe_accuracy"].between(0, 1).all()
    # The paper's networks tell other classes apart than ours: only the probe has an accuracy.
    assert {*figure(run, "slide09_rotation")["series"]} >= {"total", "linear probe"}
    assert "network" not in set(figure(run, "slide09_rotation")["series"])


def test_slides_10_to_12_show_the_networks_that_were_trained(run):
    config = configuration(run)
    for name in ("slide10_regularization", "slide12_initialization", "slide12_width"):
        networks = config["figures"][name]["networks"]
        assert len(networks) > 1
        shown = " ".join(map(str, figure(run, name)["bar"].unique()))
        for network in networks:
            assert config["networks"][network]["title"] in shown
            training = pd.read_csv(run / f"results/paper/networks/{network}/training.csv")
            assert training["iteration"].max() == config["training"]["iterations"]
    wide = dissected(run, "gap_wide", "conv5", "units.csv")
    assert len(pd.read_csv(wide)) == 3 * 256
    iterations = pd.to_numeric(figure(run, "slide11_iterations")["iteration"])
    assert set(iterations) == set(config["networks"]["alexnet_long"]["trained"]["snapshots"])


def test_hashes_of_files_put_there_are_recorded(run, files):
    record = yaml.safe_load((run / "resources/recorded_hashes.yaml").read_text())
    zoo = [f"zoo/{name}.{kind}" for name in ZOO for kind in ("prototxt", "caffemodel")]
    assert set(record) == {BRODEN, *zoo, *(f"released/{name}.csv" for name in RELEASED)}
    for name, entry in record.items():
        assert entry["sha256"] == sha256(files / name), name
        assert entry["source"] == "a file that was put there", name


# ---- downloads -------------------------------------------------------------------------------

SLIDE6 = "caffe_reference_places365"
RESNET = "places365-resnet50_places365.pth.tar"
FETCHED = ("broden1_227", f"{SLIDE6}.prototxt", f"{SLIDE6}.caffemodel", RESNET)


def note_of(name):
    return f"resources/checked/{name}.json"


@pytest.fixture(scope="module")
def downloaded(files, tmp_path_factory):
    """A folder that fetched its files and drew slide 4, and the server they were fetched from."""
    folder = paper_clone(tmp_path_factory.mktemp("downloaded") / "netdissect")
    registry = yaml.safe_load((folder / "config/downloads.yaml").read_text())
    with FaultyServer() as server:
        for name in FETCHED:
            body = (files / registry[name]["path"]).read_bytes()
            there = server.serve(f"/mirror/{name}", Reply(body, etag='"1"'))
            registry[name]["urls"] = [server.url(f"/gone/{name}"), there]
        # The connection is cut on the way, once.
        archive = server.replies["/mirror/broden1_227"]
        archive.insert(0, Reply(archive[0].body, etag='"1"', cut_after=20_000))
        (folder / "config/downloads.yaml").write_text(yaml.safe_dump(registry))
        result = snakemake(folder, "slide04_broden", *map(note_of, FETCHED), config=CONFIG)
        assert result.returncode == 0, result.stdout
    return folder, server


def test_mirrors_are_used_where_the_first_source_has_nothing(downloaded, files):
    folder, server = downloaded
    record = yaml.safe_load((folder / "resources/recorded_hashes.yaml").read_text())
    for name in FETCHED:
        path = REGISTRY[name].path
        assert (folder / "resources" / path).read_bytes() == (files / path).read_bytes()
        assert record[path]["source"].endswith(f"/mirror/{name}")
        statuses = [(r.path, r.status) for r in server.requests if r.path.endswith(f"/{name}")]
        expected = [(f"/gone/{name}", 404), (f"/mirror/{name}", 200)]
        again = [(f"/mirror/{name}", 206)] if name == "broden1_227" else []
        assert statuses == expected + again
    assert len(record) == len(FETCHED)


def test_downloaded_files_give_what_files_put_by_hand_give(downloaded, run):
    folder, _ = downloaded
    pd.testing.assert_frame_equal(figure(folder, "slide04_broden"), figure(run, "slide04_broden"))


def test_checkpoint_of_places365_is_opened_from_its_note(downloaded, files, monkeypatch):
    folder, _ = downloaded
    monkeypatch.chdir(folder)
    file, schema = Path("config/paper.yaml"), Path("workflow/schemas/config.schema.yaml")
    config = complete(yaml.safe_load(file.read_text()), yaml.safe_load(schema.read_text()), file)
    spec = config["networks"]["resnet50_places365_pytorch"]
    model = open_network(spec, [note_of(RESNET)], "resnet50_places365_pytorch").model
    saved = torch.load(files / CHECKPOINT, weights_only=True)["state_dict"]
    assert all(name.startswith("module.") for name in saved)
    own = model.state_dict()
    assert {f"module.{name}" for name in own} == set(saved)
    torch.testing.assert_close(own["fc.weight"], saved["module.fc.weight"])
    assert any(name == spec["layers"][-1] for name, _ in model.named_modules())


def test_caffemodel_that_is_changed_afterwards_is_refused(downloaded):
    folder, _ = downloaded
    path = folder / f"resources/zoo/{SLIDE6}.caffemodel"
    note = folder / note_of(f"{SLIDE6}.caffemodel")
    content, noted = path.read_bytes(), note.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    changed = sha256(path)
    result = snakemake(folder, "slide06_unit_detectors", config=CONFIG)
    assert result.returncode != 0
    assert f"{path.relative_to(folder)} is no longer the file that was checked" in result.stdout
    assert changed in result.stdout
    assert str(note.relative_to(folder)) in result.stdout
    assert "Traceback" not in result.stdout
    # The same without its note: the record of hashes knows the file, too.
    note.unlink()
    result = snakemake(folder, str(note.relative_to(folder)), config=CONFIG)
    assert result.returncode != 0
    assert f"{path.relative_to(folder)} cannot be used: it has the sha256 {changed}" in (
        result.stdout
    )
    assert f"delete the entry zoo/{SLIDE6}.caffemodel in" in result.stdout
    assert "Traceback" not in result.stdout
    # With the right file there again, its note is as good as it was.
    path.write_bytes(content)
    note.write_bytes(noted)
    assert "download_file" not in planned(folder, "slide06_unit_detectors", config=CONFIG)


def test_files_that_cannot_be_fetched_are_named_with_every_source(files, tmp_path):
    folder = paper_clone(tmp_path / "netdissect")
    (folder / "resources/zoo").mkdir()
    prototxt = REGISTRY[f"{SLIDE6}.prototxt"].path
    shutil.copy(files / prototxt, folder / "resources" / prototxt)
    assert len(REGISTRY["broden1_227"].urls) > 1
    with_md5 = "places365-resnet18_places365.pth.tar"
    missing = ("broden1_227", f"{SLIDE6}.caffemodel", with_md5)
    result = snakemake(folder, "slide06_unit_detectors", note_of(with_md5), config=CONFIG)
    assert result.returncode != 0
    assert "Traceback" not in result.stdout
    for name in missing:
        entry = REGISTRY[name]
        file = entry.path.rpartition("/")[2]
        message = re.search(
            rf"{re.escape(file)} could not be fetched:\n(.*?)run the same command again",
            result.stdout,
            re.DOTALL,
        )[1]
        for url in entry.urls:
            assert f"  {url}: no connection" in message
        assert f"The file to look for: {f'md5 {entry.md5}' if entry.md5 else 'no checksum is'}" in (
            message
        )
        assert f"Put it at resources/{entry.path} by hand" in message
        assert not (folder / "resources" / entry.path).exists()
    assert (folder / note_of(f"{SLIDE6}.prototxt")).exists()
