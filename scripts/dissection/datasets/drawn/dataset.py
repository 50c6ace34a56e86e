"""Draw whole data sets: mini-Broden, and the labelled images that networks learn from."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from dissection.datasets.broden_writer import BrodenImage, write_broden
from dissection.datasets.color_names import COLOR_NAMES, color_labels
from dissection.datasets.drawn.canvas import Canvas
from dissection.datasets.drawn.materials import MATERIALS
from dissection.datasets.drawn.pen import PARTS
from dissection.datasets.drawn.scenes import OBJECTS, SCENES, THINGS, draw_scene, draw_single
from dissection.datasets.drawn.textures import TEXTURES, draw_texture
from dissection.errors import InputError
from dissection.jobs.files import whole_folder
from dissection.jobs.logs import progress
from dissection.jobs.processes import map_in_processes

SIZE = 64  # pixels of an image
# Streams of random numbers: images of different use never share one.
STREAMS = ("scene", "texture", "object", "held_out_scene", "held_out_object")
CHUNK = 32  # images that a process draws at a time

_NAMES = {
    "object": OBJECTS,
    "part": PARTS,
    "material": MATERIALS,
    "color": tuple(f"{name}-c" for name in COLOR_NAMES),
}

Drawing = tuple[str, str, int, int]  # stream, what it shows, seed, number
T = TypeVar("T")


def _draw(drawing: Drawing) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    stream, name, seed, number = drawing
    canvas = Canvas(SIZE, np.random.default_rng([seed, STREAMS.index(stream), number]))
    kind = stream.removeprefix("held_out_")
    {"scene": draw_scene, "texture": draw_texture, "object": draw_single}[kind](canvas, name)
    return canvas.finish()


def _draw_image(drawing: Drawing) -> np.ndarray:
    return _draw(drawing)[0]


def _draw_some(draw: Callable[[Drawing], T], drawings: list[Drawing]) -> list[T]:
    return [draw(drawing) for drawing in drawings]


def _drawn(draw: Callable[[Drawing], T], drawings: list[Drawing], processes: int) -> Iterator[T]:
    """Draw images, in their order, whatever the number of processes."""
    some = (drawings[first : first + CHUNK] for first in range(0, len(drawings), CHUNK))
    for drawn in map_in_processes(partial(_draw_some, draw), some, processes):
        yield from drawn


def draw_broden(
    folder: str | Path, seed: int, scene_images: int, texture_images: int, processes: int = 1
) -> None:
    """Draw mini-Broden, in the format of the released Broden.

    Parameters
    ----------
    folder : path
        Appears when the data set is complete.
    seed : int
    scene_images, texture_images : int
        Images of scenes, with objects, parts, materials and colours; of textures, with colours.
        Scenes and textures take turns.
    processes : int
        Changes no byte of the result.

    Raises
    ------
    InputError
        If there is nothing to draw.
    """
    if scene_images + texture_images < 1:
        raise InputError("A data set without images: ask for some scene_images.")
    drawings: list[Drawing] = []
    for stream, names, count in (
        ("scene", list(SCENES), scene_images),
        ("texture", list(TEXTURES), texture_images),
    ):
        drawings += [(stream, names[i % len(names)], seed, i) for i in range(count)]

    def images() -> Iterator[BrodenImage]:
        drawn = progress(_drawn(_draw, drawings, processes), "images", len(drawings))
        for (stream, name, _, number), (image, labels) in zip(drawings, drawn, strict=True):
            whole = {"scene": [f"{name}-s"]} if stream == "scene" else {"texture": [name]}
            maps = {"color": color_labels(image)[None]} | (labels if stream == "scene" else {})
            yield BrodenImage(f"{stream}/{number:05d}.png", image, maps, whole)

    with whole_folder(folder) as unfinished:
        write_broden(unfinished, images(), _NAMES)


def draw_training_set(
    folder: str | Path, content: str, seed: int, images: int, held_out: int, processes: int = 1
) -> None:
    """Draw labelled images of scenes, or of single things, for networks to learn from.

    Parameters
    ----------
    folder : path
        Gets images.npy, uint8 (images, 64, 64, 3), labels.npy, int64 (images,), the same of
        the images held out, and classes.txt, a name a line. Classes are equally frequent.
    content : {"scene", "object"}
    seed : int
    images, held_out : int
    processes : int
        Changes no byte of the result.
    """
    names = list({"scene": SCENES, "object": THINGS}[content])
    with whole_folder(folder) as unfinished:
        (unfinished / "classes.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
        parts = (("", content, images), ("held_out_", f"held_out_{content}", held_out))
        drawings = [
            # Training images must not be those of mini-Broden of the same seed.
            (stream, names[i % len(names)], seed + 2**32, i)
            for _, stream, count in parts
            for i in range(count)
        ]
        drawn = progress(_drawn(_draw_image, drawings, processes), "images", len(drawings))
        for part, _, count in parts:
            pixels = np.empty((count, SIZE, SIZE, 3), np.uint8)
            for i, image in zip(range(count), drawn, strict=False):
                pixels[i] = image
            np.save(unfinished / f"{part}images.npy", pixels)
            np.save(unfinished / f"{part}labels.npy", np.arange(count, dtype=np.int64) % len(names))
