"""Materials: patterns of light and dark that things are painted with."""

import functools

import numpy as np
from PIL import Image

MATERIALS = (
    *("brick", "wood", "metal", "fabric", "glass", "stone"),
    *("foliage", "water", "plastic", "tile", "skin", "grass"),
)
PLAIN = "plastic"  # the one without a pattern
SIZE = 256  # of a pattern, pixels
VARIANTS = 5  # of each material
SEED = 12345  # the patterns are the same in every data set


def smooth_noise(rng: np.random.Generator, height: int, width: int, grain: int) -> np.ndarray:
    """Return smooth noise of mean 0 and deviation about 1, float32 (height, width).

    Parameters
    ----------
    rng : numpy Generator
    height, width : int
    grain : int
        Size of its bumps, pixels.
    """
    coarse = rng.standard_normal((max(2, height // grain + 2), max(2, width // grain + 2)))
    image = Image.fromarray(coarse.astype(np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))


@functools.cache
def patterns(material: str) -> tuple[np.ndarray, ...]:
    """Return the variants of a material, each float32 (256, 256) between -0.6 and 0.6."""
    rng = np.random.default_rng([SEED, MATERIALS.index(material)])
    return tuple(
        np.clip(_pattern(material, rng, rng.uniform(0.8, 1.3)), -0.6, 0.6).astype(np.float32)
        for _ in range(VARIANTS)
    )


def _pattern(material: str, rng: np.random.Generator, scale: float) -> np.ndarray:
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)

    def waves(phase: np.ndarray, length: float) -> np.ndarray:
        return np.sin(2 * np.pi * phase / (length * scale))

    def noise(grain: float) -> np.ndarray:
        return smooth_noise(rng, SIZE, SIZE, int(grain))

    if material == "brick":
        height = max(5, 6 * scale)
        width = 2.2 * height
        row = np.floor(y / height)
        shifted = x + row % 2 * width / 2
        mortar = (y % height < 1.6) | (shifted % width < 1.6)
        shade = (row * 7 + np.floor(shifted / width) * 13) % 3 - 1
        return np.where(mortar, 0.35, 0) + 0.06 * shade
    if material == "wood":
        grain = 1.2 * 5 * scale * noise(24)
        return 0.14 * waves(y + grain, 5) + 0.04 * noise(3)
    if material == "metal":
        return 0.22 * waves(y + 34 * rng.random(), 34) + 0.02 * noise(2)
    if material == "fabric":
        return 0.13 * np.sign(waves(x, 4)) * np.sign(waves(y, 4))
    if material == "glass":
        return 0.28 * (waves(x + y, 26) > 0.75) - 0.03
    if material == "stone":
        return 0.16 * np.sign(noise(6 * scale)) + 0.05 * noise(2)
    if material == "foliage":
        return 0.22 * noise(4)
    if material == "water":
        return 0.14 * waves(y + 3.5 * scale * waves(x, 28), 7)
    if material == PLAIN:
        return np.zeros((SIZE, SIZE), np.float32)
    if material == "tile":
        joint = 9 * scale
        return np.where((y % joint < 1.6) | (x % joint < 1.6), -0.22, 0)
    if material == "skin":
        return 0.05 * noise(10)
    blades = Image.fromarray(rng.standard_normal((SIZE // 6 + 1, SIZE)).astype(np.float32))
    return 0.16 * np.asarray(blades.resize((SIZE, SIZE), Image.Resampling.BILINEAR))
