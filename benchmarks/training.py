"""Measure a training step of the small networks, with AVX2 and with all that the processor has.

    python benchmarks/training.py --steps 100

prints a table: milliseconds of a step on one core, the median, of each architecture that the
default run trains. The two take turns, each in processes of its own, and the better one of a few
rounds counts. The images are random.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import torch

from dissection.jobs.memory import keep_freed_memory
from dissection.training.architectures import PUBLISHED, build
from dissection.training.processors import VARIABLES, keep_to_avx2
from dissection.training.schedules import make_optimizer

BATCH, SIZE, CLASSES, ROUNDS, SEED = 32, 64, 40, 3, 1
SETTINGS = {"optimizer": "adamw", "learning_rate": 0.002, "weight_decay": 1e-4}
PLAIN = PUBLISHED | {"architecture": "alexnet"}
NETWORKS = {
    "AlexNet": {},
    "AlexNet, batch normalisation": {"batch_norm": True},
    "AlexNet-GAP-Wide": {"head": "gap", "width": 3},
    "VGG": {"architecture": "vgg"},
    "GoogLeNet": {"architecture": "googlenet"},
    "ResNet": {"architecture": "resnet"},
}


def milliseconds(options: dict, steps: int) -> float:
    """Train a network and return the median of its steps, without the first ones."""
    torch.manual_seed(SEED)
    layout = torch.channels_last
    model = build(PLAIN | options, CLASSES).train().to(memory_format=layout)
    optimizer = make_optimizer(model.parameters(), SETTINGS)
    images = torch.randn(BATCH, 3, SIZE, SIZE).contiguous(memory_format=layout)
    targets = torch.arange(BATCH) % CLASSES
    times = []
    for _ in range(steps // 5 + steps):
        start = time.perf_counter()
        loss = torch.nn.functional.cross_entropy(model(images), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[-steps:])


def measure(only_avx2: bool, steps: int) -> dict[str, float]:
    """Measure every network in a fresh process."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    command = [sys.executable, __file__, "--steps", str(steps)]
    command += ["--inside", "avx2" if only_avx2 else "all"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--inside", choices=("avx2", "all"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        if options.inside == "avx2":
            keep_to_avx2()
        keep_freed_memory()
        torch.set_num_threads(1)
        found = {name: milliseconds(kind, options.steps) for name, kind in NETWORKS.items()}
        print(json.dumps(found))
        return
    rounds = [[measure(only, options.steps) for only in (True, False)] for _ in range(ROUNDS)]
    wide = torch.backends.cpu.get_cpu_capability()
    print(f"| a step of training | ms with AVX2 | ms with {wide} | ratio |")
    print("| --- | --- | --- | --- |")
    for name in NETWORKS:
        avx2, everything = (min(pair[i][name] for pair in rounds) for i in range(2))
        print(f"| {name} | {avx2:.1f} | {everything:.1f} | {avx2 / everything:.2f} |")


if __name__ == "__main__":
    main()
