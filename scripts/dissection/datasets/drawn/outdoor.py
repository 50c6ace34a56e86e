"""Things that stand outdoors. Each function draws one with a pen."""

import numpy as np

from dissection.datasets.drawn.pen import BROWN, GLASS, GREEN, LAMP, SKIN, WHITE, Pen


def building(pen: Pen) -> None:
    width = pen.rng.uniform(0.28, 0.45)
    pen.rectangle(-width, 0, width, 1, "body", pen.one_of("brick", "stone", "tile"), pen.color())
    glass = pen.color(GLASS)
    columns, rows = pen.rng.integers(2, 4), pen.rng.integers(3, 6)
    for i in range(columns):
        for j in range(rows):
            u, v = width * (2 * (i + 0.25) / columns - 1), (j + 0.35) / rows
            box = (u, v, u + width / columns, v + 0.45 / rows)
            pen.rectangle(*box, "window", "glass", glass, detail=True)


def house(pen: Pen) -> None:
    pen.rectangle(-0.6, 0, 0.6, 0.6, "body", pen.one_of("brick", "wood", "stone"), pen.color())
    roof = [(-0.72, 0.58), (0.72, 0.58), (0, 1.05)]
    pen.polygon(roof, "roof", pen.one_of("tile", "wood"), pen.color())
    pen.rectangle(-0.1, 0, 0.12, 0.4, "door", "wood", pen.color(), detail=True)
    glass = pen.color(GLASS)
    pen.rectangle(-0.48, 0.2, -0.22, 0.45, "window", "glass", glass, detail=True)
    pen.rectangle(0.24, 0.2, 0.5, 0.45, "window", "glass", glass, detail=True)


def car(pen: Pen) -> None:
    paint = pen.color()
    pen.polygon([(-0.55, 0.5), (-0.35, 1), (0.35, 1), (0.6, 0.5)], "body", "metal", paint)
    pen.rectangle(-1, 0.15, 1, 0.58, "body", "metal", paint)
    glass = pen.color(GLASS)
    rear = [(-0.45, 0.55), (-0.3, 0.92), (-0.03, 0.92), (-0.03, 0.55)]
    front = [(0.03, 0.55), (0.03, 0.92), (0.3, 0.92), (0.48, 0.55)]
    for window in (rear, front):
        pen.polygon(window, "window", "glass", glass, detail=True)
    rubber = pen.dark()
    for u in (-0.6, 0.6):
        pen.ellipse(u - 0.24, 0, u + 0.24, 0.46, "wheel", "plastic", rubber)


def truck(pen: Pen) -> None:
    pen.rectangle(-1, 0.2, 0.35, 1, "body", pen.one_of("metal", "plastic"), pen.color())
    pen.rectangle(0.38, 0.2, 0.9, 0.75, "cabin", "metal", pen.color())
    pen.rectangle(0.55, 0.45, 0.88, 0.7, "window", "glass", pen.color(GLASS), detail=True)
    rubber = pen.dark()
    for u in (-0.7, -0.25, 0.6):
        pen.ellipse(u - 0.18, 0, u + 0.18, 0.36, "wheel", "plastic", rubber)


def tree(pen: Pen) -> None:
    pen.rectangle(-0.07, 0, 0.07, 0.5, "trunk", "wood", pen.color(BROWN))
    leaves = pen.color(GREEN)
    if pen.rng.random() < 0.6:
        for box in ((-0.36, 0.38, 0.36, 1), (-0.45, 0.35, 0.05, 0.75), (-0.05, 0.35, 0.45, 0.78)):
            pen.ellipse(*box, "crown", "foliage", leaves)
    else:
        for v in (0.25, 0.48, 0.7):
            half = 0.4 - 0.25 * (v - 0.25)
            pen.polygon([(-half, v), (half, v), (0, v + 0.34)], "crown", "foliage", leaves)


def person(pen: Pen) -> None:
    shirt, trousers, skin = pen.color(), pen.color(), pen.color(SKIN, 0.9)
    pen.rectangle(-0.11, 0, -0.01, 0.45, "leg", "fabric", trousers)
    pen.rectangle(0.01, 0, 0.11, 0.45, "leg", "fabric", trousers)
    pen.rectangle(-0.15, 0.42, 0.15, 0.8, "torso", "fabric", shirt)
    for u in (-0.22, 0.15):
        pen.rectangle(u, 0.45, u + 0.07, 0.78, "arm", "skin", skin)
    pen.ellipse(-0.1, 0.79, 0.1, 1, "head", "skin", skin)


def streetlight(pen: Pen) -> None:
    metal = pen.color()
    pen.rectangle(-0.025, 0, 0.03, 0.92, "pole", "metal", metal)
    pen.rectangle(-0.02, 0.9, 0.28, 0.94, "pole", "metal", metal)
    pen.ellipse(0.16, 0.82, 0.34, 0.94, "light", "glass", pen.color(LAMP, 0.8))


def bench(pen: Pen) -> None:
    color, material = pen.color(BROWN, 0.4), pen.one_of("wood", "stone")
    pen.rectangle(-0.9, 0.35, 0.9, 0.5, "seat", material, color)
    pen.rectangle(-0.9, 0.62, 0.9, 0.95, "back", material, color)
    for u in (-0.8, 0.65):
        pen.rectangle(u, 0, u + 0.15, 0.7, "leg", "metal", pen.dark())


def bicycle(pen: Pen) -> None:
    paint, rubber = pen.color(), pen.dark()
    for u in (-0.55, 0.55):
        pen.ellipse(u - 0.4, 0, u + 0.4, 0.8, "wheel", "plastic", rubber)
        pen.ellipse(u - 0.28, 0.12, u + 0.28, 0.68, "wheel", "metal", pen.color(WHITE, 0.9))
    rear = [(-0.55, 0.36), (-0.55, 0.46), (-0.15, 0.95), (-0.05, 0.95)]
    front = [(0.55, 0.36), (0.55, 0.46), (0.3, 1.02), (0.2, 1.02)]
    for bar in (rear, front):
        pen.polygon(bar, "frame", "metal", paint)
    pen.rectangle(-0.2, 0.84, 0.35, 0.93, "frame", "metal", paint)
    pen.rectangle(-0.28, 0.93, 0, 1, "seat", "plastic", rubber)


def fence(pen: Pen) -> None:
    color, material = pen.color(BROWN, 0.4), pen.one_of("wood", "metal")
    for v in (0.3, 0.7):
        pen.rectangle(-1.6, v, 1.6, v + 0.13, "rail", material, color)
    for u in np.linspace(-1.6, 1.6, pen.rng.integers(4, 7)):
        pen.rectangle(u - 0.11, 0, u + 0.11, 1, "post", material, color)


def boat(pen: Pen) -> None:
    hull = [(-0.7, 0.3), (0.75, 0.3), (0.5, 0), (-0.5, 0)]
    pen.polygon(hull, "hull", pen.one_of("wood", "plastic"), pen.color())
    pen.rectangle(-0.03, 0.28, 0.03, 1, "pole", "wood", pen.color(BROWN))
    pen.polygon([(0.06, 0.35), (0.06, 0.98), (0.58, 0.38)], "sail", "fabric", pen.color())
    pen.polygon([(-0.06, 0.35), (-0.06, 0.9), (-0.45, 0.38)], "sail", "fabric", pen.color())


def cow(pen: Pen) -> None:
    color, material = pen.color(BROWN, 0.3), pen.one_of("skin", "fabric")
    for u in (-0.65, -0.42, 0.28, 0.5):
        pen.rectangle(u, 0, u + 0.14, 0.5, "leg", material, color)
    pen.ellipse(-0.85, 0.3, 0.7, 0.92, "torso", material, color)
    pen.ellipse(0.55, 0.6, 1.05, 1, "head", material, color)
    horn = [(0.62, 0.92), (0.66, 1.15), (0.74, 0.95)]
    pen.polygon(horn, "horn", "stone", pen.color((0.1, 0.2, 0.9)))
    tail = [(-0.85, 0.7), (-0.98, 0.25), (-0.92, 0.25), (-0.78, 0.6)]
    pen.polygon(tail, "tail", material, color)


def plane(pen: Pen) -> None:
    pen.ellipse(-1.3, 0.35, 1.3, 0.75, "body", "metal", pen.color((0, 0.03, 0.85), 0.5))
    tail = [(-1.25, 0.55), (-1.4, 1.05), (-1.1, 1.05), (-0.8, 0.65)]
    pen.polygon(tail, "tail", "metal", pen.color())
    wing = [(0.3, 0.5), (-0.5, 0), (-0.75, 0.02), (-0.2, 0.5)]
    pen.polygon(wing, "wing", "metal", pen.color())
    glass = pen.color(GLASS)
    for u in np.arange(-0.7, 0.9, 0.3):
        pen.rectangle(u, 0.55, u + 0.15, 0.66, "window", "glass", glass, detail=True)


def train(pen: Pen) -> None:
    pen.rectangle(-1.6, 0.15, 1.6, 1, "body", "metal", pen.color())
    glass, iron = pen.color(GLASS), pen.dark()
    for u in np.arange(-1.4, 1.3, 0.55):
        pen.rectangle(u, 0.5, u + 0.35, 0.85, "window", "glass", glass, detail=True)
        pen.ellipse(u, 0, u + 0.32, 0.3, "wheel", "metal", iron)
    pen.rectangle(-0.1, 0.18, 0.1, 0.88, "door", "metal", pen.color(), detail=True)


def tent(pen: Pen) -> None:
    pen.polygon([(-0.9, 0), (0.9, 0), (0, 1)], "body", "fabric", pen.color())
    pen.polygon([(-0.25, 0), (0.25, 0), (0, 0.7)], "door", "fabric", pen.color(), detail=True)
    pen.rectangle(-0.02, 0.95, 0.02, 1.12, "pole", "metal", pen.dark())


def cactus(pen: Pen) -> None:
    color = pen.color(GREEN)
    pen.rectangle(-0.12, 0, 0.12, 1, "trunk", "plastic", color)
    arms = ((-0.42, 0.35, -0.1, 0.5), (-0.42, 0.4, -0.26, 0.8))
    for box in (*arms, (0.1, 0.45, 0.42, 0.6), (0.28, 0.5, 0.42, 0.95)):
        pen.rectangle(*box, "arm", "plastic", color)
