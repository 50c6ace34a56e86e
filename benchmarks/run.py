"""Measure every stage of a dissection: speed, memory, disk; and check samples of the results.

    python benchmarks/run.py --size small

writes a table into benchmarks/README.md. Every stage runs in a process of its own, with cold
files: see `stages` for what is measured, and `data` for the data, which are drawn first and
deleted afterwards.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import data
import numpy as np
import report

from dissection.jobs.disk_space import megabytes, require_room

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Parameters
    ----------
    images : int
        Of the data set, and of the layer of 256 units.
    forward : int
        That the network runs over.
    plain : int
        For the plain computation; ten times as many for the PNG decoder.
    others : int
        For layers of other shapes.
    rotations : int
        Bases.
    batch_size : int
    samples : int
        Of the bootstrap in the scoring.
    runs : int
        Of what is compared with something else.
    cold : bool
        Take the files out of the system's memory before every stage.
    """

    images: int
    forward: int
    plain: int
    others: int
    rotations: int = 4
    batch_size: int = 48
    samples: int = 400
    runs: int = 3
    cold: bool = True


SIZES = {
    "tiny": Size(96, 4, 8, 16, batch_size=4, samples=20, runs=1, cold=False),
    "small": Size(images=4000, forward=1920, plain=100, others=400),
    # A job of caching has as many images as one of config/paper.yaml.
    "full": Size(images=data.FULL, forward=data.FULL // 8, plain=300, others=8000, rotations=2),
}


class Benchmark:
    """Run the stages in a folder.

    Parameters
    ----------
    folder : Path
        Where the data are drawn.
    size : Size
    cores : int
    """

    def __init__(self, folder: Path, size: Size, cores: int) -> None:
        self.folder, self.size, self.cores = folder, size, cores
        self.caches = "not dropped"
        self.rows: dict[str, dict] = {}

    def measure(self, name: str, stage: str, runs: int = 1, **options: object) -> dict:
        """Run a stage with cold files; keep, under a name, its run of least processor time."""
        found = [self._run_once(stage, options) for _ in range(runs)]
        row = min(found, key=lambda row: row["cpu"])
        print(f"{name:20} {row['seconds']:8.1f} s {row['peak'] / 2**20:8.0f} MiB", flush=True)
        self.rows[name] = row
        return row

    def _run_once(self, stage: str, options: dict) -> dict:
        if self.size.cold:
            self.caches = drop_caches(self.folder)
        start = time.perf_counter()
        command = [sys.executable, str(ROOT / "benchmarks/stages.py"), stage, json.dumps(options)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        if done.returncode:
            sys.exit(f"{done.stderr}The stage '{stage}' failed.")
        row = json.loads(done.stdout.splitlines()[-1])
        row["job"] = time.perf_counter() - start
        return row

    def run(self) -> dict:
        """Measure everything; return what `report.write` shows."""
        size, cores, runs = self.size, self.cores, self.size.runs
        dataset, labels = str(self.folder / "dataset"), str(self.folder / "labels")
        print(f"Drawing {size.images} images with labels", flush=True)
        data.write_dataset(Path(dataset), size.images, cores)

        batches = {"batch_size": size.batch_size, "threads": cores}
        self.measure("forward pass", "forward", images=size.forward, **batches)
        shards = max(1, size.images // size.forward)
        cached = str(self.folder / "cached")
        self.measure("caching", "cache", dataset=dataset, folder=cached, shards=shards, **batches)
        self.rows["caching"]["images"] = len(np.load(f"{cached}/conv5.npy", mmap_mode="r"))
        loaded = self.rows["caching"]["images"]
        self.measure("loading", "load", dataset=dataset, images=loaded, **batches)
        decoded = min(size.images, 10 * size.plain)
        maps = {"dataset": dataset, "threads": cores}
        self.measure("PNG decoder", "decode", runs, images=decoded, **maps)
        self.measure("label packing", "pack", runs, labels=labels, **maps)

        print(f"Drawing activations of {size.images} images", flush=True)
        main = self.layer("main", "conv5", size.images)
        file = str(self.folder / "thresholds.npy")
        layer = {"activations": main, "layer": "conv5"}
        counted = {"folder": str(self.folder), "labels": labels}
        self.measure("thresholds", "thresholds", file=file, threads=cores, **layer)
        self.measure("tally", "tally", thresholds=file, threads=cores, **counted, **layer)
        self.measure("scoring", "score", samples=size.samples, **counted)
        self.measure(
            "plain",
            "plain",
            runs,
            dataset=dataset,
            labels=labels,
            thresholds=file,
            images=size.plain,
            **layer,
        )
        self.measure(
            "rotation",
            "rotation",
            labels=labels,
            images=size.images,
            rotations=size.rotations,
            threads=cores,
            **layer,
        )
        one_core = {"labels": labels, "images": size.images // 4, "threads": 1}
        self.measure("one core", "both", runs, **layer, **one_core)
        growth = {"labels": labels, "threads": cores}
        for part in (4, 2, 1):
            images = size.images // part
            key = f"conv5 {images} 256"
            self.measure(key, "both", runs, images=images, **layer, **growth)
        disk = {
            "label maps": disk_use(Path(dataset)),
            "packed labels": disk_use(Path(labels)),
            "activations": disk_use(Path(main)),
            "counts": disk_use(self.folder / "tally.npz"),
        }
        shutil.rmtree(main)
        for name, units in (("conv5", 64), ("conv5", 128), ("resnet", None), ("conv1", None)):
            other = self.layer("other", name, size.others, units)
            key = f"{name} {size.others} {units or data.SHAPES[name][0]}"
            of_layer = {"activations": other, "layer": name, "images": size.others}
            self.measure(key, "both", runs, **of_layer, **growth)
            shutil.rmtree(other)
        return {
            "images": size.images,
            "forward": -(-size.forward // size.batch_size) * size.batch_size,
            "decoded": decoded,
            "rotations": size.rotations,
            "cores": cores,
            "caches": self.caches,
            "rows": self.rows,
            "disk": disk,
        }

    def layer(self, folder: str, name: str, images: int, units: int | None = None) -> str:
        data.write_activations([self.folder / folder], name, images, self.cores, units)
        return str(self.folder / folder)


def drop_caches(folder: Path) -> str:
    """Take all files out of memory, where allowed, or else the folder's; say which."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("1")
        return "drop_caches"
    except OSError:
        if not hasattr(os, "posix_fadvise"):
            return "not dropped"
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return "posix_fadvise"


def disk_use(path: Path) -> int:
    """Return the bytes that a file or folder takes on the disk."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(512 * file.stat().st_blocks for file in files)


def machine() -> dict:
    """Describe the machine and the software."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    names = ("numpy", "numba", "pillow", "torch")
    return {
        "processor": model or platform.machine(),
        "all_cores": os.cpu_count(),
        "memory": memory,
        "load": os.getloadavg()[0],
        "versions": {"python": platform.python_version()} | {n: version(n) for n in names},
    }


def bytes_needed(size: Size) -> int:
    """Return the disk space that a size takes at most at any time."""
    layers = [data.activation_bytes("conv5", size.images)]
    layers += [data.activation_bytes(name, size.others) for name in data.SHAPES]
    return size.images * data.BYTES_AN_IMAGE + max(layers) + 200_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--folder", type=Path, help="where the data are drawn; a disk, not memory")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--readme", type=Path, default=ROOT / "benchmarks/README.md")
    options = parser.parse_args()
    size = SIZES[options.size]
    about = machine()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended."))  # the data are deleted
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="benchmark-") as name:
        folder = Path(name)
        print(f"Up to {megabytes(bytes_needed(size))} of disk space are used in {folder.parent}.")
        require_room(folder, bytes_needed(size), "the benchmark")
        if options.size != "tiny":
            print("Compiling, and checking everything at a tiny size")
            (folder / "tiny").mkdir()
            Benchmark(folder / "tiny", SIZES["tiny"], options.cores).run()
            shutil.rmtree(folder / "tiny")
        (folder / options.size).mkdir()
        results = Benchmark(folder / options.size, size, options.cores).run()
    command = f"make benchmark SIZE={options.size}"
    report.write(options.readme, options.size, command, results | about)
    print(f"The table is in {options.readme.name}.")


if __name__ == "__main__":
    main()
