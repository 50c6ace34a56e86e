"""Training: learns, resumes bit for bit, keeps snapshots, refuses what cannot work."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
import trainings
from trainings import equal

import dissection.training.train
from dissection.errors import InputError
from dissection.rotation.accuracy import rotated_accuracy
from dissection.rotation.matrices import random_rotation
from dissection.training.architectures import build, classes_of
from dissection.training.settings import NEUTRAL
from dissection.training.tasks import TASKS
from dissection.training.train import held_out_batches, mixed_type

SPEC = {
    **{"architecture": "alexnet", "task": "scene", "seed": 3, "dropout": 0.5},
    **{"batch_norm": True, "head": "fc", "width": 1, "snapshots": [0, 3, 4]},
    "training": trainings.SETTINGS | {"epochs": 3},
}
pytestmark = pytest.mark.usefixtures("torch_settings")
STEPS = 4  # an epoch


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return trainings.draw_images(tmp_path_factory.mktemp("data"), 8 * STEPS + 3, 10, classes=4)


def run(data, folder, spec=SPEC):
    return trainings.run(spec, data, folder)


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, *run(data, folder)


def test_table_has_snapshots_and_ends_of_epochs(undisturbed):
    _, _, table = undisturbed
    assert list(table.columns) == ["iteration", "loss", "accuracy"]
    assert list(table["iteration"]) == [0, 3, 4, 8, 12]
    assert math.isnan(table["loss"][0])
    assert table["loss"].iloc[-1] < table["loss"][1]
    assert table["accuracy"].between(0, 1).all()


def test_snapshots_are_what_was_asked_for(undisturbed):
    folder, weights, _ = undisturbed
    assert sorted(path.name for path in (folder / "snapshots").iterdir()) == [
        "0.pt",
        "3.pt",
        "4.pt",
    ]
    torch.manual_seed(SPEC["seed"])
    initial = build(SPEC, 4).state_dict()
    assert equal(torch.load(folder / "snapshots/0.pt", weights_only=True), initial)
    assert not equal(torch.load(folder / "snapshots/4.pt", weights_only=True), weights)
    assert not (folder / "unfinished").exists()


@pytest.mark.parametrize("stop", [2, 5, 8, 11])
def test_interrupted_training_ends_with_the_same_weights(data, undisturbed, tmp_path, stop):
    trainings.run_interrupted(SPEC, data, tmp_path, stop)
    assert not (tmp_path / "weights.pt").exists()
    with trainings.iterations() as done:
        weights, table = run(data, tmp_path)
    assert len(done) == (3 - (stop - 1) // STEPS) * STEPS  # finished epochs are not repeated
    assert equal(weights, undisturbed[1])
    pd.testing.assert_frame_equal(table, undisturbed[2])


def test_unfinished_training_of_another_setting_is_not_resumed(
    data, undisturbed, tmp_path, monkeypatch
):
    other = SPEC | {"dropout": 0.2}
    monkeypatch.setattr(dissection.training.train.shutil, "rmtree", lambda *a, **k: None)
    run(data, tmp_path, other)  # leaves its unfinished state behind
    monkeypatch.undo()
    assert equal(run(data, tmp_path)[0], undisturbed[1])


@pytest.mark.parametrize("edited", ["held_out_images.npy", "held_out_labels.npy", "train.py"])
def test_unfinished_training_with_other_held_out_images_or_code_is_not_resumed(tmp_path, edited):
    """What it was measured on, and the code that trained: of either the half of another."""
    data = tmp_path / "data"
    data.mkdir()
    trainings.draw_images(data, 8 * STEPS, 10, classes=4)
    code = [tmp_path / name for name in ("data.py", "train.py")]
    for file in code:
        file.write_text("before")
    with trainings.iterations(STEPS + 2), pytest.raises(KeyboardInterrupt):
        trainings.run(SPEC, data, tmp_path, code=code)
    if edited == "train.py":
        code[1].write_text("after")
    else:
        values = np.load(data / edited)
        np.save(data / edited, values[::-1])
    with trainings.iterations() as done:
        trainings.run(SPEC, data, tmp_path, code=code)
    assert len(done) == 3 * STEPS


def test_settings_that_change_no_weights_do_not_start_a_training_afresh(
    data, undisturbed, tmp_path
):
    trainings.run_interrupted(SPEC, data, tmp_path, STEPS + 2)
    other = dict.fromkeys(NEUTRAL, 3)
    with trainings.iterations() as done:
        weights, _ = run(data, tmp_path, SPEC | {"training": SPEC["training"] | other})
    assert len(done) == 2 * STEPS
    assert equal(weights, undisturbed[1])


def test_untrained_network(data, tmp_path):
    spec = SPEC | {"snapshots": [], "training": SPEC["training"] | {"epochs": 0}}
    weights, table = run(data, tmp_path, spec)
    torch.manual_seed(SPEC["seed"])
    assert equal(weights, build(spec, 4).state_dict())
    assert list(table["iteration"]) == [0]


@pytest.mark.parametrize("task", ["object", "rotation", "colorization", "puzzle"])
def test_every_task_trains(data, tmp_path, task):
    spec = SPEC | {"task": task, "snapshots": [], "training": SPEC["training"] | {"epochs": 1}}
    _, table = run(data, tmp_path, spec)
    assert np.isfinite(table["loss"].iloc[-1])


def test_it_learns(data, tmp_path):
    spec = SPEC | {"snapshots": [], "training": SPEC["training"] | {"epochs": 12}}
    assert run(data, tmp_path, spec)[1]["accuracy"].iloc[-1] > 0.6


def test_snapshot_beyond_the_end_is_refused(data, tmp_path):
    with pytest.raises(InputError, match="after 13 iterations, but the training has 12"):
        run(data, tmp_path, SPEC | {"snapshots": [13]})


def test_loss_that_is_not_a_number_stops_it(data, tmp_path):
    spec = SPEC | {"training": SPEC["training"] | {"learning_rate": 1e30}}
    with pytest.raises(InputError, match="learning_rate"):
        run(data, tmp_path, spec | {"batch_norm": False})
    assert not (tmp_path / "weights.pt").exists()


def test_iterations_instead_of_epochs(data, undisturbed, tmp_path):
    settings = SPEC["training"] | {"iterations": 6, "schedule": "step", "step_size": 4}
    _, table = run(data, tmp_path, SPEC | {"training": settings})
    assert list(table["iteration"]) == [0, 3, 4, 6]
    same = SPEC["training"] | {"epochs": 0, "iterations": 12}
    weights, table = run(data, tmp_path / "same", SPEC | {"training": same})
    assert equal(weights, undisturbed[1])
    pd.testing.assert_frame_equal(table, undisturbed[2])


# The accuracy never rises: steps are too small to change anything.
FLAT = SPEC["training"] | {"schedule": "plateau", "patience": 2, "learning_rate": 1e-12}
FLAT = SPEC | {"training": FLAT | {"epochs": 50}, "batch_norm": False}


@pytest.fixture(scope="module")
def flat(data, tmp_path_factory):
    return run(data, tmp_path_factory.mktemp("flat"), FLAT)


def test_training_ends_when_the_accuracy_has_stopped_rising(flat):
    _, table = flat
    assert list(table["iteration"]) == [0, 3, *(STEPS * epoch for epoch in range(1, 8))]
    rates = table["learning_rate"].iloc[2:] * 1e12
    assert list(rates) == pytest.approx([1] * 3 + [0.1] * 2 + [0.01] * 2)


@pytest.mark.parametrize("stop", [14, 27])
def test_interrupted_training_ends_at_the_same_plateau(data, flat, tmp_path, stop):
    trainings.run_interrupted(FLAT, data, tmp_path, stop)
    weights, table = run(data, tmp_path, FLAT)
    assert equal(weights, flat[0])
    pd.testing.assert_frame_equal(table, flat[1])


def test_a_training_may_end_before_its_plateaus(data, tmp_path, caplog):
    rising = SPEC | {"training": SPEC["training"] | {"schedule": "plateau", "epochs": 2}}
    _, table = run(data, tmp_path, rising)
    assert table["iteration"].iloc[-1] == 2 * STEPS
    assert "has not stopped rising: raise training.epochs" in caplog.text


def test_snapshot_that_a_plateau_may_forestall_is_refused(data, tmp_path):
    with pytest.raises(InputError, match=r"after 29 iterations, but .* may have only 28"):
        run(data, tmp_path, FLAT | {"snapshots": [28, 29]})


@pytest.mark.parametrize("stop", [2, 4, 7, 12])
def test_checkpoints_within_an_epoch_change_nothing(data, undisturbed, tmp_path, stop):
    spec = SPEC | {"training": SPEC["training"] | {"checkpoint_iterations": 2}}
    trainings.run_interrupted(spec, data, tmp_path, stop)
    with trainings.iterations() as done:
        weights, table = run(data, tmp_path, spec)
    assert len(done) == 12 - (stop - 1) // 2 * 2  # of the finished ones at most one is repeated
    assert equal(weights, undisturbed[1])
    pd.testing.assert_frame_equal(table, undisturbed[2])


def test_mixed_precision_is_for_gpus(data, undisturbed, tmp_path, monkeypatch):
    settings = SPEC["training"] | {"mixed_precision": True}
    if not torch.cuda.is_available():
        weights, _ = run(data, tmp_path, SPEC | {"training": settings})
        assert equal(weights, undisturbed[1])
    for fast, expected in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda fast=fast, **_: fast)
        assert mixed_type(torch.device("cuda"), True) is expected
        assert mixed_type(torch.device("cuda"), False) is None
        assert mixed_type(torch.device("cpu"), True) is None


def test_fewer_images_than_a_batch_are_refused(data, tmp_path):
    spec = SPEC | {"training": SPEC["training"] | {"batch_size": 64}}
    with pytest.raises(InputError, match="35 training images, fewer than one batch of 64"):
        run(data, tmp_path, spec)


def test_images_of_another_size_than_the_network_s_are_refused(data, tmp_path):
    with pytest.raises(InputError, match=r"64 x 64 pixels.*227 x 227.*training_set.folder"):
        run(data, tmp_path, SPEC | {"architecture": "caffenet", "head": "gap"})


@pytest.mark.parametrize("task", ["scene", "rotation", "colorization"])
def test_accuracy_in_a_rotated_basis_is_the_network_s_own(data, tmp_path, task):
    spec = SPEC | {"task": task, "snapshots": [], "training": SPEC["training"] | {"epochs": 1}}
    weights, table = run(data, tmp_path, spec)
    model = build(spec | ({"head": "cells"} if task == "colorization" else {}), classes_of(weights))
    model.load_state_dict(weights)
    rotations = [np.eye(96), random_rotation(96, 1)]
    batches = held_out_batches(data, TASKS[task], 64)
    found = rotated_accuracy(model.eval(), "conv5", batches, rotations)
    assert found == pytest.approx([table["accuracy"].iloc[-1]] * 2, abs=0.02)
    assert found[0] == table["accuracy"].iloc[-1]
