"""Measure the thresholds' speed and memory on random activations written to a file.

    python benchmarks/thresholds.py --images 6330 --threads 2

prints values per second, the largest resident memory, and the time of two other things on the
same file: reading it once (a sum of its bits) and numpy.partition of a few units.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from dissection.float_keys import key_dtype
from dissection.shards import chunks
from dissection.thresholds import compute_thresholds, threshold_rank

PARTITIONED_UNITS = 8  # of all; the time is scaled up


def write_activations(path: Path, shape: tuple[int, ...], dtype: str, rectified: bool) -> None:
    generator = np.random.default_rng(0)
    file = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    scales = generator.uniform(0.1, 10, (shape[1], 1, 1))
    for first in range(0, shape[0], 64):
        some = file[first : first + 64]
        values = generator.standard_normal(some.shape, np.float32) - (1.0 if rectified else 0.0)
        some[:] = (np.maximum(values, 0) if rectified else values) * scales
    file.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=6330)
    parser.add_argument("--units", type=int, default=256)
    parser.add_argument("--size", type=int, default=13, help="height and width of a map")
    parser.add_argument("--dtype", choices=["float16", "float32"], default="float16")
    parser.add_argument("--quantile", type=float, default=0.005)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--signed", action="store_true", help="no ReLU, as in a rotated basis")
    parser.add_argument("--folder", help="where the file is written, and deleted afterwards")
    options = parser.parse_args()

    warm_up = np.zeros((1, 1, 1, 1), options.dtype)
    compute_thresholds([warm_up], options.quantile)  # compiles, or loads what was compiled
    shape = (options.images, options.units, options.size, options.size)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "activations.npy"
        writing = multiprocessing.Process(  # another process: its memory is not ours
            target=write_activations, args=(path, shape, options.dtype, not options.signed)
        )
        writing.start()
        writing.join()
        shard = np.load(path, mmap_mode="r")

        start = time.perf_counter()
        for _, chunk in chunks([shard]):
            chunk.view(key_dtype(shard.dtype)).sum(dtype=np.int64)
        reading = time.perf_counter() - start

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        thresholds = compute_thresholds([shard], options.quantile, options.threads)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        units = min(PARTITIONED_UNITS, options.units)
        rank = threshold_rank(shard[:, 0].size, options.quantile)
        start = time.perf_counter()
        values = shard[:, :units].transpose(1, 0, 2, 3).reshape(units, -1)
        place = values.shape[1] - 1 - rank
        partitioned = np.partition(values, place, axis=1)[:, place]
        partition = (time.perf_counter() - start) * options.units / units
        if not np.array_equal(partitioned.astype(np.float32), thresholds[:units]):
            sys.exit("The thresholds differ from those of numpy.partition.")

    print(f"{shard.size:,} values {options.dtype}, {shard.nbytes / 1e9:.2f} GB")
    print(
        f"thresholds       {seconds:8.2f} s  {shard.size / seconds:.3g} values/s, "
        f"{options.threads} threads"
    )
    print(f"reading once     {reading:8.2f} s  thresholds take {seconds / reading:.2f} times this")
    print(f"numpy.partition  {partition:8.2f} s  {partition / seconds:.0f} times the thresholds")
    print(
        f"resident memory  {peak / 1024:8.0f} MiB at most, {(peak - before) / 1024:.0f} more "
        "than before"
    )


if __name__ == "__main__":
    main()
