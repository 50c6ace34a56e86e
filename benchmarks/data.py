"""Draw what a full-size run reads: a data set in Broden's format, and cached activations.

Nothing is downloaded. The label maps have Broden's mix of sources and channels and are about as
patchy as its own; the activations are smooth in space, rectified, and strong on few images, so
that 0.5 % of the positions above threshold lie in about 40 units an image.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.ndimage import gaussian_filter

from dissection.activations.files import layer_file_name
from dissection.activations.geometry import Geometry
from dissection.categories import CATEGORIES

# Images of each source, in the order in which they come: Broden's own numbers.
SOURCES = {"ade20k": 22_210, "opensurfaces": 25_352, "pascal": 10_103, "dtd": 5_640}
FULL = sum(SOURCES.values())
# Distinct labels, 1,197 as in Broden. Their numbers follow one another, as in this order.
LABELS = {"color": 11, "object": 500, "part": 150, "scene": 457, "material": 32, "texture": 47}
FIRST = dict(zip(LABELS, np.cumsum([1, *LABELS.values()])[:-1].tolist(), strict=True))
LABEL_SIZE, IMAGE_SIZE = 113, 227
PARTITIONS = 200  # distinct sets of regions, of every number of them
PHOTOGRAPHS = 64  # distinct image files; every image of the data set is a link to one of them
FIELD = 2048  # pixels a side of the smooth noise that colour maps are cut from
FILES_A_FOLDER = 1000
BYTES_AN_IMAGE = 50_000  # of a data set: label maps in blocks of the disk, packed labels
SHAPES = {  # units, height and width of a layer, and its receptive fields' centre and stride
    "conv5": (256, 13, 17.0, 16.0),
    "resnet": (2048, 7, 0.0, 32.0),
    "conv1": (96, 55, 5.0, 4.0),
}
MAPS = 8192  # distinct activation maps; each gets a level of its own


def write_dataset(folder: Path, images: int, processes: int) -> None:
    """Write a data set in Broden's format into a new folder."""
    (folder / "images").mkdir(parents=True)
    for n in range(PHOTOGRAPHS):
        rng = np.random.default_rng(n)
        noise = gaussian_filter(rng.normal(size=(IMAGE_SIZE, IMAGE_SIZE, 3)), (4, 4, 0))
        pixels = np.clip(128 + 50 * noise / noise.std(), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"images/{n}.jpg")
    firsts = range(0, images, FILES_A_FOLDER)
    with ProcessPoolExecutor(processes) as pool:
        parts = pool.map(partial(_write_images, folder / "images", images), firsts)
        rows = [row for part in parts for row in part]
    pd.DataFrame(rows).to_csv(folder / "index.csv", index=False)
    labels = pd.DataFrame(
        [
            (FIRST[category] + n, f"{category} {n}", f"{category}(1)", 1, 1.0, "")
            for category, count in LABELS.items()
            for n in range(count)
        ],
        columns=["number", "name", "category", "frequency", "coverage", "syns"],
    )
    labels.to_csv(folder / "label.csv", index=False)
    tables = []
    for category, count in LABELS.items():
        first = FIRST[category]
        own = labels.iloc[first - 1 : first - 1 + count].assign(code=range(1, count + 1))
        columns = ["code", "number", "name", "frequency", "coverage"]
        own[columns].to_csv(folder / f"c_{category}.csv", index=False)
        tables.append((category, first, first + count - 1, count, images))
    columns = ["name", "first", "last", "count", "frequency"]
    pd.DataFrame(tables, columns=columns).to_csv(folder / "category.csv", index=False)


def _write_images(folder: Path, images: int, first: int) -> list[dict]:
    field = gaussian_filter(np.random.default_rng(0).normal(size=(FIELD, FIELD)), 3)
    field /= field.std()
    borders = np.cumsum(list(SOURCES.values())) / FULL * images
    rows = []
    (folder / f"{first}").mkdir()
    for i in range(first, min(first + FILES_A_FOLDER, images)):
        rng = np.random.default_rng([1, i])
        source = list(SOURCES)[np.searchsorted(borders, i, side="right")]
        cells: dict[str, list[str]] = {category: [] for category in LABELS}
        for category, channel, labels in _label_maps(rng, source, field):
            file = f"{first}/{i}_{category}_{channel}.png"
            rgb = np.stack([labels % 256, labels // 256, 0 * labels], axis=-1).astype(np.uint8)
            Image.fromarray(rgb).save(folder / file, compress_level=3)
            cells[category].append(file)
        if source == "dtd":
            cells["texture"].append(str(_some_labels(rng, "texture", 1)[0]))
        elif source == "ade20k" and rng.random() < 0.8:
            cells["scene"].append(str(_some_labels(rng, "scene", 1)[0]))
        sizes = {"ih": IMAGE_SIZE, "iw": IMAGE_SIZE, "sh": LABEL_SIZE, "sw": LABEL_SIZE}
        (folder / f"{first}/{i}.jpg").symlink_to(f"../{i % PHOTOGRAPHS}.jpg")
        row = {"image": f"{first}/{i}.jpg", "split": "train", **sizes}
        rows.append(row | {category: ";".join(cells[category]) for category in CATEGORIES})
    return rows


def _label_maps(
    rng: np.random.Generator, source: str, field: np.ndarray
) -> list[tuple[str, int, np.ndarray]]:
    """Draw an image's label maps: (category, channel, labels)."""
    y, x = rng.integers(0, FIELD - LABEL_SIZE, 2)
    colours = field[y : y + LABEL_SIZE, x : x + LABEL_SIZE]
    colours = colours + rng.normal(scale=0.1, size=colours.shape)  # changes every few pixels
    maps = [("color", 0, FIRST["color"] + np.clip(5 + 2.5 * colours, 0, 10).astype(np.int32))]
    if source == "opensurfaces":
        covered = _regions(rng, np.arange(8)) < 5
        maps.append(("material", 0, covered * _regions(rng, _some_labels(rng, "material", 12))))
    if source in ("ade20k", "pascal"):
        maps.append(("object", 0, _regions(rng, _some_labels(rng, "object", 15))))
    channels = {"ade20k": rng.choice([0, 1, 2], p=[0.48, 0.35, 0.17]), "pascal": 1}
    for channel in range(channels.get(source, 0)):
        covered = _regions(rng, np.arange(12)) < 4
        maps.append(("part", channel, covered * _regions(rng, _some_labels(rng, "part", 20))))
    return maps


def _some_labels(rng: np.random.Generator, category: str, count: int) -> np.ndarray:
    """Draw labels of a category; few are frequent."""
    return FIRST[category] + (LABELS[category] * rng.random(count) ** 3).astype(np.int32)


def _regions(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """Give every pixel the value of the nearest of as many random centres."""
    nearest = _partitions(len(values))[rng.integers(PARTITIONS)]
    return rng.permutation(values)[nearest]


@cache
def _partitions(centres: int) -> np.ndarray:
    """Draw maps of the nearest centre once: drawing them anew for every image takes long."""
    rng = np.random.default_rng([3, centres])
    side = np.arange(LABEL_SIZE, dtype=np.int32)
    places = rng.integers(0, LABEL_SIZE, (PARTITIONS, 2, centres, 1, 1), dtype=np.int32)
    distances = ((side[:, None] - cy) ** 2 + (side - cx) ** 2 for cy, cx in places)
    return np.stack([distance.argmin(axis=0) for distance in distances])


def activation_bytes(layer: str, images: int, units: int | None = None) -> int:
    """Return the size of a layer's activations in float16."""
    return 2 * images * (units or SHAPES[layer][0]) * SHAPES[layer][1] ** 2


def write_activations(
    folders: Sequence[Path], layer: str, images: int, processes: int, units: int | None = None
) -> None:
    """Write a layer's activations, float16, in as many shards as there are folders."""
    units = units or SHAPES[layer][0]
    borders = np.linspace(0, images, len(folders) + 1).astype(int).tolist()
    _, side, centre, stride = SHAPES[layer]
    geometry = Geometry(
        side, side, IMAGE_SIZE, IMAGE_SIZE, (centre, centre), (stride, stride), (163, 163)
    )
    with ProcessPoolExecutor(processes) as pool:
        for folder, (first, end) in zip(folders, pairwise(borders), strict=True):
            folder.mkdir(parents=True)
            stem = folder / layer_file_name(layer)
            Path(f"{stem}.json").write_text(json.dumps(geometry.to_json()), encoding="utf-8")
            shape = (end - first, units, side, side)
            np.lib.format.open_memmap(f"{stem}.npy", "w+", np.float16, shape)
            step = max(1, 2**25 // (units * side**2))
            starts = range(0, end - first, step)
            list(pool.map(partial(_write_maps, f"{stem}.npy", first, step), starts))


def _write_maps(path: str, first: int, step: int, start: int) -> None:
    file = np.load(path, mmap_mode="r+")
    _, units, side, _ = file.shape
    noise = np.random.default_rng(0).standard_normal((MAPS, side, side), np.float32)
    noise = gaussian_filter(noise, (0, 1.2, 1.2)) - 0.35
    for i in range(start, min(start + step, len(file))):
        rng = np.random.default_rng([2, first + i])
        # Most units like few images: a level of the image's own, the same at all positions.
        level = rng.normal(scale=0.3, size=(units, 1, 1)).astype(np.float32)
        file[i] = np.maximum(noise[rng.integers(0, MAPS, units)] + level, 0)
    file.flush()
