"""Train one network, with snapshots; an interrupted training goes on where it was."""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import PIL
import torch
from torch import nn

from dissection.errors import InputError
from dissection.jobs.devices import best_device, device_name
from dissection.jobs.files import whole_file, whole_folder
from dissection.jobs.logs import log, progress
from dissection.training.architectures import TrainedNetwork, build
from dissection.training.checkpoint import TrainingState
from dissection.training.data import TrainingData, count_classes, open_training_data
from dissection.training.held_out import count_held_out
from dissection.training.image_batches import killed_workers_explained
from dissection.training.schedules import Plateau, make_optimizer, make_schedule
from dissection.training.settings import (
    NEUTRAL,
    PLATEAUS,
    certain_iterations,
    last_iteration,
)
from dissection.training.tasks import TASKS, Task


def train(
    spec: Mapping,
    data: str | Path,
    weights: str | Path,
    table: str | Path,
    snapshots: str | Path,
    unfinished: str | Path,
    code: Sequence[str | Path],
    workers: int = 0,
) -> None:
    """Train a network and write its weights, its snapshots and its accuracy over time.

    At the end of every epoch, and every ``checkpoint_iterations``, the state is kept in
    ``unfinished``; another call with the same specification, data and code goes on from there
    and, on the CPU, ends with the same weights, bit for bit, as an undisturbed training. Random
    numbers depend on seed and iteration alone.

    Parameters
    ----------
    spec : mapping
        ``architecture`` and its options (see `architectures.build`), ``task``, ``seed``,
        ``snapshots`` (iterations), ``training``: ``epochs`` or, before it, ``iterations``;
        ``batch_size``, ``threads``, ``mixed_precision`` (on a GPU), ``checkpoint_iterations``,
        and what `schedules` needs.
    data : path
        A training set of either kind (see `data.open_training_data`).
    weights : path
        Gets the state dict after the last iteration.
    table : path
        Gets the columns iteration, loss (mean since the row before; empty at first), accuracy
        (share of held-out images): at every snapshot and at the end of every epoch. Of the schedule
        "plateau" also learning_rate, that of the iterations before.
    snapshots : path
        Folder that gets ``<iteration>.pt``, state dicts.
    unfinished : path
        Folder of the interrupted training; removed at the end.
    code : sequence of paths
        The source files that the training runs. After a change in one of them an interrupted
        training starts afresh.
    workers : int
        Processes that load images from files. Changes no result.

    Raises
    ------
    InputError
        If the loss is not a number, a snapshot may lie beyond the last iteration, an image cannot
        be read, a worker is killed, or the data does not fit the network.
    """
    _fix_arithmetic(spec["training"]["threads"])
    unfinished = Path(unfinished)
    training = _Training(spec, data, unfinished, code, workers)
    with killed_workers_explained():
        training.run()
    with whole_folder(snapshots) as folder:
        for number in spec["snapshots"]:
            shutil.copyfile(unfinished / f"{number}.pt", folder / f"{number}.pt")
    with whole_file(table) as path:
        pd.DataFrame(training.state.rows).to_csv(path, index=False)
    _save(training.model, Path(weights))
    shutil.rmtree(unfinished, ignore_errors=True)


def _fix_arithmetic(threads: int) -> None:
    """Let torch do the same arithmetic in every training."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # a GPU's products need it for that
    # Memory that is written anyway need not be filled first.
    torch.utils.deterministic.fill_uninitialized_memory = False


class _Training:
    """A training in progress. Parameters as of `train`.

    Attributes
    ----------
    model : TrainedNetwork
    state : TrainingState
        How far it is; that of an interrupted training if there is one in ``unfinished``.
    """

    def __init__(
        self,
        spec: Mapping,
        data: str | Path,
        unfinished: Path,
        code: Sequence[str | Path],
        workers: int,
    ) -> None:
        self._settings, task = spec["training"], TASKS[spec["task"]]
        self._seed, self._wanted = spec["seed"], set(spec["snapshots"])
        self._batch_size = self._settings["batch_size"]
        self._unfinished, self._device = unfinished, best_device()
        if task.head is not None:
            spec = dict(spec) | {"head": task.head}
        torch.manual_seed(self._seed)
        self.model = build(spec, task.classes or count_classes(data))
        self.model.to(self._device, memory_format=torch.channels_last)
        self._source = open_training_data(
            data, task, self.model.input_size[0], self._batch_size, workers
        )
        self._steps = self._source.images // self._batch_size  # in an epoch
        self._last = last_iteration(self._settings, self._source.images)
        self._check_length()
        self._optimizer = make_optimizer(self.model.parameters(), self._settings)
        self._schedule = make_schedule(
            self._optimizer, self._settings, self._last, count_held_out(data)
        )
        # It goes by the accuracy, and may end the training before the last iteration.
        self._plateau = self._schedule if isinstance(self._schedule, Plateau) else None
        self._mixed = mixed_type(self._device, self._settings["mixed_precision"])
        # Gradients of float16 vanish unless the loss is scaled up.
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=self._mixed is torch.float16)
        parts = [self.model, self._optimizer, self._schedule, self._scaler]
        self.state = TrainingState(unfinished, _fingerprint(spec, self._source, code), parts)

    def run(self) -> None:
        """Train up to the last iteration, or until the accuracy has stopped rising."""
        if self.state.iteration:
            log.info("An interrupted training goes on after iteration %d", self.state.iteration)
        else:
            self._measure(math.nan)
        where = device_name(self._device)
        log.info("%d iterations, %d in an epoch; on: %s", self._last, self._steps, where)
        while self.state.iteration < self._last and not (self._plateau and self._plateau.over):
            self._epoch()
        if self._last and self._plateau and not self._plateau.over:
            log.warning("The accuracy has not stopped rising: raise training.epochs to go on")

    def _check_length(self) -> None:
        if self._steps == 0 and self._settings.get("iterations", self._settings["epochs"]):
            raise InputError(
                f"There are {self._source.images} training images, fewer than one batch of "
                f"{self._batch_size}. Lower training.batch_size or give more images."
            )
        latest = max(self._wanted, default=0)
        certain = certain_iterations(self._settings, self._source.images)
        if latest > certain:
            has = "may have only" if certain < self._last else "has"
            raise InputError(
                f"A snapshot is wanted after {latest} iterations, but the training {has} {certain} "
                f"({self._steps} in an epoch). Leave out later snapshots."
            )

    def _epoch(self) -> None:
        """Train up to the end of the current epoch, or of the training."""
        state = self.state
        epoch, done = divmod(state.iteration, self._steps)
        end = min((epoch + 1) * self._steps, self._last)
        rng = np.random.default_rng([self._seed, epoch])
        torch.manual_seed(int(rng.integers(2**63)))  # for dropout
        drawn = self._source.draw(rng)
        drawn = drawn[done * self._batch_size : (end - epoch * self._steps) * self._batch_size]
        if done:
            state.restore_generators(rng)
        self.model.train()
        batches = self._source.batches(drawn, rng)
        what = f"iterations of epoch {epoch + 1}"
        for inputs, targets in progress(batches, what, total=end - state.iteration):
            state.losses.append(self._learn(inputs, targets))
            state.iteration += 1
            self._check_loss()
            if state.iteration in self._wanted or state.iteration == end:
                self._measure(float(np.mean(state.losses)))
                state.losses = []
                self.model.train()
            if state.iteration == end and self._plateau:
                self._judge()
            if state.iteration % self._settings["checkpoint_iterations"] == 0 or (
                state.iteration == end
            ):
                state.keep(rng)
        log.info(
            "epoch %d, iteration %d of %d: loss %.3f, accuracy %.3f",
            *(epoch + 1, end, self._last, state.rows[-1]["loss"], state.rows[-1]["accuracy"]),
        )

    def _learn(self, inputs: torch.Tensor, targets: torch.Tensor) -> float:
        """Do one iteration and return its loss."""
        with torch.autocast(self._device.type, dtype=self._mixed, enabled=self._mixed is not None):
            outputs = self.model(_prepare(inputs, self._device))
            loss = nn.functional.cross_entropy(outputs, targets.to(self._device))
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        if not self._plateau:
            self._schedule.step()
        return loss.item()

    def _check_loss(self) -> None:
        if not math.isfinite(self.state.losses[-1]):
            raise InputError(
                f"The loss is not a number after {self.state.iteration} iterations. Lower "
                f"training.learning_rate, which is {self._settings['learning_rate']}."
            )

    def _measure(self, loss: float) -> None:
        """Add a row to the table, and keep a snapshot if one is wanted."""
        iteration = self.state.iteration
        if iteration in self._wanted:
            _save(self.model, self._unfinished / f"{iteration}.pt")
        accuracy = evaluate(self.model, self._source, self._device)
        row = {"iteration": iteration, "loss": loss, "accuracy": accuracy}
        if self._plateau:
            row["learning_rate"] = self._optimizer.param_groups[0]["lr"]
        self.state.rows.append(row)

    def _judge(self) -> None:
        """Let the schedule see the accuracy at the end of an epoch."""
        before = self._plateau.plateaus
        self._plateau.step(self.state.rows[-1]["accuracy"])
        if self._plateau.plateaus > before:
            log.info(
                "The accuracy has stopped rising for the %d. time of %d, at %.3f",
                *(self._plateau.plateaus, PLATEAUS, self._plateau.best),
            )


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


def _save(model: nn.Module, path: Path) -> None:
    weights = model.state_dict()
    for name in weights:
        # Where there is no GPU, a file of its tensors could not be read without more ado.
        weights[name] = weights[name].cpu()
    with whole_file(path) as partial:
        torch.save(weights, partial)


def _fingerprint(spec: Mapping, source: TrainingData, code: Sequence[str | Path]) -> str:
    """Of everything that weights and table depend on: another one starts afresh."""
    settings = {key: value for key, value in spec["training"].items() if key not in NEUTRAL}
    # They draw random numbers, decode images, and do the arithmetic.
    versions = [library.__version__ for library in (np, PIL, torch)]
    text = json.dumps([dict(spec) | {"training": settings}, versions], sort_keys=True)
    digest = hashlib.sha256(text.encode())
    for path in [*source.files, *code]:
        with Path(path).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
