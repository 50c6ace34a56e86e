"""The benchmark runs, writes its tables, and stops where a result is wrong."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from pretended_gpu import pretended_gpu
from repository import ROOT

from dissection.activations.files import open_layer
from dissection.datasets.broden import Broden
from dissection.labels.pack import pack_labels
from dissection.labels.store import LabelStore
from dissection.scoring.counting import tally_overlaps
from dissection.scoring.tally import Tally
from dissection.scoring.thresholds import compute_thresholds

IMAGES = 9


def test_tables_are_written_and_data_deleted(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("Text.\n\n<!-- tiny -->\nold\n<!-- end of tiny -->\n\nMore.\n")
    (tmp_path / "data").mkdir()
    command = [sys.executable, "benchmarks/run.py", "--size", "tiny", "--cores", "2"]
    options = ["--folder", str(tmp_path / "data"), "--readme", str(readme)]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "of disk space are used" in done.stdout.splitlines()[0]
    text = readme.read_text()
    assert text.startswith("Text.\n\n<!-- tiny -->\n\n### 96 images")
    assert text.endswith("<!-- end of tiny -->\n\nMore.\n")
    for line in ("forward pass", "label packing", "thresholds", "tally, ", "rotated", "scoring"):
        assert f"\n| {line}" in text
    assert "2,048 of 7 × 7" in text
    assert "nan" not in text
    assert str(tmp_path) not in text
    assert not list((tmp_path / "data").iterdir())


@pytest.fixture(scope="module")
def benchmark():
    """The benchmark's modules, which are a program's, not the library's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import data
        import stages

        yield data, stages
    for name in ("baseline", "data", "stages"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def made(benchmark, tmp_path_factory):
    """A folder with a data set, its packed labels, and a layer's activations."""
    data, _ = benchmark
    folder = tmp_path_factory.mktemp("benchmark")
    data.write_dataset(folder / "dataset", IMAGES, 1)
    pack_labels(Broden(folder / "dataset"), folder / "labels")
    data.write_activations([folder / "layer"], "conv5", IMAGES, 1, units=8)
    return folder


@pytest.fixture
def plain(benchmark, made, tmp_path):
    """The stage that checks a layer's results."""
    stages = benchmark[1]
    file = tmp_path / "thresholds.npy"
    maps = np.load(made / "layer/conv5.npy", mmap_mode="r")
    np.save(file, compute_thresholds([maps], stages.QUANTILE))
    options = {"dataset": str(made / "dataset"), "labels": str(made / "labels")}
    options |= {"thresholds": str(file), "activations": str(made / "layer"), "layer": "conv5"}
    return lambda: stages.plain(**options, images=3)()


def test_right_results_pass(plain):
    found = plain()
    assert found["plain thresholds"] > 0
    assert found["plain tally"] > 0


def test_the_plain_computation_counts_what_the_tally_does(benchmark, made):
    baseline = benchmark[1].baseline
    maps, geometry = open_layer(made / "layer", "conv5")
    thresholds = compute_thresholds([maps], 0.1)
    broden, store = Broden(made / "dataset"), LabelStore(made / "labels")
    tally = tally_overlaps(maps, thresholds, store, geometry, 0)
    plain = Tally.zeros(1, maps.shape[1], store.n_labels)
    for image in baseline.spread(made / "dataset", IMAGES):
        baseline.plain_image(maps[image.number], thresholds, image, broden, plain)
    # A pixel that has a label in two of its image's label maps counts twice in plain scripts.
    assert (plain.label_area >= tally.label_area).all()
    np.testing.assert_allclose(plain.label_area, tally.label_area, rtol=0.01)
    np.testing.assert_array_equal(plain.unit_area > 0, tally.unit_area > 0)
    # Pillow resizes as if maps covered the image, whereas receptive fields reach beyond it.
    assert np.corrcoef(plain.intersection.ravel(), tally.intersection.ravel())[0, 1] > 0.95
    assert plain.unit_area.sum() == pytest.approx(tally.unit_area.sum(), rel=0.1)


def test_a_wrong_threshold_is_found(plain, benchmark, tmp_path):
    thresholds = np.load(tmp_path / "thresholds.npy")
    thresholds[0] = np.nextafter(thresholds[0], np.float32(np.inf))
    np.save(tmp_path / "thresholds.npy", thresholds)
    with pytest.raises(benchmark[1].baseline.Mismatch, match="threshold of unit 1 "):
        plain()


@pytest.mark.parametrize("name", ["intersection", "unit_area", "label_area"])
def test_a_wrong_count_is_found(plain, benchmark, monkeypatch, name):
    stages = benchmark[1]

    def wrong(*arguments, **options):
        tally = right(*arguments, **options)
        counts = getattr(tally, name).copy()
        counts[0, ..., -1] += 1
        return dataclasses.replace(tally, **{name: counts})

    right = stages.tally_overlaps
    monkeypatch.setattr(stages, "tally_overlaps", wrong)
    with pytest.raises(stages.baseline.Mismatch, match=name):
        plain()


@pytest.mark.usefixtures("torch_settings")
def test_the_forward_pass_runs_on_a_gpu_where_there_is_one(benchmark):
    with pretended_gpu():
        assert benchmark[1].forward(images=2, batch_size=1, threads=1)() == {
            "device": "pretended GPU"
        }


def test_times_of_a_run_by_rule(tmp_path):
    for path, seconds in (("a/1.jsonl", 3), ("a/2.jsonl", 4), ("b.jsonl", 1)):
        file = tmp_path / "benchmarks" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'{{"s": {seconds}, "max_pss": {seconds}}}\n')
    command = [sys.executable, str(ROOT / "benchmarks/jobs.py")]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout.splitlines()[2:] == [
        "| a | 2 | 7 | 87.5% | 4 |",
        "| b | 1 | 1 | 12.5% | 1 |",
        "| together | 3 | 8 | 100.0% | 4 |",
    ]
    missing = subprocess.run([*command, str(tmp_path / "b")], capture_output=True, text=True)
    assert missing.returncode == 1
    assert "has no measurements" in missing.stderr
