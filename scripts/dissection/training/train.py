"""Train one network, with snapshots; an interrupted training goes on where it was."""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from dissection.errors import InputError
from dissection.jobs.devices import best_device
from dissection.jobs.files import whole_file, whole_folder
from dissection.jobs.logs import log, progress
from dissection.training.architectures import TrainedNetwork, build
from dissection.training.checkpoint import TrainingState
from dissection.training.data import TrainingData, count_classes, open_training_data
from dissection.training.schedules import make_optimizer, rate_factor
from dissection.training.settings import NEUTRAL, last_iteration
from dissection.training.tasks import TASKS, Task

CHECKPOINT = 5000  # iterations, if the settings do not say how many


def train(
    spec: Mapping,
    data: str | Path,
    weights: str | Path,
    table: str | Path,
    snapshots: str | Path,
    unfinished: str | Path,
    workers: int = 0,
) -> None:
    """Train a network and write its weights, its snapshots and its accuracy over time.

    At the end of every epoch, and every ``checkpoint_iterations``, the state is kept in
    ``unfinished``; another call with the same specification and data goes on from there and, on
    the CPU, ends with the same weights, bit for bit, as an undisturbed training. Random numbers
    depend on seed and iteration alone.

    Parameters
    ----------
    spec : mapping
        ``architecture`` and its options (see `architectures.build`), ``task``, ``seed``,
        ``snapshots`` (iterations), ``training``: ``epochs`` or, before it, ``iterations``;
        ``batch_size``, ``threads``, ``mixed_precision`` (on a GPU; false if it is not given),
        ``checkpoint_iterations``, and what `schedules` needs.
    data : path
        A training set of either kind (see `training_data.open_training_data`).
    weights : path
        Gets the state dict after the last iteration.
    table : path
        Gets the columns iteration, loss (mean since the row before; empty at first), accuracy
        (share of held-out images): at every snapshot and at the end of every epoch.
    snapshots : path
        Folder that gets ``<iteration>.pt``, state dicts.
    unfinished : path
        Folder of the interrupted training; removed at the end.
    workers : int
        Processes that load images from files. Changes no result.

    Raises
    ------
    InputError
        If the loss is not a number, a snapshot lies beyond the last iteration, an image cannot
        be read, or the data does not fit the network.
    """
    settings, task = spec["training"], TASKS[spec["task"]]
    torch.set_num_threads(settings["threads"])
    torch.use_deterministic_algorithms(True, warn_only=True)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # a GPU's products need it for that
    # Memory that is written anyway need not be filled first.
    torch.utils.deterministic.fill_uninitialized_memory = False
    device = best_device()
    if task.head is not None:
        spec = dict(spec) | {"head": task.head}
    classes = task.classes or count_classes(data)
    torch.manual_seed(spec["seed"])
    model = build(spec, classes)
    model.to(device, memory_format=torch.channels_last)
    batch_size = settings["batch_size"]
    source = open_training_data(data, task, model.input_size[0], batch_size, workers)
    steps = source.images // batch_size  # in an epoch
    last = last_iteration(settings, source.images)
    if steps == 0 and settings.get("iterations", settings.get("epochs")):
        raise InputError(
            f"There are {source.images} training images, fewer than one batch of {batch_size}. "
            "Lower training.batch_size or give more images."
        )
    wanted = sorted(spec["snapshots"])
    if wanted and wanted[-1] > last:
        raise InputError(
            f"A snapshot is wanted after {wanted[-1]} iterations, but the training has {last} "
            f"({steps} in an epoch). Leave out later snapshots."
        )
    optimizer = make_optimizer(model.parameters(), settings)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate_factor(settings, last))
    mixed = mixed_type(device, settings.get("mixed_precision", False))
    # Gradients of float16 vanish unless the loss is scaled up.
    scaler = torch.amp.GradScaler(device.type, enabled=mixed is torch.float16)

    unfinished = Path(unfinished)
    state = TrainingState(
        unfinished, _fingerprint(spec, source), [model, optimizer, schedule, scaler]
    )
    if state.iteration:
        log.info("An interrupted training goes on after iteration %d", state.iteration)

    def measure(iteration: int, loss: float) -> None:
        if iteration in wanted:
            _save(model.state_dict(), unfinished / f"{iteration}.pt")
        accuracy = evaluate(model, source, device)
        state.rows.append({"iteration": iteration, "loss": loss, "accuracy": accuracy})

    def learn(inputs: torch.Tensor, targets: torch.Tensor) -> float:
        with torch.autocast(device.type, dtype=mixed, enabled=mixed is not None):
            outputs = model(_prepare(inputs, device))
            loss = nn.functional.cross_entropy(outputs, targets.to(device))
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
        return loss.item()

    if state.iteration == 0:
        measure(0, math.nan)
    log.info("%d iterations, %d in an epoch", last, steps)
    while state.iteration < last:
        epoch, done = divmod(state.iteration, steps)
        end = min((epoch + 1) * steps, last)
        rng = np.random.default_rng([spec["seed"], epoch])
        torch.manual_seed(int(rng.integers(2**63)))  # for dropout
        drawn = source.draw(rng)[done * batch_size : (end - epoch * steps) * batch_size]
        if done:
            state.restore_generators(rng)
        model.train()
        batches = source.batches(drawn, rng)
        what = f"iterations of epoch {epoch + 1}"
        for inputs, targets in progress(batches, what, total=end - state.iteration):
            loss = learn(inputs, targets)
            state.iteration += 1
            state.losses.append(loss)
            if not math.isfinite(loss):
                raise InputError(
                    f"The loss is not a number after {state.iteration} iterations. Lower "
                    f"training.learning_rate, which is {settings['learning_rate']}."
                )
            if state.iteration in wanted or state.iteration == end:
                measure(state.iteration, float(np.mean(state.losses)))
                state.losses = []
                model.train()
            every = settings.get("checkpoint_iterations", CHECKPOINT)
            if state.iteration % every == 0 or state.iteration == end:
                state.keep(rng)
        log.info(
            "epoch %d, iteration %d of %d: loss %.3f, accuracy %.3f",
            *(epoch + 1, end, last, state.rows[-1]["loss"], state.rows[-1]["accuracy"]),
        )

    with whole_folder(snapshots) as folder:
        for number in wanted:
            shutil.copyfile(unfinished / f"{number}.pt", folder / f"{number}.pt")
    with whole_file(table) as path:
        pd.DataFrame(state.rows).to_csv(path, index=False)
    _save(model.state_dict(), Path(weights))
    shutil.rmtree(unfinished, ignore_errors=True)


@torch.inference_mode()
def evaluate(model: TrainedNetwork, source: TrainingData, device: torch.device) -> float:
    """Return the share of held-out targets that a network gets right, on images as they are."""
    model.eval()
    right = total = 0
    for inputs, targets in source.held_out():
        found = model(_prepare(inputs, device)).argmax(1).cpu()
        right += int((found == targets).sum())
        total += targets.numel()
    return right / total


def held_out_batches(
    data: str | Path, task: Task, size: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield all held-out images as inputs, float32 (n, 3, size, size), and their targets."""
    for inputs, targets in open_training_data(data, task, size).held_out():
        yield _prepare(inputs, torch.device("cpu")), targets


def mixed_type(device: torch.device, wanted: bool) -> torch.dtype | None:
    """Return the 16-bit type to compute in, or None for float32: always, on a CPU."""
    if not wanted or device.type != "cuda":
        return None
    # bfloat16 has the range of float32; older GPUs only emulate it, slowly.
    fast = torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if fast else torch.float16


def _prepare(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    mean, std = TrainedNetwork.mean[0], TrainedNetwork.std[0]
    images = images.to(device, non_blocking=True).contiguous(memory_format=torch.channels_last)
    return (images.float() - mean) / std


def _save(content: dict, path: Path) -> None:
    with whole_file(path) as partial:
        torch.save(content, partial)


def _fingerprint(spec: Mapping, source: TrainingData) -> str:
    """Of everything that the weights depend on: another one starts afresh."""
    settings = {key: value for key, value in spec["training"].items() if key not in NEUTRAL}
    text = json.dumps(dict(spec) | {"training": settings}, sort_keys=True)
    return hashlib.sha256((text + source.fingerprint()).encode()).hexdigest()
