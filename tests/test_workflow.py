"""The smoke run, end to end in an empty folder, and what reruns after which change."""

import random
import shutil
import signal
import subprocess
import time

import pandas as pd
import pytest
import yaml
from workflow_runs import clone, command, planned, snakemake, tables

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A folder in which the smoke run has just finished."""
    folder = clone(tmp_path_factory.mktemp("smoke") / "netdissect")
    result = snakemake(folder)
    assert result.returncode == 0, result.stdout
    return folder


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the finished run that a test may change."""
    folder = tmp_path / "netdissect"
    shutil.copytree(finished, folder, symlinks=True)
    return folder


def read_config(folder):
    return yaml.safe_load((folder / "config/smoke.yaml").read_text())


def write_config(folder, config):
    (folder / "config/smoke.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def edit(path):
    path.write_text(path.read_text() + "\n# A comment.\n")


def test_every_figure_is_there_with_its_numbers(finished):
    for figure in read_config(finished)["figures"]:
        for kind in ("pdf", "png", "csv"):
            assert (finished / f"results/smoke/figures/{figure}.{kind}").stat().st_size > 0


def test_tables_keep_their_columns(finished):
    folder = finished / "results/smoke/dissection/alexnet/conv5"
    units = pd.read_csv(folder / "units.csv", keep_default_na=False)
    categories = ["object", "part", "scene", "material", "texture", "color"]
    assert list(units.columns) == [
        *("unit", "category", "label", "score"),
        *(
            f"{category}-{column}"
            for category in categories
            for column in ("label", "truth", "activation", "intersect", "iou")
        ),
    ]
    assert sorted(units["unit"]) == list(range(1, len(units) + 1))
    assert units["score"].is_monotonic_decreasing
    detectors = pd.read_csv(folder / "detectors.csv")
    assert list(detectors.columns[:4]) == ["rule", "category", "units", "unique"]
    assert list(detectors["category"]) == [*categories, "total"] * 2


def test_raw_activations_are_gone(finished):
    assert not list((finished / "results/smoke").glob("activations/*/*"))


def test_second_run_does_nothing(finished):
    assert planned(finished) == set()


def test_editing_a_figure_s_script_remakes_that_figure_only(copy):
    edit(copy / "scripts/slide08_layers.py")
    assert planned(copy) == {"slide08_layers", "all"}


def test_editing_a_library_module_reruns_what_depends_on_it(copy):
    edit(copy / "scripts/dissection/scoring.py")
    rules = planned(copy)
    assert {"score_units", "slide08_layers"} <= rules
    assert not rules & {"train_network", "compute_thresholds", "tally_overlaps", "slide04_broden"}


def test_one_figure_alone_runs_only_what_it_needs(tmp_path):
    folder = clone(tmp_path / "netdissect")
    assert planned(folder, "slide04_broden") == {"synthesize_broden", "slide04_broden"}


def test_changed_variant_is_retrained_alone(copy):
    config = read_config(copy)
    config["networks"]["alexnet"]["trained"]["dropout"] = 0.25
    write_config(copy, config)
    result = snakemake(copy, "--dry-run")
    assert result.stdout.count("rule train_network:") == 1
    assert "networks/alexnet/weights.pt" in result.stdout
    assert "networks/untrained/weights.pt" not in result.stdout


def test_cores_and_shards_change_no_table(finished, tmp_path):
    folder = clone(tmp_path / "netdissect")
    config = read_config(folder)
    assert config["dissection"]["shards"] != 3
    config["dissection"]["shards"] = 3
    write_config(folder, config)
    result = snakemake(folder, cores=1)
    assert result.returncode == 0, result.stdout
    assert tables(folder) == tables(finished)


def test_killed_run_goes_on_and_makes_the_same_tables(finished, tmp_path):
    folder = clone(tmp_path / "netdissect")
    moments = random.Random(1)
    for _ in range(3):
        process = subprocess.Popen(
            command(), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, text=True,
        )  # fmt: skip
        time.sleep(moments.uniform(5, 25))
        subprocess.run(["pkill", "-KILL", "-s", str(process.pid)], check=False)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert snakemake(folder, "--unlock").returncode == 0
    result = snakemake(folder)
    assert result.returncode == 0, result.stdout
    assert tables(folder) == tables(finished)
    assert not list(folder.glob("results/**/.*.partial"))


def test_mistake_in_the_configuration_is_one_short_message(tmp_path):
    folder = clone(tmp_path / "netdissect")
    config = read_config(folder)
    config["dissection"]["quantil"] = 0.01
    write_config(folder, config)
    result = snakemake(folder)
    assert result.returncode != 0
    assert "dissection.quantil: unknown key. Did you mean 'quantile'?" in result.stdout
    assert "config/smoke.yaml" in result.stdout
    assert "Traceback" not in result.stdout
    assert len(result.stdout.splitlines()) < 8


def test_layer_that_the_network_lacks_is_refused_with_its_layers(tmp_path):
    folder = clone(tmp_path / "netdissect")
    config = read_config(folder)
    config["networks"]["untrained"]["layers"] = ["conv9"]
    config["figures"] = {"slide08_layers": {"network": "untrained"}}
    write_config(folder, config)
    result = snakemake(folder, "slide08_layers")
    assert result.returncode != 0
    assert "conv9" in result.stdout
    assert "conv5" in result.stdout
    assert "Traceback" not in result.stdout
