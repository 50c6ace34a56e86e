"""Speed of packing labels and of counting overlaps, on one core, at the paper's size.

    python benchmarks/tally.py

256 units of 13 x 13, labels of 112 x 112: objects, parts, noisy colours, a scene. Activations are smooth in space and rectified; their thresholds leave 0.5 % of
the positions above, in about 40 units an image.
"""

import argparse
import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from dissection.broden import CATEGORIES
from dissection.geometry import Geometry
from dissection.labels import LabelStore, pack_labels
from dissection.tally import tally_overlaps
from dissection.thresholds import compute_thresholds

UNITS, SIZE, LABEL_SIZE, LABELS = 256, 13, 112, 1200
GEOMETRY = Geometry(SIZE, SIZE, 227, 227, centre=(17.0, 17.0), stride=(16.0, 16.0), size=(163, 163))


class DrawnLabels:
    """Label maps drawn on demand, in place of a `dissection.broden.Broden`."""

    def __init__(self, images: int) -> None:
        self.names = ["", *(f"label {n}" for n in range(1, LABELS))]
        self.primary = np.array([-1, *(n % len(CATEGORIES) for n in range(1, LABELS))], np.int8)
        self.sizes = np.full((images, 2), LABEL_SIZE, np.int32)
        self.image_names = [f"{i}.jpg" for i in range(images)]

    def __len__(self) -> int:
        return len(self.sizes)

    def load_labels(self, i: int) -> tuple[dict[str, np.ndarray], dict[str, list[int]]]:
        rng = np.random.default_rng(i)
        maps = {
            "object": regions(rng, 15)[None],
            "part": regions(rng, 8)[None],
            "color": (1 + noisy_colours(rng))[None].astype(np.uint16),
        }
        maps["part"][:, regions(rng, 6) % 2 == 0] = 0
        return maps, {"scene": [int(rng.integers(1, LABELS))]}


def regions(rng: np.random.Generator, count: int) -> np.ndarray:
    """Regions around random centres, each with a random label: uint16 (112, 112)."""
    centres = rng.integers(0, LABEL_SIZE, (count, 2))
    y, x = np.mgrid[:LABEL_SIZE, :LABEL_SIZE]
    distance = (y[..., None] - centres[:, 0]) ** 2 + (x[..., None] - centres[:, 1]) ** 2
    return rng.integers(1, LABELS, count).astype(np.uint16)[distance.argmin(axis=-1)]


def noisy_colours(rng: np.random.Generator) -> np.ndarray:
    """Colours that change at every few pixels: int (112, 112), 0 to 10."""
    smooth = gaussian_filter(rng.normal(size=(LABEL_SIZE, LABEL_SIZE)), 3)
    noise = rng.normal(scale=0.1 * smooth.std(), size=smooth.shape)
    return np.clip(5 + 2.5 * (smooth + noise) / smooth.std(), 0, 10).astype(int)


def write_activations(path: Path, images: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    file = np.lib.format.open_memmap(path, "w+", np.float16, (images, UNITS, SIZE, SIZE))
    for i in range(images):
        noise = gaussian_filter(rng.normal(size=(UNITS, SIZE, SIZE)), (0, 1.2, 1.2))
        # Most units like few images: a level of the image's own, the same at all positions.
        level = rng.normal(scale=0.3, size=(UNITS, 1, 1))
        file[i] = np.maximum(noise + level - 0.2, 0)
    del file
    return np.load(path, mmap_mode="r")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1000)
    images = parser.parse_args().images
    with TemporaryDirectory() as folder:
        drawn = DrawnLabels(images)
        pack_labels(drawn, Path(folder) / "labels")
        store = LabelStore(Path(folder) / "labels")
        activations = write_activations(Path(folder) / "activations.npy", images)
        thresholds = compute_thresholds([activations], 0.005)
        firing = (activations.max(axis=(2, 3)) > thresholds).sum() / images
        segments = len(store.segments.areas) / images
        print(f"{images} images, {firing:.0f} firing units and {segments:.0f} segments an image")

        times = []
        for _ in range(6):
            start = time.perf_counter()
            tally_overlaps(activations, thresholds, store, GEOMETRY, first_image=0)
            times.append(time.perf_counter() - start)
        # The first run compiles, or loads what an earlier one compiled.
        print(
            f"tally: {images / np.median(times[1:]):.0f} images/s (best {images / min(times):.0f})"
        )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"greatest resident memory {memory:.0f} MiB")


if __name__ == "__main__":
    main()
