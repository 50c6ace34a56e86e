"""Files in odd places or in the place of others; Snakemake started in another folder."""

import os
import shutil

import pytest
import yaml
from mask_folder import small_data
from repository import ROOT
from snakemake_starts import start
from workflow_runs import environment

pytestmark = pytest.mark.workflow
ODD = "my data (1), 'new'"


MODULE = f"""
configfile: "odd.yaml"
module dissection:
    snakefile: "{ROOT / "Snakefile"}"
    config: config
use rule * from dissection as dissection_*
"""


def run(folder, *arguments, snakefile=ROOT / "Snakefile"):
    """Run the repository's own Snakefile, which it may not write to, in another folder."""
    line = [*arguments, "--snakefile", str(snakefile), "--configfile", "odd.yaml", "--cores", "1"]
    return start(line, folder, environment())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder elsewhere with a data set and a network, whose images have been imported."""
    folder = tmp_path_factory.mktemp("else where")
    data = folder / ODD
    small_data(data)
    (data / "weights & more.pt").write_bytes(b"never read")
    network = {
        "title": "{network} of {0}, 100 %",
        "layers": ["features{0}", "a b/c"],
        "torchscript": {"file": f"{ODD}/weights & more.pt", "input_size": [8, 8]},
    }
    config = {
        "run": "odd",
        "dataset": {
            "masks": {
                "images": f"{ODD}/images",
                "masks": [f"{ODD}/masks"],
                "labels": f"{ODD}/labels.csv",
            }
        },
        "networks": {"net": network},
        "figures": {
            "slide04_broden": {},
            "slide05_activation_map": {"network": "net", "layer": "a b/c"},
            "slide06_unit_detectors": {"network": "net", "layer": "features{0}"},
            "slide08_layers": {"network": "net"},
            "slide08_networks": {"networks": ["net"]},
        },
    }
    (folder / "odd.yaml").write_text(yaml.safe_dump(config))
    result = run(folder, "--until", "import_masks")
    assert result.returncode == 0, result.stdout
    assert (folder / "results/odd/imported/index.csv").is_file()
    return folder


@pytest.fixture
def copy(folder):
    """Beside the folder, as near to the workflow's own files."""
    other = folder.with_name("some where")
    yield shutil.copytree(folder, other, symlinks=True)
    shutil.rmtree(other)


def test_all_else_is_planned(folder):
    result = run(folder, "--dry-run")
    assert result.returncode == 0, result.stdout
    assert "rule import_masks" not in result.stdout
    for rule in ("pack_labels", "cache_activations", "slide06_unit_detectors", "make_report"):
        assert f"rule {rule}:" in result.stdout
    assert "odd/dissection/net/features-0-/units.csv" in result.stdout
    assert "odd/dissection/net/a-b-c/units.csv" in result.stdout


def test_a_workflow_takes_this_one_as_a_module(copy):
    (copy / "Snakefile").write_text(MODULE)
    target = "dissection_slide04_broden"
    result = run(copy, target, snakefile="Snakefile")
    assert result.returncode == 0, result.stdout
    assert (copy / "results/odd/figures/slide04_broden.png").stat().st_size > 0
    assert not (copy / "results/odd/activations").exists()
    assert "1 of 1 figure is drawn, in results/odd/figures (slide04_broden)" in result.stdout


@pytest.mark.parametrize("change", ["older mask", "older table", "other image", "dates alone"])
def test_files_are_known_by_what_they_hold(copy, change):
    data = copy / ODD
    mask = sorted((data / "masks").glob("*.png"))[0]
    if change == "older mask":
        content = sorted((data / "masks").glob("*.png"))[1].read_bytes()
        mask.write_bytes(content)
        os.utime(mask, ns=(10**18, 10**18))
    elif change == "older table":
        (data / "labels.csv").write_text((data / "labels.csv").read_text() + "\n")
        os.utime(data / "labels.csv", ns=(10**18, 10**18))
    elif change == "other image":
        images = sorted((data / "images").iterdir())
        images[0].rename(images[0].with_stem("another"))
    else:
        os.utime(mask, ns=(10**18, 10**18))
    result = run(copy, "--dry-run", "--until", "import_masks")
    assert result.returncode == 0, result.stdout
    assert ("rule import_masks" in result.stdout) == (change != "dates alone"), result.stdout


def test_keys_that_are_given_twice(copy):
    text = (copy / "odd.yaml").read_text()
    (copy / "odd.yaml").write_text(f"{text}\nrun: again\n")
    result = run(copy, "--dry-run")
    assert result.returncode == 1
    assert "the key 'run' is given twice" in result.stdout
    assert "odd.yaml" in result.stdout
    assert "Traceback" not in result.stdout
