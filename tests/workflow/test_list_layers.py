"""A network's layers are printed, before anything was downloaded or trained."""

import re

import pytest
import yaml
from repository import ROOT
from workflow_runs import clone, snakemake

pytestmark = pytest.mark.workflow
SMOKE = yaml.safe_load((ROOT / "config/smoke.yaml").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = clone(tmp_path_factory.mktemp("layers") / "netdissect")
    others = {"layers": ["?"], "torchvision": {"name": "resnet18"}}
    config = {**SMOKE, "networks": {**SMOKE["networks"], "theirs": others}}
    (folder / "config/smoke.yaml").write_text(yaml.safe_dump(config))
    return folder


def test_layers_are_printed_without_weights(folder):
    result = snakemake(folder, "list_layers", "--config", "network=theirs")
    assert result.returncode == 0, result.stdout
    for line in (r"layer4 +512 x 7 x 7 +512 +\d+ x \d+ +32 x 32", r"fc +1000 +no: its output"):
        assert re.search(f"^{line}", result.stdout, re.MULTILINE), result.stdout
    assert not list((folder / "resources").iterdir())


def test_without_a_name_it_says_which_there_are(folder):
    result = snakemake(folder, "list_layers")
    assert result.returncode != 0
    assert "Say of which network: snakemake list_layers --config network=NAME" in result.stdout
    assert "alexnet, gap" in result.stdout
    assert "Traceback" not in result.stdout
