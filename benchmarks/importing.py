"""How long photographs with masks take to import, from a sample of them.

    python benchmarks/importing.py --sample 60 --cores 2

draws photographs of 1,000 x 1,500 pixels (JPEG) with numbered masks, imports them, and scales the
processors' time up to 5,000. What a start takes is measured with a few images and counts once.
Unlike the wall's clock, the processors' hardly depends on what else the machine does.
"""

import argparse
import os
import tempfile
from pathlib import Path

import cv2
import sources

from dissection.datasets.masks.forms import import_form
from dissection.jobs import processes
from dissection.jobs.memory import keep_freed_memory

IMAGES = 5_000
FEW = 4
SHAPE = (1000, 1500)
QUALITY = 92  # of the JPEG files


def draw(folder: Path, images: int) -> dict:
    """Write photographs, masks and their table; return the options of the import."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for k in range(images):
        pixels, labels = sources.photograph(k, SHAPE)
        quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
        cv2.imwrite(str(folder / f"images/{k:04d}.jpg"), pixels, quality)
        cv2.imwrite(str(folder / f"masks/{k:04d}.png"), labels)
    rows = "".join(f"{value},thing {value},object\n" for value in (1, 2, 3))
    (folder / "labels.csv").write_text(f"value,name,category\n{rows}")
    return {
        "images": folder / "images",
        "masks": [folder / "masks"],
        "labels": folder / "labels.csv",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sample", type=int, default=60, help="photographs")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--folder", type=Path, help="where to write; the system's if not given")
    options = parser.parse_args()
    processes.WORTH_A_PROCESS = 1  # few images start as many as all of them
    keep_freed_memory()  # as jobs do
    seconds = []
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        for images in (FEW, options.sample):
            base = Path(scratch, str(images))
            own = draw(base, images)
            start = sources.used()
            import_form("masks", own, base / "out", options.cores)
            seconds.append(sources.used() - start)
    each = (seconds[1] - seconds[0]) / (options.sample - FEW)
    total = seconds[0] + each * (IMAGES - FEW)
    print(f"{each:.3f} s a photograph; {IMAGES:,}: {sources.taken(total, options.cores)}")


if __name__ == "__main__":
    main()
