"""A Broden joined of its sources, fetched from a local server in the sources' own formats, through
to slide 8 with an untrained network."""

import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from http_server import FaultyServer, Reply
from repository import ROOT
from source_archives import LABELED, packed
from workflow_runs import clone, job_counts, leftovers, planned, snakemake

from dissection.datasets.broden import Broden
from dissection.datasets.sources.table import COLOR_TABLE, RELEASED, SOURCES, archives

pytestmark = pytest.mark.workflow
CONFIG = "config/small_broden.yaml"
RUN = "results/broden"
TARGETS = ("slide04_broden", "slide08_networks")


def configuration(**sources):
    """The repository's own configuration with one untrained network, small enough for a test."""
    config = yaml.safe_load((ROOT / "config/broden.yaml").read_text())
    config["networks"] = {"alexnet_random": config["networks"]["alexnet_random"]}
    config["networks"]["alexnet_random"]["factory"]["input_size"] = [64, 64]
    config["dataset"]["sources"] |= {"size": 224, **sources}
    config["figures"] = {
        "slide04_broden": {},
        "slide08_networks": {"networks": ["alexnet_random"]},
    }
    config["dissection"] |= {"shards": 1, "threads": 1, "bootstrap_samples": 20}
    return config


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    table = np.random.default_rng(0).integers(0, 11, (32, 32, 32), dtype=np.uint8)
    file = tmp_path_factory.mktemp("colors") / COLOR_TABLE
    np.save(file, table)
    with pytest.MonkeyPatch.context() as patch, FaultyServer() as server:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        server.serve(f"/{COLOR_TABLE}", Reply(file.read_bytes()))
        for source in SOURCES.values():
            for edition in source.archives.values():
                for archive in edition.values():
                    server.serve(f"/{archive}", Reply(packed(archive)))
        yield server


def prepared(folder, server, **sources):
    clone(folder)
    config = configuration(**sources)
    (folder / CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
    path = folder / "config/downloads.yaml"
    registry = yaml.safe_load(path.read_text())
    for archive in [*archives(config["dataset"]["sources"]), COLOR_TABLE]:
        kept = {key: registry[archive][key] for key in ("path", "kind")}
        registry[archive] = kept | {"urls": [server.url(f"/{archive}")]}
    path.write_text(yaml.safe_dump(registry))
    return folder


@pytest.fixture(scope="module")
def run(server, tmp_path_factory):
    """The finished run of every source."""
    folder = prepared(
        tmp_path_factory.mktemp("sources") / "netdissect",
        server,
        ade20k="full",
        opensurfaces=True,
    )
    result = snakemake(folder, *TARGETS, config=CONFIG)
    assert result.returncode == 0, result.stdout
    assert "Traceback" not in result.stdout
    return folder


def test_every_source_is_in_the_data_set_and_in_the_figures(run):
    broden = Broden(run / RUN / "joined")
    counts = pd.Series(broden.image_names).str.partition("/")[0].value_counts()
    assert counts.to_dict() == dict.fromkeys(RELEASED, LABELED)
    statistics = broden.statistics().set_index("category")
    # Twelve images of a source: labels of ten are few.
    assert (statistics.loc[["object", "part", "material", "texture", "color"], "labels"] > 0).all()
    drawn = pd.read_csv(run / RUN / "figures/slide04_broden.csv", keep_default_na=False)
    means = drawn[(drawn["quantity"] == "mean_images")].set_index("category")
    assert means.loc["part", ["published", "released"]].tolist() == ["854.0", "565.9"]
    units = pd.read_csv(run / RUN / "figures/slide08_networks.csv")
    assert len(units) > 0
    assert leftovers(run) == []


def test_colours_are_those_of_the_fetched_table(run):
    broden = Broden(run / RUN / "joined")
    # A random table has all colours nearly everywhere.
    colors = pd.read_csv(broden.folder / "c_color.csv")
    assert len(colors) == 11
    assert (colors["frequency"] == len(broden)).all()


def test_licences_and_what_is_other_stand_in_the_log(run):
    log = (run / RUN / "logs/join_sources.log").read_text()
    for name, edition in RELEASED.items():
        shown = f"{name} (full)" if edition == "full" else name
        assert f" {shown}: {SOURCES[name].title}. Licence: {SOURCES[name].licence}" in log
    assert "Missing" not in log
    assert "Other than the released Broden: total: 48 images; published are 63,305." in log


def test_killed_run_goes_on_source_by_source_and_with_what_is_there(run):
    """A source that was not finished is read anew, those that were are not, and some are gone."""
    assert planned(run, *TARGETS, config=CONFIG) == set()
    before = {path: path.stat().st_mtime_ns for path in (run / RUN / "sources").glob("*/*")}
    shutil.rmtree(run / RUN / "sources/dtd")
    unfinished = run / RUN / "sources/.dtd.partial/images"
    unfinished.mkdir(parents=True)
    (unfinished / "half.jpg").write_bytes(b"half")
    config = configuration(ade20k=False, pascal=False, opensurfaces=True)
    (run / CONFIG).write_text(yaml.safe_dump(config))
    result = snakemake(run, "slide04_broden", config=CONFIG)
    assert result.returncode == 0, result.stdout
    counts = job_counts(result.stdout)
    assert counts["convert_source"] == counts["join_sources"] == 1
    assert not counts.keys() & {"unpack_archive", "download_file"}
    for path, time in before.items():
        assert path.stat().st_mtime_ns == time or path.parent.name == "dtd"
    assert len(Broden(run / RUN / "joined")) == 2 * LABELED
    assert leftovers(run) == []
    for absent in ("ade20k (object, part, scene)", "pascal (object, part)"):
        assert f"Missing of what the released Broden has: {absent}" in result.stdout
