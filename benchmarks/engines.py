"""Measure other ways to run a forward pass than the one in use: plain torch, channels last.

    python benchmarks/engines.py --images 96

runs the paper's AlexNet up to conv5 and a ResNet-18 up to layer4, both with random weights, on one
core, and prints a table: images for each second of processor time, as a multiple of the way in use,
and how far the outputs are from its own, as a share of their greatest value. The ways take turns,
and the best of each counts, so that what else the machine does spoils little. Ways whose packages
(onnx, onnxscript, onnxruntime, openvino; a C++ compiler) are missing are left out with the reason;
the workflow needs none of them.
"""

import argparse
import contextlib
import copy
import io
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

# Before they start: on one core all take the same time for the same work.
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import numpy as np
import torch
import torchvision

from dissection.jobs.memory import keep_freed_memory
from dissection.training.architectures import PUBLISHED, build

BATCH, ROUNDS, SEED = 48, 3, 1
IN_USE = "torch, channels last (in use)"

Run = Callable[[np.ndarray], np.ndarray]
Make = Callable[[torch.nn.Module, np.ndarray, Path], Run]  # from a batch like all, and a folder


def networks() -> dict[str, tuple[torch.nn.Module, int]]:
    """Return the networks up to a layer, and the sides of their inputs in pixels."""
    torch.manual_seed(SEED)
    alexnet = list(build(PUBLISHED, classes=365).named_children())
    names = [name for name, _ in alexnet]
    until = [module for _, module in alexnet[: names.index("conv5") + 1]]
    resnet = list(torchvision.models.resnet18().children())[:-2]
    found = {
        "AlexNet, conv5": (torch.nn.Sequential(*until), 227),
        "ResNet-18, layer4": (torch.nn.Sequential(*resnet), 224),
    }
    for model, _ in found.values():
        model.eval().requires_grad_(False)
    return found


def channels_last(model: torch.nn.Module, batch: np.ndarray, folder: Path) -> Run:
    layout = torch.channels_last
    model.to(memory_format=layout)
    return lambda batch: model(torch.from_numpy(batch).contiguous(memory_format=layout)).numpy()


def channels_first(model: torch.nn.Module, batch: np.ndarray, folder: Path) -> Run:
    return lambda batch: model(torch.from_numpy(batch)).numpy()


def compiled(model: torch.nn.Module, batch: np.ndarray, folder: Path) -> Run:
    return channels_last(torch.compile(model), batch, folder)


def frozen(model: torch.nn.Module, batch: np.ndarray, folder: Path) -> Run:
    """TorchScript, its batch norms folded and its weights in oneDNN's own layout."""
    traced = torch.jit.trace(model, torch.from_numpy(batch))
    return channels_first(torch.jit.optimize_for_inference(torch.jit.freeze(traced)), batch, folder)


def by_onnx_runtime(model: torch.nn.Module, batch: np.ndarray, folder: Path) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(_onnx(model, batch, folder), options)
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch})[0]


def by_openvino(model: torch.nn.Module, batch: np.ndarray, folder: Path) -> Run:
    import openvino

    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    fast = openvino.Core().compile_model(_onnx(model, batch, folder), "CPU", settings)
    return lambda batch: fast(batch)[0]


def _onnx(model: torch.nn.Module, batch: np.ndarray, folder: Path) -> str:
    file = folder / "model.onnx"
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example = (torch.from_numpy(batch),)
        torch.onnx.export(model, example, str(file), dynamo=True, external_data=False)
    return str(file)


WAYS: dict[str, Make] = {
    IN_USE: channels_last,
    "torch, channels first": channels_first,
    "torch.compile, channels last": compiled,
    "TorchScript, frozen": frozen,
    "ONNX Runtime": by_onnx_runtime,
    "OpenVINO": by_openvino,
}


def seconds(run: Run, batches: list[np.ndarray]) -> float:
    """Return the processor time of some batches."""
    start = time.process_time()
    for batch in batches:
        run(batch)
    return time.process_time() - start


@torch.inference_mode()
def measure(model: torch.nn.Module, side: int, images: int) -> None:
    """Print a line for each way."""
    rng = np.random.default_rng(SEED)
    shape = (BATCH, 3, side, side)
    batches = [rng.normal(size=shape).astype(np.float32) for _ in range(-(-images // BATCH))]
    runs: dict[str, Run] = {}
    outputs: dict[str, np.ndarray] = {}
    for name, make in WAYS.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                run = make(copy.deepcopy(model), batches[0], Path(folder))
                outputs[name] = run(batches[0])  # compiles and fills caches, too
                runs[name] = run
            except Exception as error:
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
                print(f"| {name} | left out: {reason} | | |")
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            times[name].append(seconds(run, batches))
    best = {name: min(found) for name, found in times.items()}
    for name, took in best.items():
        speed = len(batches) * BATCH / took
        apart = np.abs(outputs[name] - outputs[IN_USE]).max() / np.abs(outputs[IN_USE]).max()
        print(f"| {name} | {speed:.0f} | {best[IN_USE] / took:.2f} | {apart:.0e} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=96)
    images = parser.parse_args().images
    logging.disable(logging.WARNING)
    keep_freed_memory()
    torch.set_num_threads(1)
    for title, (model, side) in networks().items():
        print(f"\n| {title} | images/core-s | times as fast | difference |")
        print("| --- | --- | --- | --- |")
        measure(model, side, images)


if __name__ == "__main__":
    main()
