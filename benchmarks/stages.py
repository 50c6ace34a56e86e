"""One stage of a dissection in a process of its own, measured.

    python benchmarks/stages.py STAGE '{"option": ...}'

prints one line of JSON: what the stage found, its seconds without the start of Python, the
processor time, the largest resident memory, and the bytes that came from the disk. A stage that
is a job of the workflow runs the workflow's own script.

A stage is a function that prepares what is not measured and returns what is, a function.
"""

import json
import os
import resource
import runpy
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import baseline
from PIL import Image

from dissection.activations.files import open_layer
from dissection.activations.shards import chunks
from dissection.datasets.broden import Broden
from dissection.jobs.memory import keep_freed_memory
from dissection.labels.store import LabelStore
from dissection.scoring.counting import tally_overlaps
from dissection.scoring.iou import unit_table  # noqa: F401  (loaded before the clock starts)
from dissection.scoring.tally import Tally
from dissection.scoring.thresholds import compute_thresholds

ROOT = Path(__file__).resolve().parents[1]
QUANTILE, BLOCKS, SEED = 0.005, 32, 1
NETWORK = {"checkpoint": {"architecture": "caffenet", "classes": 365}, "layers": ["conv5"]}
CHECKED_UNITS, CHECKED_IMAGES = 3, 8

Stage = Callable[[], dict[str, Any] | None]


def script(name: str, threads: int = 1, **job: Any) -> Stage:
    """Return a script of the workflow, to be run as by Snakemake; ``job``: its inputs, ..."""
    params = {"categories": {}, **job.get("params", {})}
    job = {**job, "params": params}
    namespaces = {key: SimpleNamespace(**values) for key, values in job.items()}
    snakemake = SimpleNamespace(threads=threads, log=[os.devnull], **namespaces)

    def run() -> None:
        runpy.run_path(str(ROOT / f"scripts/{name}.py"), {"snakemake": snakemake}, "__main__")

    return run


def forward(images: int, batch_size: int, threads: int) -> Stage:
    """Run the paper's AlexNet, with random weights, up to conv5; nothing is read or written."""
    import torch

    from dissection.activations.outputs import LayerOutputs
    from dissection.jobs.devices import best_device, device_name
    from dissection.networks.load import find_layer, load_network

    torch.set_num_threads(threads)
    network = load_network(NETWORK)
    device = best_device()
    model = network.model.to(device)
    batch = torch.rand((batch_size, 3, *network.input_size)).to(device)
    layers = {"conv5": find_layer(network, "conv5")}

    def run() -> dict:
        with LayerOutputs(layers, torch.float16) as outputs:
            for _ in range(0, images, batch_size):
                outputs.run(model, batch)
        return {"device": device_name(device)}

    run()  # the first time takes longer
    return run


def cache(dataset: str, folder: str, shards: int, batch_size: int, threads: int) -> Stage:
    """Run the network over image files and write the activations of conv5: one shard of them."""
    import dissection.activations.cache
    import dissection.networks.checkpoint  # noqa: F401  (torchvision takes seconds)

    return script(
        "cache_activations",
        input={"dataset": dataset, "files": []},
        output={"activations": folder},
        wildcards={"network": "alexnet", "shard": "0"},
        params={
            "network": NETWORK,
            "layers": ["conv5"],
            "shards": shards,
            "batch_size": batch_size,
            "precision": "float16",
            "threads": threads,
        },
    )


def load(dataset: str, images: int, batch_size: int, threads: int) -> Stage:
    """Only read, decode, preprocess and stack images, as caching does beside the forward pass."""
    import torch

    from dissection.activations.loading import loaded_batches
    from dissection.jobs.devices import best_device
    from dissection.networks.load import load_network

    torch.set_num_threads(threads)  # as caching does
    load_image, preprocess = Broden(dataset).load_image, load_network(NETWORK).preprocess
    how = (range(images), batch_size, threads, best_device())

    def run() -> None:
        for _ in loaded_batches(load_image, preprocess, *how):
            pass

    return run


def pack(dataset: str, labels: str, threads: int) -> Stage:
    """Pack the label maps."""
    return script("pack_labels", threads, input={"dataset": dataset}, output={"labels": labels})


def decode(dataset: str, images: int, threads: int) -> Stage:
    """Only decode label maps with Pillow, in several processes, of images spread over the data."""
    some = baseline.spread(dataset, images)

    def run() -> None:
        with ProcessPoolExecutor(threads) as pool:
            for _ in pool.map(_decode, some, chunksize=64):
                pass

    return run


def _decode(image: baseline.Labels) -> None:
    for path in image.paths:
        np.asarray(Image.open(path))


def thresholds(activations: str, layer: str, file: str, threads: int) -> Stage:
    """Find the thresholds of a layer."""
    return script(
        "compute_thresholds",
        threads,
        input={"activations": [activations]},
        output={"thresholds": file, "cannot_fire": str(Path(file).with_name("cannot_fire.json"))},
        wildcards={"layer": layer},
        params={"quantile": QUANTILE},
    )


def tally(
    activations: str, layer: str, labels: str, thresholds: str, folder: str, threads: int
) -> Stage:
    """Count the overlaps, with the images' own labels and with shuffled ones."""
    return script(
        "tally_overlaps",
        threads,
        input={"activations": activations, "thresholds": thresholds, "labels": labels},
        output={"tally": f"{folder}/tally.npz", "chance": f"{folder}/chance.npz", "permuted": []},
        wildcards={"layer": layer, "shard": "0"},
        params={"shards": 1, "batch_size": 1, "blocks": BLOCKS, "seed": SEED},
    )


def score(labels: str, folder: str, samples: int) -> Stage:
    """Turn the counts into tables, with intervals."""
    return script(
        "score_units",
        input={
            "permuted": [],
            "tallies": [f"{folder}/tally.npz"],
            "chances": [f"{folder}/chance.npz"],
            "labels": labels,
            "cannot_fire": f"{folder}/cannot_fire.json",
        },
        output={"units": f"{folder}/units.csv", "detectors": f"{folder}/detectors.csv"},
        params={"iou_threshold": 0.04, "bootstrap_samples": samples, "seed": SEED},
    )


def rotation(
    activations: str, layer: str, labels: str, images: int, rotations: int, threads: int
) -> Stage:
    """Dissect a layer in rotated bases, and add up the time within matrix products."""
    from dissection.rotation.dissect import dissect_rotated
    from dissection.rotation.matrices import Basis, random_rotation

    maps, geometry = open_layer(activations, layer)
    store = LabelStore(labels)
    bases = [Basis(seed, 1, random_rotation(maps.shape[1], seed)) for seed in range(rotations)]
    multiply, spent = np.matmul, []

    def timed(*arrays: np.ndarray, **options: Any) -> np.ndarray:
        start = time.thread_time()
        product = multiply(*arrays, **options)
        spent.append(time.thread_time() - start)
        return product

    def run() -> dict:
        with patch.object(np, "matmul", timed):
            dissect_rotated([maps[:images]], bases, QUANTILE, store, geometry, threads)
        return {"products": sum(spent)}

    return run


def both(activations: str, layer: str, labels: str, images: int, threads: int) -> Stage:
    """Find thresholds and count overlaps of a layer's first images, in one process."""
    maps, geometry = open_layer(activations, layer)
    store = LabelStore(labels)
    # Counters of 32 bits, which only large layers need, are compiled now.
    still = np.zeros((1, 1, 400, 400), np.float16)
    still.setflags(write=False)
    compute_thresholds([still], 0.5)

    def run() -> dict:
        found = compute_thresholds([maps[:images]], QUANTILE, threads)
        start = time.process_time()
        tally_overlaps(maps[:images], found, store, geometry, 0, BLOCKS, threads=threads)
        return {"tally": time.process_time() - start}

    return run


def plain(
    dataset: str, activations: str, layer: str, labels: str, thresholds: str, images: int
) -> Stage:
    """Check samples of the results, and time the plain computation, on one core."""
    maps, geometry = open_layer(activations, layer)
    store, found = LabelStore(labels), np.load(thresholds)

    def run() -> dict:
        partition, expected = 0.0, {}
        for unit in np.linspace(0, len(found) - 1, CHECKED_UNITS).astype(int).tolist():
            values = np.concatenate([some[:, unit].reshape(-1) for _, some in chunks([maps])])
            start = time.process_time()
            expected[unit] = baseline.plain_threshold(values, QUANTILE)
            partition += (time.process_time() - start) / CHECKED_UNITS * len(found)
        baseline.check_thresholds(found, expected)

        broden = Broden(dataset)
        for i in np.linspace(0, len(maps) - 1, CHECKED_IMAGES).astype(int).tolist():
            counts = tally_overlaps(maps[i : i + 1], found, store, geometry, i)
            baseline.check_tally(counts, maps[i], found, broden, i, geometry)

        counts = Tally.zeros(1, len(found), store.n_labels)
        some = baseline.spread(dataset, images)
        start = time.process_time()
        for image in some:
            baseline.plain_image(maps[image.number], found, image, broden, counts)
        seconds = (time.process_time() - start) / len(some) * len(maps)
        firing = [(maps[image.number].max(axis=(1, 2)) > found).sum() for image in some]
        return {
            "plain thresholds": partition,
            "plain tally": seconds,
            "firing": float(np.mean(firing)),
            "segments": len(store.segments.areas) / len(store),
        }

    return run


def memory_peak(children: int) -> int:
    """Return the largest resident memory in bytes, file pages included, of all processes."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux; ru_maxrss would count the process that started this one
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        own = int(lines["VmHWM"].split()[0]) * 1024
    else:
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    return own + children * unit * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def bytes_read() -> int:
    """Return what this process has read from the disk so far, -1 where that is not known."""
    counts = Path("/proc/self/io")
    if not counts.exists():
        return -1
    return int(dict(line.split(": ") for line in counts.read_text().splitlines())["read_bytes"])


STAGES = (forward, cache, load, pack, decode, thresholds, tally, score, rotation, both, plain)


def main() -> None:
    keep_freed_memory()  # as every job does
    options = json.loads(sys.argv[2])
    run = next(stage for stage in STAGES if stage.__name__ == sys.argv[1])(**options)
    times, seconds, read = os.times(), time.perf_counter(), bytes_read()
    found = run() or {}
    found["seconds"] = time.perf_counter() - seconds
    found["cpu"] = sum(os.times()[:4]) - sum(times[:4])
    in_processes = sys.argv[1] in ("pack", "decode")
    found["peak"] = memory_peak(options["threads"] if in_processes else 0)
    found["read"] = bytes_read() - read
    print(json.dumps(found))


if __name__ == "__main__":
    main()
