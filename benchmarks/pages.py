"""A page of many units: how long it takes to make and to open, and how large it is.

    python benchmarks/pages.py --units 4096

draws units with their top images, has the workflow's own code make their page, and opens it in
headless Chromium from its file, as a reader would: until all is loaded that the window shows, until
a concept that is typed is found, and until the end of the page is shown.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/helpers"))

import cv2
import numpy as np
import pandas as pd
from browser import ARGUMENTS
from playwright.sync_api import sync_playwright

from dissection.activations.geometry import Geometry
from dissection.activations.top_images import TopImages
from dissection.categories import CATEGORIES, CATEGORY_COLORS
from dissection.report.unit_page import IMAGES, save_strips, units_page

ROOT = Path(__file__).resolve().parents[1]
CONCEPTS = 1197
SIDE = 227  # pixels of an image
DRAWN = 500  # different images; units share them, as they do Broden's
GEOMETRY = Geometry(7, 7, SIDE, SIDE, centre=(16.0, 16.0), stride=(32.0, 32.0), size=(200, 200))
IOU = 0.04
HIDDEN = "() => [...document.querySelectorAll('article')].some(unit => !unit.offsetParent)"
LAST_IS_LOADED = "() => [...document.images].at(-1).naturalWidth > 0"


def table(units: int) -> pd.DataFrame:
    """Units as `scoring.detectors.mark_detections` returns them: a third detect something."""
    rng = np.random.default_rng(1)
    iou = np.round(rng.random((units, len(CATEGORIES))) ** 4 * 0.2, 4)
    labels = rng.integers(CONCEPTS, size=iou.shape)
    best = iou.argmax(axis=1)
    rows = pd.DataFrame({"unit": np.arange(units) + 1})
    rows["category"] = [CATEGORIES[c] for c in best]
    rows["label"] = [f"concept {labels[i, c]}" for i, c in enumerate(best)]
    rows["score"], rows["cannot_fire"] = iou.max(axis=1), ""
    for c, category in enumerate(CATEGORIES):
        rows[f"{category}-label"] = [f"concept {label}" for label in labels[:, c]]
        rows[f"{category}-iou"] = iou[:, c]
        rows[f"{category}-detects"] = iou[:, c] > IOU
    rows["detects"] = rows["score"] > IOU
    return rows.sort_values(["score", "unit"], ascending=[False, True], ignore_index=True)


def photograph(number: int) -> np.ndarray:
    """An image with some detail, uint8 (227, 227, 3)."""
    rng = np.random.default_rng(number)
    parts = [cv2.resize(rng.normal(size=(n, n, 3)), (SIDE, SIDE)) * 300 / n for n in (5, 20, 80)]
    return np.clip(128 + sum(parts), 0, 255).astype(np.uint8)


def make(folder: Path, units: int) -> Path:
    """Make the page of so many units."""
    rng = np.random.default_rng(2)
    maps = rng.random((units, IMAGES, 7, 7)).astype(np.float32) ** 3
    shown = TopImages(rng.integers(DRAWN, size=(units, IMAGES)), maps.max(axis=(2, 3)), maps)
    image = [photograph(number) for number in range(DRAWN)].__getitem__
    pictures = folder / "layer"
    pictures.mkdir()
    start = time.perf_counter()
    thresholds = np.full(units, 0.5, np.float32)
    sizes = save_strips(pictures, thresholds, shown, GEOMETRY, image)
    template = (ROOT / "workflow/report/units.html").read_text(encoding="utf-8")
    page = units_page(
        template, "Network", "layer", table(units), "layer", sizes, IOU, "", CATEGORY_COLORS
    )
    path = folder / "layer.html"
    path.write_text(page, encoding="utf-8")
    print(f"made in {time.perf_counter() - start:.1f} s")
    size = sum(file.stat().st_size for file in pictures.iterdir())
    print(f"{len(page) / 1e6:.1f} MB, pictures beside it {size / 1e6:.0f} MB")
    return path


def open_page(path: Path) -> None:
    """Open it, find a concept, go to its end."""
    chromium = shutil.which("chromium") or sys.exit("Chromium is not installed.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        start = time.perf_counter()
        page.goto(path.resolve().as_uri(), wait_until="load")
        print(f"loaded in {time.perf_counter() - start:.1f} s")
        start = time.perf_counter()
        page.fill("input[type=search]", "concept 77")
        page.wait_for_function(HIDDEN)
        print(f"a concept found in {time.perf_counter() - start:.1f} s")
        page.fill("input[type=search]", "")
        start = time.perf_counter()
        page.locator("article").last.scroll_into_view_if_needed()
        page.wait_for_function(LAST_IS_LOADED)
        print(f"its end shown in {time.perf_counter() - start:.1f} s")
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--units", type=int, default=4096)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        open_page(make(Path(folder), options.units))
