"""How long a Broden of full size takes to join, from a sample in the sources' own formats.

    python benchmarks/sources.py --sample 300 --cores 2

draws images of 500 x 375 pixels with labels, as each source's unpacked archives hold them, reads,
joins and writes them, and scales the processors' time up to Broden's 63,305 images. What a start
takes is measured with two images and counts once. Unlike the wall's clock, the processors' hardly
depends on what else the machine does.
"""

import argparse
import os
import resource
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/helpers"))

import cv2
import numpy as np
import source_archives

from dissection.datasets.sources.color_table import own_table
from dissection.datasets.sources.combine import combine
from dissection.datasets.sources.convert import convert_source
from dissection.datasets.sources.names import read_synonyms
from dissection.datasets.sources.table import RELEASED, RELEASED_SIZES, SOURCES
from dissection.jobs import processes

ROOT = Path(__file__).resolve().parents[1]
# Images of the released Broden by source.
IMAGES = {"ade20k": 22_210, "pascal": 10_103, "opensurfaces": 25_352, "dtd": 5_640}
SHAPE = (375, 500)
SIZE = 227


def photograph(seed: int, shape: tuple[int, int] = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """An image with the detail of a photograph, and labels with the borders of things."""
    rng = np.random.default_rng(seed)
    height, width = shape
    light = sum(
        scale * cv2.resize(rng.normal(size=(side, side, 3)), (width, height))
        for side, scale in ((4, 50), (16, 25), (64, 12), (250, 8))
    )
    field = cv2.resize(rng.normal(size=(9, 12)), (width, height), interpolation=cv2.INTER_CUBIC)
    labels = np.digitize(field, np.quantile(field, [1 / 3, 2 / 3])).astype(np.uint8) + 1
    return np.clip(128 + light, 0, 255).astype(np.uint8), labels


def draw(folder: Path, images: int) -> dict[str, dict[str, Path]]:
    """Write what unpacking leaves of every source; return the folders by role."""
    source_archives.LABELED, source_archives.world = images, photograph
    return {
        name: {
            role: source_archives.unpacked(folder / archive, archive)
            for role, archive in SOURCES[name].archives[edition].items()
        }
        for name, edition in RELEASED.items()
    }


def used() -> float:
    """Seconds of processors that this process and those that it started have had."""
    return sum(os.times()[:4])


def taken(seconds: float, cores: int) -> str:
    """Say how long that is on some cores, and the peak memory of what ran until now."""
    own, others = (
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return (
        f"{seconds / 60:.1f} min of processors, {seconds / 60 / cores:.1f} min on {cores} cores "
        f"that do nothing else; peak {own:.0f} MiB, and {others:.0f} a process"
    )


def timed(folder: Path, sources: dict[str, dict[str, Path]], cores: int) -> dict[str, float]:
    """Seconds of processors for each source, and for joining them."""
    seconds = {}
    for name, folders in sources.items():
        start = used()
        reader = SOURCES[name].open(RELEASED[name], folders)
        convert_source(
            reader, folder / name, SIZE, RELEASED_SIZES[SIZE], own_table(), processes=cores
        )
        seconds[name] = used() - start
    start = used()
    synonyms = read_synonyms(ROOT / "workflow/synonyms.csv")
    converted = {name: folder / name for name in sources}
    combine(
        converted, folder / "broden", SIZE, RELEASED_SIZES[SIZE], synonyms, cores,
        least_frequency=1,
    )  # fmt: skip
    seconds["join"] = used() - start
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sample", type=int, default=300, help="images of each source")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--folder", type=Path, help="where to write; the system's if not given")
    options = parser.parse_args()
    processes.WORTH_A_PROCESS = 1  # two images start as many as all of them
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        times = {}
        for images in (2, options.sample):
            base = Path(scratch, str(images))
            times[images] = timed(base / "out", draw(base / "in", images), options.cores)
    least, most = times.values()
    total = 0.0
    for part, start in least.items():
        many = len(IMAGES) if part == "join" else 1
        count = IMAGES.get(part, sum(IMAGES.values()))
        each = (most[part] - start) / (many * (options.sample - 2))
        total += start + each * count
        print(f"{part}: {1000 * each:.1f} ms an image, {count:,} images")
    print(f"{sum(IMAGES.values()):,} images: {taken(total, options.cores)}")


if __name__ == "__main__":
    main()
