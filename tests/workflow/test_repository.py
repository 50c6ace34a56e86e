"""Files of the repository that say the same thing must agree."""

import re
import runpy

import pandas as pd
import pytest
import yaml
from repository import ROOT

MAINTENANCE = ROOT / "scripts/maintenance"


def test_conda_environment_has_the_versions_of_the_lock():
    lock = (ROOT / "requirements.lock").read_text()
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (packages,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert packages == lock.split("\n")[:-1]
    assert all("==" in package for package in packages)
    write = runpy.run_path(str(MAINTENANCE / "write_environment.py"))["environment"]
    assert (ROOT / "environment.yml").read_text() == write(lock)


def test_lock_pins_everything_that_is_required():
    pinned = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.M))
    required = re.findall(r"^([a-z0-9-]+)", (ROOT / "requirements.in").read_text(), re.M)
    assert set(required) <= pinned


def test_table_of_configuration_keys_is_the_schema_s():
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    readme = (ROOT / "config/README.md").read_text()
    documented = runpy.run_path(str(MAINTENANCE / "document_config.py"))["documented"]
    assert readme == documented(readme, schema), "run `make docs`"


@pytest.mark.workflow
def test_what_a_run_found_is_kept_and_stands_in_the_table(finished, tmp_path):
    program = runpy.run_path(str(MAINTENANCE / "document_claims.py"))
    results = finished / "results/smoke"
    program["keep"](results, tmp_path / "thorough", "Trained on a GPU.")
    claims = pd.read_csv(results / "claims.csv")
    rows = program["claims_table"](tmp_path).splitlines()
    assert rows[0] == "| slide | claim | published | thorough run | verdict |"
    assert [row.split(" | ")[1] for row in rows[2:]] == claims["statement"].tolist()
    assert [row.split(" | ")[3] for row in rows[2:]] == claims["measured"].tolist()
    detectors = pd.read_csv(tmp_path / "thorough/detectors.csv")
    assert len(detectors.groupby(["network", "layer"])) == len([*results.glob("dissection/*/*")])
    accuracies = pd.read_csv(tmp_path / "thorough/training.csv", index_col="network")["accuracy"]
    own = pd.read_csv(results / "networks/alexnet/training.csv")["accuracy"]
    assert accuracies["alexnet"] == own.iloc[-1]
    figures = {path.name for path in (tmp_path / "thorough/figures").iterdir()}
    assert figures == {path.name for path in results.glob("figures/*.csv")}
    assert (tmp_path / "thorough/about.txt").read_text().endswith("lock.\nTrained on a GPU.")


def test_table_of_claims_is_that_of_the_runs_that_are_kept():
    readme = (ROOT / "README.md").read_text()
    documented = runpy.run_path(str(MAINTENANCE / "document_claims.py"))["documented"]
    assert readme == documented(readme, ROOT / "docs"), "run `make docs`"
