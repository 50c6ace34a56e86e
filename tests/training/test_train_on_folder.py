"""Training from a folder of images: the same rule, other batches."""

import multiprocessing
import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
import trainings
from photographs import class_folders
from PIL import Image
from repository import SCRIPTS
from trainings import equal

import dissection.training.train
from dissection.errors import InputError
from dissection.rotation.accuracy import rotated_accuracy
from dissection.rotation.matrices import random_rotation
from dissection.training.architectures import build
from dissection.training.data import count_classes, open_training_data
from dissection.training.image_batches import ImageLoader, load_image, scaled_side
from dissection.training.image_folder import index_images
from dissection.training.tasks import TASKS
from dissection.training.train import held_out_batches

pytestmark = pytest.mark.usefixtures("torch_settings")
# The small AlexNet with the paper's rule: three iterations an epoch.
SPEC = {
    **{"architecture": "alexnet", "task": "scene", "seed": 3, "dropout": 0.5},
    **{"batch_norm": False, "head": "fc", "width": 1, "snapshots": [0, 4]},
    "training": trainings.SETTINGS
    | {
        **{"epochs": 12, "iterations": 7, "batch_size": 4, "learning_rate": 0.01},
        **{"optimizer": "sgd", "weight_decay": 5e-4},
        **{"schedule": "step", "step_size": 5, "checkpoint_iterations": 2},
    },
}


def indexed(folder):
    index_images(folder, folder / "index")
    return folder / "index"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return indexed(class_folders(tmp_path_factory.mktemp("photographs")))


def run(data, folder, spec=SPEC, workers=0):
    return trainings.run(spec, data, folder, workers)


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    return run(data, tmp_path_factory.mktemp("undisturbed"))


def test_table_has_snapshots_ends_of_epochs_and_the_end(undisturbed):
    assert list(undisturbed[1]["iteration"]) == [0, 3, 4, 6, 7]
    assert undisturbed[1]["accuracy"].between(0, 1).all()


@pytest.mark.parametrize("stop", [2, 5, 6, 7])
def test_interrupted_training_ends_with_the_same_weights(data, undisturbed, tmp_path, stop):
    trainings.run_interrupted(SPEC, data, tmp_path, stop)
    with trainings.iterations() as done:
        weights, table = run(data, tmp_path)
    kept = max(i for i in (0, 2, 3, 4, 6) if i < stop)
    assert len(done) == 7 - kept  # what was kept is not repeated
    assert equal(weights, undisturbed[0])
    pd.testing.assert_frame_equal(table, undisturbed[1])


def test_it_learns(data, tmp_path):
    # At ten times the rate the loss jumps, and the end depends on the processor's rounding.
    settings = SPEC["training"] | {"iterations": 40, "step_size": 100, "learning_rate": 0.001}
    spec = SPEC | {"batch_norm": True, "training": settings, "snapshots": []}
    _, table = run(data, tmp_path, spec)
    assert table["accuracy"].iloc[-1] > 0.9


@pytest.mark.parametrize(
    "options", [{}, {"head": "gap", "width": 3}, {"head": "gap", "batch_norm": True}]
)
def test_the_paper_s_alexnet(data, tmp_path, options):
    settings = SPEC["training"] | {"iterations": 2, "checkpoint_iterations": 100}
    spec = SPEC | {"architecture": "caffenet", "snapshots": [], "training": settings} | options
    weights, table = run(data, tmp_path, spec)
    torch.manual_seed(SPEC["seed"])
    initial = build(spec, 3).state_dict()
    assert {key: value.shape for key, value in weights.items()} == {
        key: value.shape for key, value in initial.items()
    }
    assert not torch.equal(weights["conv1.0.weight"], initial["conv1.0.weight"])
    assert np.isfinite(table["loss"].iloc[-1])


@pytest.mark.parametrize("task", ["rotation", "colorization", "puzzle"])
def test_tasks_without_labels(data, tmp_path, task):
    settings = SPEC["training"] | {"iterations": 1}
    spec = SPEC | {"task": task, "snapshots": [], "training": settings}
    assert np.isfinite(run(data, tmp_path, spec)[1]["loss"].iloc[-1])


def test_crops_lie_in_the_scaled_image(data):
    """Every batch again, image by image, from what was drawn."""
    source = open_training_data(data, TASKS["scene"], 64, batch_size=4)
    table = pd.read_csv(data / "images.csv").query("part == 'train'")
    rng = np.random.default_rng(1)
    drawn = source.draw(rng)
    assert sorted(drawn[:, 0]) == list(range(15))
    margin = scaled_side(64) - 64
    assert (drawn[:, 1:3].min(), drawn[:, 1:3].max()) == (0, margin)
    assert 0 < drawn[:, 3].sum() < 15
    inputs, targets = (torch.cat(parts) for parts in zip(*source.batches(drawn, rng), strict=True))
    assert inputs.shape == (15, 3, 64, 64)
    for pixels, target, (number, top, left, mirrored) in zip(inputs, targets, drawn, strict=True):
        row = table.iloc[number]
        with Image.open(row["image"]) as image:
            scaled = np.asarray(image.resize((72, 72), Image.Resampling.BILINEAR))
        expected = scaled[top : top + 64, left : left + 64]
        expected = np.fliplr(expected) if mirrored else expected
        assert np.array_equal(pixels.permute(1, 2, 0), expected)
        assert target == row["label"]


def test_puzzles_are_not_mirrored(data):
    source = open_training_data(data, TASKS["puzzle"], 64)
    assert not source.draw(np.random.default_rng(1))[:, 3].any()


def test_held_out_images_are_middles_in_small_batches(data, monkeypatch):
    monkeypatch.setattr("dissection.training.data.EVALUATION_BATCH", 4)
    source = open_training_data(data, TASKS["scene"], 227)
    batches = list(source.held_out())
    assert [len(inputs) for inputs, _ in batches] == [4, 4, 1]
    table = pd.read_csv(data / "images.csv").query("part == 'held_out'")
    assert torch.cat([targets for _, targets in batches]).tolist() == list(table["label"])
    first = load_image(table["image"].iloc[0], 256)[14 : 14 + 227, 14 : 14 + 227]
    assert np.array_equal(batches[0][0][0].permute(1, 2, 0), first)
    assert count_classes(data) == 3


def test_accuracy_in_a_rotated_basis_is_the_network_s_own(data, undisturbed):
    weights, table = undisturbed
    model = build(SPEC, 3)
    model.load_state_dict(weights)
    batches = held_out_batches(data, TASKS["scene"], 64)
    assert not isinstance(batches, list)  # one batch in memory at a time
    rotations = [np.eye(96), random_rotation(96, 1)]
    found = rotated_accuracy(model.eval(), "conv5", batches, rotations)
    assert found == [table["accuracy"].iloc[-1]] * 2


def test_broken_image_is_named_and_training_goes_on_when_it_is_mended(tmp_path, undisturbed):
    folder = class_folders(tmp_path / "photographs")
    data = indexed(folder)
    broken = folder / "train/beach/1.jpg"
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError) as caught:
        run(data, tmp_path)
    assert f"The training image {broken} cannot be read" in str(caught.value)
    assert "Replace it" in str(caught.value)
    broken.write_bytes(whole)
    assert equal(run(data, tmp_path)[0], undisturbed[0])


def test_workers_change_nothing_and_send_a_plain_message(data, tmp_path):
    """An epoch, one that is left, and one that ends with an image that is missing."""
    files = pd.read_csv(data / "images.csv")["image"].to_numpy(object)
    places = np.tile([3, 5, 1], (len(files), 1))
    crops = [(files[i : i + 4], places[i : i + 4]) for i in range(0, len(files), 4)]
    missing = str(tmp_path / "missing.jpg")
    expected = list(ImageLoader(64, workers=0).batches(crops))
    loader = ImageLoader(64, workers=2)
    for batch, found in zip(expected, loader.batches(crops), strict=True):
        assert torch.equal(batch, found)
    assert torch.equal(next(loader.batches(crops[::-1])), expected[-1])
    ahead = loader.batches([*crops, ([missing], places[:1])])
    for batch in expected:
        assert torch.equal(batch, next(ahead))
    with pytest.raises(InputError) as caught:
        next(ahead)
    assert str(caught.value).startswith(f"The training image {missing} cannot be read")
    assert "Traceback" not in str(caught.value)


def test_training_with_workers_has_the_same_weights_also_if_one_is_killed(
    data, undisturbed, tmp_path, monkeypatch
):
    """A worker is killed while an epoch is measured; the next try goes on."""
    original = dissection.training.train.evaluate

    def killing(*arguments):
        accuracy = original(*arguments)
        if processes := multiprocessing.active_children():
            monkeypatch.setattr(dissection.training.train, "evaluate", original)
            os.kill(processes[0].pid, signal.SIGKILL)
            processes[0].join()
        return accuracy

    monkeypatch.setattr(dissection.training.train, "evaluate", killing)
    with pytest.raises(InputError, match=r"killed.*training\.workers") as caught:
        run(data, tmp_path, workers=1)
    assert "DataLoader" not in str(caught.value)
    with trainings.iterations() as done:
        weights, table = run(data, tmp_path, workers=1)
    assert len(done) < 7
    assert equal(weights, undisturbed[0])
    pd.testing.assert_frame_equal(table, undisturbed[1])


ENDING = """
import multiprocessing, os, signal, sys, time
import numpy as np
from dissection.training.image_batches import ImageLoader
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's "&" takes away
    place = np.zeros((1, 3), int)
    busy, idle = ImageLoader(227, workers=2), ImageLoader(227, workers=1)
    batches = busy.batches([([sys.argv[1]], place)] * 20)
    next(batches)
    list(idle.batches([([sys.argv[1]], place)]))
    print(len(multiprocessing.active_children()), flush=True)
    time.sleep(1)  # until the busy ones have loaded more than anybody takes
    os.kill(os.getpid(), int(sys.argv[2]))
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_training(data, tmp_path, number):
    (tmp_path / "script.py").write_text(ENDING)
    image = pd.read_csv(data / "images.csv")["image"][0]
    result = subprocess.run(
        [sys.executable, str(tmp_path / "script.py"), image, str(number.value)],
        env=os.environ | {"PYTHONPATH": str(SCRIPTS)},
        # At their end only when the workers, which inherit them, have ended too.
        capture_output=True,
        timeout=600,
        text=True,
    )
    assert result.returncode == -number
    assert result.stdout == "3\n"
    assert result.stderr.count("Traceback") == (number is signal.SIGINT)  # the training's own


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", None])
def test_no_image_at_all(tmp_path, content):
    file = tmp_path / "image.jpg"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=r"image\.jpg cannot be read"):
        load_image(str(file), 64)


def test_grey_and_transparent_images_become_rgb(tmp_path):
    for mode in ("L", "RGBA", "P", "CMYK"):
        file = tmp_path / f"{mode}.tif"
        Image.new(mode, (30, 20)).save(file)
        assert load_image(str(file), 8).shape == (8, 8, 3)


@pytest.mark.parametrize("others", [{"training": 4}, {"held_out": 4}])
def test_changed_index_starts_afresh(data, tmp_path, others):
    trainings.run_interrupted(SPEC, data, tmp_path, 5)
    other = indexed(class_folders(tmp_path / "photographs", **others))
    with trainings.iterations() as done:
        run(other, tmp_path)
    assert len(done) == 7
