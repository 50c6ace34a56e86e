"""Scenes: which things occur together, and where they stand.

A scene is told apart by the things in it alone: backgrounds are shared, and most things occur in
several scenes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dissection.datasets.drawn import indoor, outdoor
from dissection.datasets.drawn.canvas import Canvas, pale_color
from dissection.datasets.drawn.pen import Pen


@dataclass(frozen=True)
class Thing:
    """How large a thing is, where it stands, and what draws it.

    Attributes
    ----------
    low, high : float
        Least and greatest height, share of the image.
    place : str
        ground, back (at the horizon), wall, air or middle.
    draw : callable
    """

    low: float
    high: float
    place: str
    draw: Callable[[Pen], None]


THINGS = {
    "building": Thing(0.55, 0.8, "back", outdoor.building),
    "house": Thing(0.38, 0.6, "back", outdoor.house),
    "car": Thing(0.16, 0.3, "ground", outdoor.car),
    "truck": Thing(0.22, 0.34, "ground", outdoor.truck),
    "tree": Thing(0.4, 0.7, "ground", outdoor.tree),
    "person": Thing(0.28, 0.5, "ground", outdoor.person),
    "streetlight": Thing(0.5, 0.8, "ground", outdoor.streetlight),
    "bench": Thing(0.16, 0.26, "ground", outdoor.bench),
    "bicycle": Thing(0.16, 0.28, "ground", outdoor.bicycle),
    "fence": Thing(0.14, 0.24, "back", outdoor.fence),
    "boat": Thing(0.3, 0.55, "ground", outdoor.boat),
    "cow": Thing(0.18, 0.32, "ground", outdoor.cow),
    "plane": Thing(0.16, 0.28, "air", outdoor.plane),
    "train": Thing(0.22, 0.36, "back", outdoor.train),
    "tent": Thing(0.25, 0.45, "ground", outdoor.tent),
    "cactus": Thing(0.3, 0.55, "ground", outdoor.cactus),
    "bed": Thing(0.26, 0.4, "ground", indoor.bed),
    "lamp": Thing(0.32, 0.55, "ground", indoor.lamp),
    "picture": Thing(0.16, 0.28, "wall", indoor.picture),
    "wardrobe": Thing(0.45, 0.65, "back", indoor.wardrobe),
    "clock": Thing(0.14, 0.22, "wall", indoor.clock),
    "sofa": Thing(0.24, 0.36, "ground", indoor.sofa),
    "tv": Thing(0.22, 0.36, "middle", indoor.television),
    "plant": Thing(0.26, 0.45, "ground", indoor.plant),
    "table": Thing(0.2, 0.34, "ground", indoor.table),
    "chair": Thing(0.3, 0.46, "ground", indoor.chair),
    "bookshelf": Thing(0.45, 0.65, "back", indoor.bookshelf),
    "stove": Thing(0.3, 0.45, "back", indoor.stove),
    "fridge": Thing(0.45, 0.65, "back", indoor.fridge),
    "bathtub": Thing(0.2, 0.32, "ground", indoor.bathtub),
    "mirror": Thing(0.25, 0.42, "wall", indoor.mirror),
}
BACKGROUNDS = ("sky", "ground", "road", "sea", "wall", "floor")
OBJECTS = (*BACKGROUNDS, *THINGS)

# Scene: outdoors?, then thing: probability, greatest number.
SCENES: dict[str, tuple[bool, dict[str, tuple[float, int]]]] = {
    "street": (
        True,
        {
            **{"building": (1, 2), "car": (0.9, 2), "streetlight": (0.6, 1)},
            **{"person": (0.5, 1), "truck": (0.25, 1)},
        },
    ),
    "suburb": (True, {"house": (1, 2), "tree": (0.7, 1), "fence": (0.6, 1), "car": (0.5, 1)}),
    "park": (
        True,
        {
            **{"tree": (0.9, 2), "bench": (0.9, 1), "person": (0.5, 2)},
            **{"bicycle": (0.5, 1), "streetlight": (0.3, 1)},
        },
    ),
    "harbour": (True, {"boat": (1, 3), "building": (0.4, 1), "person": (0.3, 1)}),
    "farm": (True, {"cow": (1, 3), "fence": (0.7, 1), "house": (0.4, 1), "tree": (0.3, 1)}),
    "airfield": (
        True,
        {"plane": (1, 2), "truck": (0.5, 1), "building": (0.4, 1), "person": (0.3, 1)},
    ),
    "station": (
        True,
        {
            **{"train": (1, 1), "bench": (0.5, 1), "person": (0.8, 2)},
            **{"clock": (0.5, 1), "streetlight": (0.3, 1)},
        },
    ),
    "campsite": (
        True,
        {"tent": (1, 2), "tree": (0.8, 2), "person": (0.4, 1), "bicycle": (0.3, 1)},
    ),
    "desert": (True, {"cactus": (1, 3), "tent": (0.35, 1), "truck": (0.4, 1)}),
    "depot": (
        True,
        {"truck": (1, 3), "fence": (0.6, 1), "streetlight": (0.5, 1), "train": (0.3, 1)},
    ),
    "bedroom": (
        False,
        {"bed": (1, 1), "lamp": (0.7, 1), "picture": (0.5, 1), "wardrobe": (0.6, 1)},
    ),
    "living_room": (
        False,
        {
            **{"sofa": (1, 1), "tv": (0.7, 1), "lamp": (0.5, 1)},
            **{"picture": (0.5, 1), "plant": (0.4, 1)},
        },
    ),
    "office": (
        False,
        {
            **{"table": (0.9, 1), "tv": (0.8, 1), "chair": (0.8, 1)},
            **{"bookshelf": (0.4, 1), "clock": (0.4, 1)},
        },
    ),
    "kitchen": (
        False,
        {
            **{"stove": (0.9, 1), "fridge": (0.9, 1), "table": (0.4, 1)},
            **{"chair": (0.4, 1), "clock": (0.3, 1)},
        },
    ),
    "library": (
        False,
        {"bookshelf": (1, 3), "table": (0.5, 1), "chair": (0.5, 1), "lamp": (0.4, 1)},
    ),
    "bathroom": (
        False,
        {"bathtub": (0.95, 1), "mirror": (0.8, 1), "plant": (0.3, 1), "clock": (0.2, 1)},
    ),
    "highway": (True, {"car": (1, 3), "truck": (0.8, 1), "streetlight": (0.8, 1)}),
    "plaza": (
        True,
        {"building": (0.9, 2), "bench": (0.8, 1), "person": (0.8, 2), "clock": (0.6, 1)},
    ),
    "orchard": (True, {"tree": (1, 3), "fence": (0.9, 1), "cow": (0.4, 1)}),
    "rail_yard": (True, {"train": (1, 2), "truck": (0.8, 1), "fence": (0.5, 1)}),
    "lake": (True, {"boat": (0.9, 2), "tent": (0.8, 1), "tree": (0.6, 1)}),
    "bike_path": (True, {"bicycle": (1, 2), "person": (0.7, 2), "fence": (0.5, 1)}),
    "hangar": (True, {"plane": (1, 2), "car": (0.8, 1), "house": (0.3, 1)}),
    "ranch": (True, {"house": (0.9, 1), "cactus": (0.9, 2), "cow": (0.6, 1)}),
    "hotel_room": (False, {"bed": (1, 1), "tv": (0.8, 1), "mirror": (0.6, 1)}),
    "dining_room": (
        False,
        {"table": (1, 1), "chair": (0.9, 2), "picture": (0.7, 1), "lamp": (0.4, 1)},
    ),
    "waiting_room": (False, {"chair": (1, 2), "plant": (0.9, 1), "clock": (0.8, 1)}),
    "study": (False, {"table": (0.9, 1), "bookshelf": (0.9, 1), "lamp": (0.8, 1)}),
    "dressing_room": (False, {"mirror": (0.9, 1), "wardrobe": (0.9, 1), "chair": (0.5, 1)}),
    "pantry": (False, {"fridge": (1, 1), "bookshelf": (0.7, 1), "plant": (0.5, 1)}),
    "lounge": (False, {"sofa": (1, 2), "bookshelf": (0.7, 1), "clock": (0.5, 1)}),
    "studio_flat": (False, {"stove": (0.9, 1), "bed": (0.9, 1), "sofa": (0.5, 1)}),
}
AT_THE_SEA = {"harbour", "lake"}  # three in four; the others are on land like any scene
STRAY_THING = 0.25  # probability that a thing occurs that does not belong; again for one more
MOST_THINGS = 7
SCENE_SCALE = 1.35  # things in a scene are that much larger than in the table
OBJECT_SCALE = 1.25


def object_code(name: str) -> int:
    """Return the code of an object on a canvas, from 1."""
    return OBJECTS.index(name) + 1


def draw_scene(canvas: Canvas, scene: str) -> None:
    """Draw a scene of `SCENES`."""
    rng = canvas.rng
    outdoors, table = SCENES[scene]
    horizon = draw_background(canvas, outdoors, scene in AT_THE_SEA)
    names: list[str] = []
    while not names:  # in an image without any of its things the scene could not be told
        names = [
            name
            for name, (probability, most) in table.items()
            if rng.random() < probability
            for _ in range(rng.integers(1, most + 1))
        ]
    while rng.random() < STRAY_THING and len(names) < MOST_THINGS:
        names.append(list(THINGS)[rng.integers(len(THINGS))])
    placed = []
    for name in names:
        thing = THINGS[name]
        height = min(rng.uniform(thing.low, thing.high) * SCENE_SCALE, 0.95)
        placed.append(
            (_foot(rng, thing.place, height, horizon), name, rng.uniform(0.1, 0.9), height)
        )
    # What is far away first; the nearer things cover it.
    placed.sort(key=lambda item: (THINGS[item[1]].place not in ("wall", "back"), item[0]))
    for foot, name, x, height in placed:
        THINGS[name].draw(Pen(canvas, object_code(name), x, foot, height))


def draw_single(canvas: Canvas, name: str) -> None:
    """Draw one thing in the middle of an image."""
    rng = canvas.rng
    draw_background(canvas, outdoors=rng.random() < 0.5)
    thing = THINGS[name]
    height = rng.uniform(thing.low, thing.high) * OBJECT_SCALE
    foot = min(0.97, 0.5 + height / 2 + rng.uniform(-0.1, 0.1))
    thing.draw(Pen(canvas, object_code(name), rng.uniform(0.35, 0.65), foot, height))


def draw_background(canvas: Canvas, outdoors: bool, water: bool = False) -> float:
    """Draw sky and ground, road or sea, or wall and floor; return where they meet."""
    rng = canvas.rng
    horizon = rng.uniform(0.42, 0.66)

    def half(name: str, top: float, bottom: float, material: str | None, color: np.ndarray) -> None:
        canvas.paint(
            "rectangle",
            [(0, top), (1, bottom)],
            object_code=object_code(name),
            part_code=0,
            material=material,
            color=color,
        )

    def one_of(*choices: str | None) -> str | None:
        return choices[rng.integers(len(choices))]

    if outdoors:
        half("sky", 0, horizon, None, pale_color(rng, (0.57, 0.35, 0.9)))
        if water and rng.random() < 0.75:
            half("sea", horizon, 1, "water", pale_color(rng, (0.55, 0.5, 0.6)))
        elif rng.random() < 0.55:
            material = one_of("grass", "stone")
            half("ground", horizon, 1, material, pale_color(rng, (0.22, 0.4, 0.5)))
        else:
            half("road", horizon, 1, one_of("stone", "tile"), pale_color(rng, (0, 0.03, 0.45)))
    else:
        walls = one_of(None, None, "brick", "tile")
        half("wall", 0, horizon, walls, pale_color(rng, (rng.random(), 0.15, 0.8)))
        floor = one_of("wood", "tile", "fabric")
        half("floor", horizon, 1, floor, pale_color(rng, (0.08, 0.3, 0.55)))
    return horizon


def _foot(rng: np.random.Generator, place: str, height: float, horizon: float) -> float:
    if place == "ground":
        return rng.uniform(max(horizon + 0.06, 0.6), 0.97)
    if place == "back":
        return horizon + rng.uniform(0, 0.14)
    if place == "wall":
        return rng.uniform(height + 0.04, max(horizon - 0.08, height + 0.06))
    if place == "air":
        return rng.uniform(height + 0.05, max(0.85, height + 0.06))
    return horizon + rng.uniform(-0.12, 0.15)
