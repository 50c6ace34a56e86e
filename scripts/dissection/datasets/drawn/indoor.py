"""Things that stand or hang indoors. Each function draws one with a pen."""

import math

import numpy as np

from dissection.datasets.drawn.pen import BROWN, GREEN, LAMP, WHITE, Pen


def bed(pen: Pen) -> None:
    cover = pen.color()
    pen.rectangle(-1.1, 0, -0.92, 1, "headboard", "wood", pen.color(BROWN, 0.4))
    pen.rectangle(-0.95, 0.15, 1.1, 0.5, "body", "fabric", cover)
    pen.rectangle(-0.9, 0.45, -0.4, 0.68, "pillow", "fabric", pen.color(WHITE))
    pen.rectangle(0.95, 0, 1.1, 0.55, "leg", "wood", pen.color(BROWN, 0.4))


def lamp(pen: Pen) -> None:
    pen.rectangle(-0.03, 0.05, 0.03, 0.65, "pole", "metal", pen.color())
    pen.rectangle(-0.2, 0, 0.2, 0.07, "pole", "metal", pen.dark())
    shade = [(-0.32, 0.55), (0.32, 0.55), (0.17, 1), (-0.17, 1)]
    pen.polygon(shade, "shade", "fabric", pen.color(LAMP))


def picture(pen: Pen) -> None:
    pen.rectangle(-0.6, 0, 0.6, 1, "frame", "wood", pen.color(BROWN, 0.4))
    pen.rectangle(-0.48, 0.12, 0.48, 0.88, "screen", "fabric", pen.color())
    pen.ellipse(-0.25, 0.25, 0.2, 0.7, "screen", "plastic", pen.color())


def wardrobe(pen: Pen) -> None:
    color = pen.color(BROWN, 0.4)
    pen.rectangle(-0.4, 0, 0.4, 1, "frame", "wood", color)
    doors, knobs = color * pen.rng.uniform(0.7, 0.9), pen.color()
    for left, handle in ((-0.36, -0.08), (0.02, 0.04)):
        pen.rectangle(left, 0.05, left + 0.34, 0.95, "door", "wood", doors)
        box = (handle, 0.45, handle + 0.04, 0.6)
        pen.rectangle(*box, "handle", "metal", knobs, detail=True)


def clock(pen: Pen) -> None:
    pen.ellipse(-0.5, 0, 0.5, 1, "frame", pen.one_of("wood", "metal"), pen.color())
    pen.ellipse(-0.4, 0.1, 0.4, 0.9, "body", "plastic", pen.color((0, 0.02, 0.95), 0.8))
    black = pen.dark()
    minutes = [(-0.04, 0.5), (0.04, 0.5), (0.03, 0.85), (-0.03, 0.85)]
    hours = [(0, 0.46), (0, 0.54), (0.28, 0.52), (0.28, 0.48)]
    for hand in (minutes, hours):
        pen.polygon(hand, "hand", "metal", black, detail=True)


def sofa(pen: Pen) -> None:
    color = pen.color()
    pen.rectangle(-1.1, 0.4, 1.1, 1, "back", "fabric", color)
    pen.rectangle(-1.1, 0.08, 1.1, 0.45, "seat", "fabric", color * 0.8)
    for u in (-1.3, 1.05):
        pen.rectangle(u, 0.08, u + 0.25, 0.7, "arm", "fabric", color * 0.9)
    for u in (-0.7, 0.3):
        pen.rectangle(u, 0.45, u + 0.4, 0.8, "cushion", "fabric", pen.color(), detail=True)


def television(pen: Pen) -> None:
    pen.rectangle(-0.75, 0.15, 0.75, 1, "frame", "plastic", pen.dark())
    pen.rectangle(-0.66, 0.24, 0.66, 0.92, "screen", "glass", pen.color((0.58, 0.6, 0.6), 0.5))
    pen.rectangle(-0.25, 0, 0.25, 0.16, "leg", "plastic", pen.dark())


def plant(pen: Pen) -> None:
    green = pen.color(GREEN)
    for angle in np.linspace(-1.1, 1.1, 5):
        across, up = math.sin(angle), math.cos(angle)
        tip = (0.55 * across + 0.05, 0.35 + 0.62 * up)
        belly = (0.3 * across - 0.1 * up, 0.35 + 0.35 * up + 0.1 * across)
        pen.polygon([(-0.06, 0.35), (0.06, 0.35), tip, belly], "leaves", "foliage", green)
    pen.ellipse(-0.22, 0.4, 0.22, 0.8, "leaves", "foliage", green)
    pot = [(-0.28, 0.42), (0.28, 0.42), (0.19, 0), (-0.19, 0)]
    clay = pen.color((0.04, 0.6, 0.6), 0.4)
    pen.polygon(pot, "pot", pen.one_of("stone", "plastic"), clay)


def table(pen: Pen) -> None:
    color = pen.color(BROWN, 0.4)
    pen.rectangle(-1, 0.82, 1, 1, "top", pen.one_of("wood", "glass", "stone"), color)
    for u in (-0.9, 0.76):
        pen.rectangle(u, 0, u + 0.14, 0.85, "leg", pen.one_of("wood", "metal"), color * 0.8)


def chair(pen: Pen) -> None:
    color, material = pen.color(BROWN, 0.3), pen.one_of("wood", "fabric", "plastic")
    pen.rectangle(-0.32, 0.38, 0.32, 0.5, "seat", material, color)
    pen.rectangle(-0.34, 0.4, -0.22, 1, "back", material, color)
    pen.rectangle(-0.34, 0.62, -0.1, 1, "back", material, color)
    for u in (-0.3, 0.22):
        pen.rectangle(u, 0, u + 0.09, 0.4, "leg", "wood", color * 0.7)


def bookshelf(pen: Pen) -> None:
    pen.rectangle(-0.45, 0, 0.45, 1, "frame", "wood", pen.color(BROWN, 0.4))
    for shelf in np.arange(4) * 0.24 + 0.05:
        u = -0.4
        while u < 0.36:
            width, height = pen.rng.uniform(0.05, 0.11), pen.rng.uniform(0.13, 0.2)
            box = (u, shelf, min(u + width, 0.4), shelf + height)
            pen.rectangle(*box, "books", "plastic", pen.color(), detail=True)
            u += width


def stove(pen: Pen) -> None:
    pen.rectangle(-0.5, 0, 0.5, 0.9, "body", "metal", pen.color((0, 0.03, 0.8), 0.4))
    pen.rectangle(-0.38, 0.1, 0.38, 0.55, "door", "glass", pen.dark(), detail=True)
    pen.rectangle(-0.5, 0.86, 0.5, 0.93, "top", "metal", pen.dark())
    for u in (-0.36, -0.12, 0.12, 0.36):
        pen.ellipse(u - 0.07, 0.64, u + 0.07, 0.78, "burner", "plastic", pen.dark(), detail=True)


def fridge(pen: Pen) -> None:
    color = pen.color((0, 0.03, 0.85), 0.4)
    pen.rectangle(-0.3, 0, 0.3, 1, "body", "metal", color)
    black = pen.dark()
    for bottom, top, handle in ((0.62, 0.97, (0.68, 0.88)), (0.03, 0.58, (0.3, 0.52))):
        pen.rectangle(-0.28, bottom, 0.28, top, "door", "metal", color * 0.92)
        box = (0.16, handle[0], 0.21, handle[1])
        pen.rectangle(*box, "handle", "metal", black, detail=True)


def bathtub(pen: Pen) -> None:
    color = pen.color((0, 0.03, 0.95), 0.5)
    tub = [(-1.1, 0.75), (1.1, 0.75), (0.85, 0.08), (-0.85, 0.08)]
    pen.polygon(tub, "body", pen.one_of("stone", "plastic"), color)
    pen.rectangle(-1.2, 0.68, 1.2, 0.82, "top", "plastic", color * 0.9)
    pen.rectangle(0.8, 0.8, 0.88, 1.1, "handle", "metal", pen.color())
    for u in (-0.7, 0.6):
        pen.rectangle(u, 0, u + 0.12, 0.12, "leg", "metal", pen.dark())


def mirror(pen: Pen) -> None:
    pen.ellipse(-0.42, 0, 0.42, 1, "frame", pen.one_of("wood", "metal"), pen.color())
    pen.ellipse(-0.33, 0.09, 0.33, 0.91, "screen", "glass", pen.color((0.55, 0.15, 0.85), 0.8))
