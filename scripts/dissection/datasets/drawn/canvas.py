"""A canvas that keeps, for every pixel, what is painted there: object, parts and material."""

import colorsys
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from dissection.datasets.drawn.materials import MATERIALS, PLAIN, SIZE, patterns

OVERSAMPLING = 2  # images are drawn at twice their size and averaged down
PART_CHANNELS = 2  # a part, and a smaller one that lies on it

Point = tuple[float, float]
Hsv = tuple[float, float, float]


class Canvas:
    """Image and label maps while they are drawn.

    Coordinates go from 0 to 1, x to the right and y downwards.

    Parameters
    ----------
    size : int
        Of the finished image, pixels.
    rng : numpy Generator

    Attributes
    ----------
    image : float32 (n, n, 3), from 0 to 1
    objects, materials : uint8 (n, n)
        Codes from 1; 0 is nothing.
    parts : uint8 (2, n, n)
        Codes from 1. The second channel holds small parts that lie on the part of the first.
    """

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.pixels = size * OVERSAMPLING
        self.rng = rng
        shape = (self.pixels, self.pixels)
        self.image = np.zeros((*shape, 3), np.float32)
        self.objects = np.zeros(shape, np.uint8)
        self.parts = np.zeros((PART_CHANNELS, *shape), np.uint8)
        self.materials = np.zeros(shape, np.uint8)

    def paint(
        self,
        outline: str,
        points: Sequence[Point],
        *,
        object_code: int,
        part_code: int,
        material: str | None,
        color: np.ndarray,
        detail: bool = False,
    ) -> None:
        """Paint a shape over what is there.

        Parameters
        ----------
        outline : {"rectangle", "ellipse", "polygon"}
            The first two are given by two opposite corners of their box.
        points : sequence of (x, y)
        object_code, part_code : int
        material : str or None
            None: painted plainly, without a label.
        color : float32 (3,), from 0 to 1
        detail : bool
            Whether the part lies on a part of the same object, which stays labelled too.
        """
        corners = [(x * self.pixels, y * self.pixels) for x, y in points]
        xs, ys = zip(*corners, strict=True)
        left, right = max(0, math.floor(min(xs))), min(self.pixels, math.ceil(max(xs)) + 1)
        top, bottom = max(0, math.floor(min(ys))), min(self.pixels, math.ceil(max(ys)) + 1)
        if right <= left or bottom <= top:
            return
        place = (slice(top, bottom), slice(left, right))
        inside: np.ndarray | None = None  # of a rectangle, everything
        if outline != "rectangle":
            stencil = Image.new("1", (right - left, bottom - top))
            moved = [(x - left, y - top) for x, y in corners]
            draw = ImageDraw.Draw(stencil)
            if outline == "polygon":
                draw.polygon(moved, fill=1)
            else:
                draw.ellipse([moved[0], moved[1]], fill=1)
            inside = np.asarray(stencil)
        variants = patterns(material or PLAIN)
        pattern = variants[self.rng.integers(len(variants))]
        height, width = bottom - top, right - left
        y, x = (
            self.rng.integers(0, max(1, SIZE - height)),
            self.rng.integers(0, max(1, SIZE - width)),
        )
        light = pattern[y : y + height, x : x + width, None]
        lit = color * (1 + light)
        lit += light / 4
        material_code = MATERIALS.index(material) + 1 if material else 0
        for layer, value in (
            (self.image, np.clip(lit, 0, 1, out=lit)),
            (self.objects, object_code),
            (self.materials, material_code),
            *([] if detail else [(self.parts[0], part_code)]),
            (self.parts[1], part_code if detail else 0),
        ):
            if inside is None:
                layer[place] = value
            else:
                layer[place][inside] = value[inside] if layer is self.image else value

    def finish(self, noise: float = 0.02) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Light the scene, average it down and add noise.

        Returns
        -------
        image : uint8 (size, size, 3)
        labels : dict of uint8 (channels, size, size), for object, part and material
            Those of one of the pixels that were averaged.
        """
        rng, n = self.rng, self.pixels
        slope = (np.arange(n, dtype=np.float32) / n) - 0.5
        across, down = rng.normal(0, 0.15, 2)
        light = 1 + across * slope[None, :, None] + down * slope[:, None, None]
        tint = (1 + rng.normal(0, 0.05, 3)).astype(np.float32)
        image = self.image * (rng.uniform(0.75, 1.15) * light) * tint
        steps = [slice(first, None, OVERSAMPLING) for first in range(OVERSAMPLING)]
        image = sum(image[rows, columns] for rows in steps for columns in steps)
        image = image / OVERSAMPLING**2
        image = np.clip(image + rng.normal(0, noise, image.shape), 0, 1)
        step = (..., slice(1, None, OVERSAMPLING), slice(1, None, OVERSAMPLING))
        labels = {
            "object": self.objects[step][None],
            "part": self.parts[step],
            "material": self.materials[step][None],
        }
        return (image * 255).astype(np.uint8), {k: v.copy() for k, v in labels.items()}


def rgb(hsv: Hsv) -> np.ndarray:
    """Turn hue, saturation and value, which are brought into range, into float32 (3,)."""
    hue, saturation, value = hsv
    clipped = (hue % 1, min(max(saturation, 0), 1), min(max(value, 0), 1))
    return np.array(colorsys.hsv_to_rgb(*clipped), np.float32)


def some_color(
    rng: np.random.Generator, usual: Hsv | None = None, how_usual: float = 0.6
) -> np.ndarray:
    """Draw a colour: near the usual one, with the probability given, or any other."""
    if usual is not None and rng.random() < min(0.95, how_usual + 0.2):
        hue, saturation, value = usual
        return rgb(
            (
                hue + rng.normal(0, 0.04),
                saturation + rng.normal(0, 0.12),
                value + rng.normal(0, 0.12),
            )
        )
    if rng.random() < 0.25:
        return rgb((0, 0.03, rng.uniform(0.1, 1)))
    return rgb((rng.random(), rng.uniform(0.25, 0.95), rng.uniform(0.35, 0.95)))


def pale_color(rng: np.random.Generator, usual: Hsv) -> np.ndarray:
    """Draw the colour of a background, near the usual one."""
    hue, saturation, value = usual
    return rgb(
        (hue + rng.normal(0, 0.05), saturation + rng.normal(0, 0.08), value + rng.normal(0, 0.1))
    )
