"""Train one network, with snapshots; an interrupted training goes on where it was."""

import hashlib
import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from dissection.architectures import TrainedNetwork, build
from dissection.errors import InputError
from dissection.files import whole_file, whole_folder
from dissection.logs import log, progress
from dissection.tasks import TASKS, Task

EVALUATION_BATCH = 128
WARM_UP = 0.15  # of the iterations, until the learning rate is at its greatest


def train(
    spec: Mapping,
    data: str | Path,
    weights: str | Path,
    table: str | Path,
    snapshots: str | Path,
    unfinished: str | Path,
) -> None:
    """Train a network and write its weights, its snapshots and its accuracy over time.

    After every epoch the state is kept in ``unfinished``; another call with the same
    specification and data goes on from there and ends with the same weights, bit for bit, as an
    undisturbed training. Random numbers depend on seed and epoch alone.

    Parameters
    ----------
    spec : mapping
        ``architecture`` and its options (see `architectures.build`), ``task``, ``seed``,
        ``snapshots`` (iterations), ``training`` (epochs, batch_size, learning_rate,
        weight_decay, threads).
    data : path
        Folder with images.npy, labels.npy, held_out_images.npy, held_out_labels.npy.
    weights : path
        Gets the state dict after the last iteration.
    table : path
        Gets the columns iteration, loss (mean since the row before; empty at first), accuracy
        (share of held-out images): at every snapshot and at the end of every epoch.
    snapshots : path
        Folder that gets ``<iteration>.pt``, state dicts.
    unfinished : path
        Folder of the interrupted training; removed at the end.

    Raises
    ------
    InputError
        If the loss is not a number, or a snapshot lies beyond the last iteration.
    """
    settings, task = spec["training"], TASKS[spec["task"]]
    torch.set_num_threads(settings["threads"])
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Memory that is written anyway need not be filled first.
    torch.utils.deterministic.fill_uninitialized_memory = False
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images, labels, held_out, held_out_labels = _read(Path(data))
    if task.head is not None:
        spec = dict(spec) | {"head": task.head}
    torch.manual_seed(spec["seed"])
    model = build(spec, task.classes or int(labels.max()) + 1)
    model.to(device, memory_format=torch.channels_last)
    steps = len(images) // settings["batch_size"]
    last = steps * settings["epochs"]
    wanted = sorted(spec["snapshots"])
    if wanted and wanted[-1] > last:
        raise InputError(
            f"A snapshot is wanted after {wanted[-1]} iterations, but the training has {last} "
            f"({settings['epochs']} epochs of {steps}). Leave out later snapshots."
        )
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings["learning_rate"],
        weight_decay=settings["weight_decay"],
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: one_cycle(i, max(last, 1)))

    unfinished = Path(unfinished)
    state = _State(unfinished, _fingerprint(spec, Path(data)))
    first_epoch = state.resume(model, optimizer, schedule)
    rows: list[dict] = state.rows

    def measure(iteration: int, loss: float) -> None:
        accuracy = evaluate(model, task, held_out, held_out_labels, device)
        rows.append({"iteration": iteration, "loss": loss, "accuracy": accuracy})

    def snapshot(iteration: int) -> None:
        if iteration in wanted:
            _save(model.state_dict(), unfinished / f"{iteration}.pt")

    if first_epoch == 0:
        snapshot(0)
        measure(0, math.nan)
    iteration = first_epoch * steps
    log.info(
        "%d epochs of %d iterations, from epoch %d", settings["epochs"], steps, first_epoch + 1
    )
    for epoch in range(first_epoch, settings["epochs"]):
        rng = np.random.default_rng([spec["seed"], epoch])
        torch.manual_seed(int(rng.integers(2**63)))  # for dropout
        order = rng.permutation(len(images))
        losses: list[float] = []
        model.train()
        for step in progress(range(steps), f"iterations of epoch {epoch + 1}"):
            chosen = torch.from_numpy(
                order[step * settings["batch_size"] : (step + 1) * settings["batch_size"]]
            )
            inputs, targets = task.batch(images[chosen], labels[chosen], rng, training=True)
            loss = nn.functional.cross_entropy(model(_prepare(inputs, device)), targets.to(device))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            iteration += 1
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                raise InputError(
                    f"The loss is not a number after {iteration} iterations. Lower "
                    f"training.learning_rate, which is {settings['learning_rate']}."
                )
            if iteration in wanted or step == steps - 1:
                snapshot(iteration)
                measure(iteration, float(np.mean(losses)))
                losses = []
                model.train()
        log.info(
            "epoch %d of %d: loss %.3f, accuracy %.3f",
            epoch + 1,
            settings["epochs"],
            rows[-1]["loss"],
            rows[-1]["accuracy"],
        )
        state.keep(epoch + 1, model, optimizer, schedule)

    with whole_folder(snapshots) as folder:
        for number in wanted:
            shutil.copyfile(unfinished / f"{number}.pt", folder / f"{number}.pt")
    with whole_file(table) as path:
        pd.DataFrame(rows).to_csv(path, index=False)
    _save(model.state_dict(), Path(weights))
    shutil.rmtree(unfinished, ignore_errors=True)


def one_cycle(iteration: int, last: int) -> float:
    """Return the learning rate's factor: up over the first 15 % of the iterations, then down.

    Both ways along half a cosine, from 1/25 to 1 and to nearly 0.

    Examples
    --------
    >>> one_cycle(0, 100), one_cycle(15, 100), round(one_cycle(100, 100), 6)
    (0.04, 1.0, 0.0)
    """
    peak = WARM_UP * last
    if iteration < peak:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * iteration / peak)) / 2
    return (1 + math.cos(math.pi * min((iteration - peak) / (last - peak), 1))) / 2


@torch.inference_mode()
def evaluate(
    model: TrainedNetwork,
    task: Task,
    images: torch.Tensor,
    labels: torch.Tensor,
    device: torch.device,
) -> float:
    """Return the share of targets that a network gets right, on images as they are."""
    model.eval()
    rng = np.random.default_rng(0)  # the same rotations and puzzles at every evaluation
    right = total = 0
    for first in range(0, len(images), EVALUATION_BATCH):
        part = slice(first, first + EVALUATION_BATCH)
        inputs, targets = task.batch(images[part], labels[part], rng, training=False)
        found = model(_prepare(inputs, device)).argmax(1).cpu()
        right += int((found == targets).sum())
        total += targets.numel()
    return right / total


def held_out_batch(data: str | Path, task: Task) -> tuple[torch.Tensor, torch.Tensor]:
    """Return all held-out images as inputs, float32 (n, 3, h, w), and their targets."""
    *_, images, labels = _read(Path(data))
    inputs, targets = task.batch(images, labels, np.random.default_rng(0), training=False)
    return _prepare(inputs, torch.device("cpu")), targets


def _prepare(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    mean, std = TrainedNetwork.mean[0], TrainedNetwork.std[0]
    images = images.to(device).contiguous(memory_format=torch.channels_last)
    return (images.float() - mean) / std


def _read(folder: Path) -> list[torch.Tensor]:
    arrays = []
    for part in ("", "held_out_"):
        images = np.load(folder / f"{part}images.npy", allow_pickle=False)
        labels = np.load(folder / f"{part}labels.npy", allow_pickle=False)
        if len(images) != len(labels) or len(images) == 0:
            raise InputError(
                f"{folder}: {len(images)} images with {len(labels)} labels. Make it again."
            )
        arrays += [torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels)]
    return arrays


def _save(content: dict, path: Path) -> None:
    with whole_file(path) as partial:
        torch.save(content, partial)


def _fingerprint(spec: Mapping, data: Path) -> str:
    """Of everything that the weights depend on: another one starts afresh."""
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode())
    for name in ("images.npy", "labels.npy"):
        with (data / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


class _State:
    """An unfinished training on disk."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self._folder = folder
        self._file = folder / "state.pt"
        self._fingerprint = fingerprint
        self.rows: list[dict] = []

    def resume(self, *parts: object) -> int:
        """Load the state into its parts and return the number of finished epochs."""
        if self._file.is_file():
            state = torch.load(self._file, weights_only=True)
            if state["fingerprint"] == self._fingerprint:
                for part, content in zip(parts, state["parts"], strict=True):
                    part.load_state_dict(content)
                self.rows = state["rows"]
                return state["epoch"]
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        return 0

    def keep(self, epoch: int, *parts: object) -> None:
        """Keep the state after an epoch."""
        _save(
            {
                "fingerprint": self._fingerprint,
                "epoch": epoch,
                "parts": [part.state_dict() for part in parts],
                "rows": self.rows,
            },
            self._file,
        )
