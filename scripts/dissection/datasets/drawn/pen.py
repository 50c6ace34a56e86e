"""Draw one thing at its place, in coordinates of its own."""

import numpy as np

from dissection.datasets.drawn.canvas import Canvas, Hsv, Point, rgb, some_color

PARTS = (
    *("wheel", "window", "body", "roof", "door", "trunk", "crown", "head", "torso", "leg"),
    *("pole", "light", "seat", "back", "post", "rail", "hull", "sail", "wing", "tail"),
    *("cabin", "headboard", "pillow", "shade", "frame", "hand", "cushion", "screen", "pot"),
    *("leaves", "top", "books", "burner", "handle", "horn", "arm"),
)

GREEN: Hsv = (0.33, 0.6, 0.5)
BROWN: Hsv = (0.07, 0.6, 0.45)
SKIN: Hsv = (0.06, 0.45, 0.8)
WHITE: Hsv = (0, 0.03, 0.9)
GLASS: Hsv = (0.55, 0.3, 0.8)
LAMP: Hsv = (0.14, 0.4, 0.95)


class Pen:
    """Draws a thing that stands at a place, with a height.

    The thing's own coordinates are (u, v): u = 0 in its middle, v = 0 at its foot and v = 1 at its
    top, both in units of its height. Things are mirrored at random and a little wider or narrower.

    Parameters
    ----------
    canvas : Canvas
    object_code : int
    x, foot : float
        Where its middle and its foot stand on the canvas.
    height : float
        Share of the canvas.
    """

    def __init__(
        self, canvas: Canvas, object_code: int, x: float, foot: float, height: float
    ) -> None:
        self.canvas = canvas
        self.rng = canvas.rng
        self._object = object_code
        self._x, self._foot, self._height = x, foot, height
        side = 1 if self.rng.random() < 0.5 else -1
        self._across = side * height * self.rng.uniform(0.85, 1.2)

    def _place(self, u: float, v: float) -> Point:
        return self._x + self._across * u, self._foot - self._height * v

    def _box(self, outline: str, box: tuple[float, float, float, float], *how, **more) -> None:
        (x0, y0), (x1, y1) = self._place(*box[:2]), self._place(*box[2:])
        corners = [(min(x0, x1), min(y0, y1)), (max(x0, x1), max(y0, y1))]
        self._paint(outline, corners, *how, **more)

    def _paint(
        self,
        outline: str,
        points: list[Point],
        part: str,
        material: str,
        color: np.ndarray,
        detail: bool = False,
    ) -> None:
        self.canvas.paint(
            outline,
            points,
            object_code=self._object,
            part_code=PARTS.index(part) + 1,
            material=material,
            color=color,
            detail=detail,
        )

    def rectangle(self, u0: float, v0: float, u1: float, v1: float, *how, **more) -> None:
        """Paint a box; then part, material, colour; ``detail`` if it lies on another part."""
        self._box("rectangle", (u0, v0, u1, v1), *how, **more)

    def ellipse(self, u0: float, v0: float, u1: float, v1: float, *how, **more) -> None:
        """Paint the ellipse in a box."""
        self._box("ellipse", (u0, v0, u1, v1), *how, **more)

    def polygon(self, points: list[tuple[float, float]], *how, **more) -> None:
        """Paint a polygon."""
        self._paint("polygon", [self._place(u, v) for u, v in points], *how, **more)

    def color(self, usual: Hsv | None = None, how_usual: float = 0.6) -> np.ndarray:
        """Draw a colour, near the usual one if there is one."""
        return some_color(self.rng, usual, how_usual)

    def dark(self) -> np.ndarray:
        """Draw a colour close to black."""
        return rgb((0, 0.05, self.rng.uniform(0.05, 0.2)))

    def one_of(self, *choices: str) -> str:
        """Draw one of some materials."""
        return choices[self.rng.integers(len(choices))]
