"""Textures: two colours in a pattern that fills the image."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dissection.datasets.drawn.canvas import OVERSAMPLING, Canvas, some_color
from dissection.datasets.drawn.materials import smooth_noise

TAU = 2 * np.pi
CONTRAST = 0.45  # least difference between the two colours, summed over the channels


@dataclass(frozen=True)
class Grid:
    """Where a pattern is drawn.

    Attributes
    ----------
    x, y : float32 (n, n)
        Pixels.
    u, v : float32 (n, n)
        The same, turned by a random angle and a little bent.
    scale : float
        Size of the pattern's elements, pixels.
    rng : numpy Generator
    """

    x: np.ndarray
    y: np.ndarray
    u: np.ndarray
    v: np.ndarray
    scale: float
    rng: np.random.Generator

    def cell(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the place in a repeated square cell, from -0.5 to 0.5 both ways."""
        return self.u % self.scale / self.scale - 0.5, self.v % self.scale / self.scale - 0.5


def _grid(n: int, rng: np.random.Generator) -> Grid:
    y, x = np.mgrid[0:n, 0:n].astype(np.float32)
    angle, scale = rng.uniform(0, np.pi), rng.uniform(0.6, 1.6) * n / 8
    bend = smooth_noise(rng, n, n, n // 3) * n * 0.02
    u = x * np.cos(angle) + y * np.sin(angle) + bend
    v = y * np.cos(angle) - x * np.sin(angle) + np.roll(bend, n // 2, 0)
    return Grid(x, y, u, v, scale, rng)


def _noise(g: Grid, share: float) -> np.ndarray:
    return smooth_noise(g.rng, *g.x.shape, max(3, int(g.scale * share)))


def _triangle_wave(t: np.ndarray) -> np.ndarray:
    return 2 * np.abs(t - np.floor(t + 0.5))


def _dotted(g: Grid) -> np.ndarray:
    u, v = g.cell()
    return u**2 + v**2 < g.rng.uniform(0.04, 0.12)


def _zigzagged(g: Grid) -> np.ndarray:
    width = 0.8 * g.scale
    return (g.u + width * _triangle_wave(g.v / g.scale)) / width % 1 > 0.5


def _crosshatched(g: Grid) -> np.ndarray:
    gap = 0.45 * g.scale
    one = (g.u + g.v) % gap < 0.25 * gap
    other = (g.u - g.v) % gap < 0.25 * gap
    return 0.5 * one + 0.5 * other


def _honeycombed(g: Grid) -> np.ndarray:
    size, row_height = g.scale, 0.87 * g.scale
    row = np.round(g.v / row_height)
    distances = []
    for i in (row - 1, row, row + 1):
        offset = np.abs(i) % 2 * size / 2
        column = np.round((g.u - offset) / size)
        distances += [
            (g.u - offset - j * size) ** 2 + (g.v - i * row_height) ** 2
            for j in (column - 1, column, column + 1)
        ]
    nearest = np.sqrt(np.sort(np.stack(distances), axis=0)[:2])
    return nearest[1] - nearest[0] < 0.16 * size


def _scaly(g: Grid) -> np.ndarray:
    row = np.floor(g.v / (g.scale / 2))
    u = (g.u - np.abs(row) % 2 * g.scale / 2) % g.scale - g.scale / 2
    v = g.v % (g.scale / 2)
    return np.clip(np.hypot(u, v) / (0.6 * g.scale), 0, 1)


def _two_nearest(g: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Distances to the nearest and the second nearest of some random points."""
    n = len(g.x)
    count = int(np.clip((n / g.scale) ** 2 * 1.2, 12, 140))
    points = g.rng.uniform(0, n, (count, 2)).astype(np.float32)
    squares = (g.x[..., None] - points[:, 0]) ** 2 + (g.y[..., None] - points[:, 1]) ** 2
    two = np.sqrt(np.partition(squares, 1, axis=-1)[..., :2])
    return two[..., 0], two[..., 1]


def _cracked(g: Grid) -> np.ndarray:
    first, second = _two_nearest(g)
    return second - first < 0.14 * g.scale


def _bubbly(g: Grid) -> np.ndarray:
    first, _ = _two_nearest(g)
    return np.clip(1 - np.abs(first - 0.36 * g.scale) / (0.12 * g.scale), 0, 1)


def _spiralled(g: Grid) -> np.ndarray:
    n = len(g.x)
    y, x = g.rng.uniform(0.3, 0.7, 2) * n
    turns = np.arctan2(g.y - y, g.x - x) * g.rng.integers(1, 4)
    return 0.5 + 0.5 * np.sin(TAU * 1.2 * np.hypot(g.x - x, g.y - y) / g.scale + turns)


def _sprinkled(g: Grid) -> np.ndarray:
    n = len(g.x) // OVERSAMPLING
    seeds = g.rng.random((n, n)) < g.rng.uniform(0.06, 0.2)
    return seeds.repeat(OVERSAMPLING, 0).repeat(OVERSAMPLING, 1)


def _woven(g: Grid) -> np.ndarray:
    size = 0.7 * g.scale
    over = (np.floor(g.u / size) + np.floor(g.v / size)) % 2 == 0
    warp, weft = np.abs(np.sin(np.pi * g.u / size)), np.abs(np.sin(np.pi * g.v / size))
    return np.where(over, warp, 0.75 * weft)


def _bricked(g: Grid) -> np.ndarray:
    size = 0.6 * g.scale
    u = g.u + np.floor(g.v / size) % 2 * size
    return (g.v % size < 0.2 * size) | (u % (2 * size) < 0.2 * size)


def _crosses(g: Grid) -> np.ndarray:
    u, v = (np.abs(place) for place in g.cell())
    return (np.minimum(u, v) < 0.09) & (np.maximum(u, v) < 0.33)


def _starry(g: Grid) -> np.ndarray:
    u, v = (np.abs(place) for place in g.cell())
    return (u * v < 0.006) & (np.maximum(u, v) < 0.42)


# From the grid to the share of the first colour, 0 to 1.
TEXTURES: dict[str, Callable[[Grid], np.ndarray]] = {
    "striped": lambda g: np.sin(TAU * g.u / g.scale) > 0,
    "dotted": _dotted,
    "chequered": lambda g: np.sin(TAU * g.u / g.scale) * np.sin(TAU * g.v / g.scale) > 0,
    "zigzagged": _zigzagged,
    "grid": lambda g: (g.u % g.scale < 0.18 * g.scale) | (g.v % g.scale < 0.18 * g.scale),
    "crosshatched": _crosshatched,
    "wavy": lambda g: (
        0.5 + 0.5 * np.sin(TAU * (1.2 * g.u / g.scale + 0.45 * np.sin(np.pi * g.v / g.scale)))
    ),
    "honeycombed": _honeycombed,
    "cracked": _cracked,
    "bubbly": _bubbly,
    "spiralled": _spiralled,
    "blotchy": lambda g: _noise(g, 0.7) > 0,
    "sprinkled": _sprinkled,
    "banded": lambda g: 0.5 + 0.5 * np.sin(TAU * g.u / (1.6 * g.scale)),
    "scaly": _scaly,
    "woven": _woven,
    "marbled": lambda g: 0.5 + 0.5 * np.sin(TAU * g.u / (1.5 * g.scale) + 2.5 * _noise(g, 0.5)),
    "bricked": _bricked,
    "crossed": _crosses,
    "starry": _starry,
}


def draw_texture(canvas: Canvas, name: str) -> None:
    """Fill a canvas with a texture of `TEXTURES`; it has no objects, parts or materials."""
    rng = canvas.rng
    share = TEXTURES[name](_grid(canvas.pixels, rng)).astype(np.float32)[..., None]
    first, second = some_color(rng), some_color(rng)
    while np.abs(first - second).sum() < CONTRAST:
        second = some_color(rng)
    canvas.image[:] = first * share + second * (1 - share)
