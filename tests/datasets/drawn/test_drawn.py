"""Mini-Broden: its labels say what is drawn, and its scenes are told apart by their things."""

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
from color_oracle import basic_color
from PIL import Image, ImageDraw

from dissection.categories import CATEGORIES
from dissection.datasets.broden import Broden
from dissection.datasets.color_names import COLOR_NAMES
from dissection.datasets.drawn import scenes
from dissection.datasets.drawn.canvas import OVERSAMPLING, Canvas, pale_color, some_color
from dissection.datasets.drawn.dataset import SIZE, draw_broden, draw_training_set
from dissection.datasets.drawn.materials import MATERIALS, VARIANTS, patterns
from dissection.datasets.drawn.pen import PARTS, Pen
from dissection.datasets.drawn.scenes import (
    AT_THE_SEA,
    BACKGROUNDS,
    OBJECTS,
    SCENES,
    STRAY_THING,
    THINGS,
    draw_background,
    draw_scene,
    draw_single,
    object_code,
)
from dissection.datasets.drawn.textures import TEXTURES, draw_texture
from dissection.errors import InputError

SCENE_IMAGES, TEXTURE_IMAGES = 320, 60
SEED = 4


@pytest.fixture(scope="module")
def broden(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mini") / "data"
    draw_broden(folder, SEED, SCENE_IMAGES, TEXTURE_IMAGES)
    return Broden(folder)


@pytest.fixture(scope="module")
def labels(broden):
    """Of each image: channels by category, and whole-image labels, in names."""
    names = np.array(broden.names, object)
    return [
        (
            {category: names[channels] for category, channels in maps.items()},
            {category: [names[n] for n in numbers] for category, numbers in whole.items()},
        )
        for maps, whole in map(broden.load_labels, range(len(broden)))
    ]


def draw(function, *arguments, seed=0):
    canvas = Canvas(SIZE, np.random.default_rng(seed))
    function(canvas, *arguments)
    return canvas.finish()


def names_of(broden, category):
    return {
        name
        for name, primary in zip(broden.names, broden.primary, strict=True)
        if primary == CATEGORIES.index(category)
    }


def test_every_concept_of_the_recipe_occurs(broden, labels):
    counts = {"scene": 32, "object": 37, "part": 36, "material": 12, "texture": 20, "color": 11}
    found = defaultdict(set)
    for maps, whole in labels:
        for category, channels in maps.items():
            found[category] |= set(channels.ravel()) - {""}
        for category, names in whole.items():
            found[category] |= set(names)
    assert {category: len(names) for category, names in found.items()} == counts
    assert found["scene"] == {f"{name}-s" for name in SCENES}
    assert found["object"] == {*BACKGROUNDS, *THINGS}
    assert (len(BACKGROUNDS), len(THINGS)) == (6, 31)
    assert found["part"] == set(PARTS)
    assert found["material"] == set(MATERIALS)
    assert found["texture"] == set(TEXTURES)
    assert found["color"] == {f"{name}-c" for name in COLOR_NAMES}
    for category, names in found.items():
        assert names_of(broden, category) == names, "no name belongs to two categories"


def test_images_are_small_and_in_colour(broden):
    assert len(broden) == SCENE_IMAGES + TEXTURE_IMAGES
    assert (broden.sizes == SIZE).all()
    assert SIZE == 64
    for i in range(len(broden)):
        with Image.open(broden.image_path(i)) as image:
            assert (image.mode, image.size) == ("RGB", (64, 64))
        assert broden.load_image(i).std() > 4, "something is drawn"


def test_scenes_and_textures_take_turns(labels):
    scene_names = [whole.get("scene", []) for _, whole in labels]
    texture_names = [whole.get("texture", []) for _, whole in labels]
    assert scene_names[:SCENE_IMAGES] == [[f"{s}-s"] for s in SCENES] * (SCENE_IMAGES // 32)
    assert texture_names[SCENE_IMAGES:] == [[t] for t in TEXTURES] * (TEXTURE_IMAGES // 20)
    assert not any(scene_names[SCENE_IMAGES:] + texture_names[:SCENE_IMAGES])
    for maps, _ in labels[SCENE_IMAGES:]:
        assert set(maps) == {"color"}


def test_parts_lie_on_objects_and_things_have_materials(labels):
    for maps, _ in labels[:SCENE_IMAGES]:
        (objects,), (materials,) = maps["object"], maps["material"]
        assert (objects != "").all(), "no pixel of a scene is nothing"
        things = np.isin(objects, list(THINGS))
        # Of the backgrounds the sky has none, and a wall may be plain.
        assert (materials[things | ~np.isin(objects, ["sky", "wall"])] != "").all()
        assert (materials[objects == "sky"] == "").all()
        on_parts = maps["part"][0] != ""
        np.testing.assert_array_equal(on_parts, things)
        for details in maps["part"][1:]:
            assert on_parts[details != ""].all(), "a detail lies on a part"


def test_a_thing_has_its_own_parts(labels):
    """Those that it is drawn with alone, however much stands before it in a scene."""
    own = {}
    for name in THINGS:
        drawn = [draw(draw_single, name, seed=seed)[1]["part"] for seed in range(6)]
        own[name] = {PARTS[code - 1] for code in np.unique(drawn) if code}
        assert len(own[name]) >= 2
    for maps, _ in labels[:SCENE_IMAGES]:
        (objects,) = maps["object"]
        for name in set(np.unique(objects)) & set(THINGS):
            parts = set(np.unique(maps["part"][:, objects == name])) - {""}
            assert parts <= own[name]


def test_colour_labels_are_those_of_the_image(broden, labels):
    for i in range(0, len(broden), 60):
        names = [[f"{basic_color(pixel)}-c" for pixel in row] for row in broden.load_image(i)]
        assert labels[i][0]["color"].tolist() == [names]


def test_an_image_of_a_scene_shows_its_things(labels):
    seen = defaultdict(Counter)
    for maps, whole in labels[:SCENE_IMAGES]:
        scene = whole["scene"][0].removesuffix("-s")
        things = set(np.unique(maps["object"][0])) & set(THINGS)
        seen[scene].update(things)
        assert things & set(SCENES[scene][1]), f"nothing of a {scene} is to be seen"
    images = SCENE_IMAGES // len(SCENES)
    by_scene, by_thing, expected = Counter(), Counter(), Counter()
    for scene, (_, table) in SCENES.items():
        for thing, (probability, _) in table.items():
            by_scene[scene] += seen[scene][thing]
            by_thing[thing] += seen[scene][thing]
            expected.update({scene: images * probability, thing: images * probability})
    # Nearer things cover some: clocks most often, behind bookshelves.
    for scene, count in by_scene.items():
        assert count >= 0.6 * expected[scene], scene
    for thing, count in by_thing.items():
        assert count >= 0.4 * expected[thing], thing


def test_no_two_scenes_have_the_same_things():
    assert len(SCENES) == 32
    sets = Counter(frozenset(table) for _, table in SCENES.values())
    assert len(sets) == 32
    for outdoors, table in SCENES.values():
        assert outdoors in (True, False)
        assert 2 <= len(table) <= 5
        assert set(table) <= set(THINGS)
        for probability, most in table.values():
            assert 0 < probability <= 1
            assert most >= 1
    # Most things are shared, so that one thing alone does not tell the scene.
    shared = Counter(thing for _, table in SCENES.values() for thing in table)
    assert set(shared) == set(THINGS)
    assert sum(count >= 2 for count in shared.values()) > len(THINGS) / 2
    assert set(SCENES) >= AT_THE_SEA


def test_things_occur_as_often_as_the_table_says(monkeypatch):
    """Without drawing: what is placed in 150 images of each scene."""
    placed = []
    for name, thing in THINGS.items():
        monkeypatch.setitem(
            scenes.THINGS, name, replace(thing, draw=lambda pen, name=name: placed.append(name))
        )
    monkeypatch.setattr(scenes, "draw_background", lambda *_, **__: 0.5)
    images = 150
    strays = 0
    for scene, (_, table) in SCENES.items():
        having, most_seen = Counter(), Counter()
        for i in range(images):
            placed.clear()
            draw_scene(
                Canvas(SIZE, np.random.default_rng([7, i, list(SCENES).index(scene)])), scene
            )
            counts = Counter(placed)
            assert set(counts) & set(table), "at least one thing that belongs there"
            having.update(set(counts))
            most_seen |= counts
            strays += sum(counts[name] for name in counts if name not in table)
        for name, (probability, most) in table.items():
            # One chance in thousands to stray that far, plus the few that come as strays.
            slack = 5 * (images * probability * (1 - probability)) ** 0.5 + 0.05 * images
            assert abs(having[name] - probability * images) <= slack, (scene, name)
            assert most <= most_seen[name] <= most + 2
    expected = images * len(SCENES) * STRAY_THING / (1 - STRAY_THING)
    assert 0.8 * expected < strays < 1.05 * expected  # some strays belong to the scene after all


@pytest.mark.parametrize("name", THINGS)
def test_a_single_thing_is_in_the_middle_and_large_enough(name):
    """That a person recognises it was looked at; here, that there is something to recognise."""
    for seed in range(4):
        image, maps = draw(draw_single, name, seed=seed)
        assert image.shape == (SIZE, SIZE, 3)
        inside = maps["object"][0] == object_code(name)
        assert inside.mean() > 0.008
        rows, columns = np.nonzero(inside)
        assert 10 < rows.mean() < 54
        assert 14 < columns.mean() < 50
        assert set(np.unique(maps["object"])) <= {
            object_code(other) for other in (name, *BACKGROUNDS)
        }
        assert len(set(np.unique(maps["part"][:, inside])) - {0}) >= 2, "made of several parts"


@pytest.mark.parametrize("scene", ["harbour", "desert", "office"])
def test_backgrounds_meet_at_the_horizon(scene):
    outdoors = SCENES[scene][0]
    kinds = Counter()
    for seed in range(40):
        canvas = Canvas(SIZE, np.random.default_rng(seed))
        horizon = draw_background(canvas, outdoors, scene in AT_THE_SEA)
        _, maps = canvas.finish()
        assert 0.4 < horizon < 0.7
        upper, lower = maps["object"][0, 0, 0], maps["object"][0, -1, 0]
        assert OBJECTS[upper - 1] == ("sky" if outdoors else "wall")
        kinds[OBJECTS[lower - 1]] += 1
        edge = (maps["object"][0] == upper).sum(axis=0)
        assert (abs(edge - horizon * SIZE) <= 1).all()
        assert not maps["part"].any()
    assert (
        set(kinds)
        == {
            "harbour": {"sea", "ground", "road"},
            "desert": {"ground", "road"},
            "office": {"floor"},
        }[scene]
    )


@pytest.mark.parametrize("name", TEXTURES)
def test_a_texture_is_two_colours_everywhere(name):
    shares = []
    for seed in range(3):
        canvas = Canvas(SIZE, np.random.default_rng(seed))
        draw_texture(canvas, name)
        pixels = canvas.image.reshape(-1, 3)
        # All pixels lie on the line between two colours: the two most different ones.
        first = pixels[((pixels - pixels.mean(0)) ** 2).sum(1).argmax()]
        second = pixels[((pixels - first) ** 2).sum(1).argmax()]
        assert np.abs(first - second).sum() > 0.3, "the colours differ"
        share = (pixels - second) @ (first - second) / ((first - second) ** 2).sum()
        line = second + share[:, None] * (first - second)
        np.testing.assert_allclose(pixels, line, atol=1e-4)
        shares.append(share.reshape(2, 64, 2, 64).std(axis=(1, 3)).min())
        assert not canvas.objects.any()
        assert not canvas.parts.any()
        assert not canvas.materials.any()
    assert min(shares) > 0.1, "the pattern reaches every quarter of the image"


def test_materials_differ_and_stay_the_same():
    for material in MATERIALS:
        variants = patterns(material)
        assert len(variants) == VARIANTS
        for pattern in variants:
            assert pattern.shape == (256, 256)
            assert pattern.dtype == np.float32
            assert abs(pattern).max() <= np.float32(0.6)
            assert material == "plastic" or pattern.std() > 0.01
    flat = [np.stack(patterns(material)) for material in MATERIALS]
    for i, one in enumerate(flat):
        for other in flat[:i]:
            assert not np.array_equal(one, other)


@pytest.mark.parametrize("outline", ["rectangle", "ellipse", "polygon"])
@pytest.mark.parametrize("detail", [False, True])
@pytest.mark.parametrize("material", ["wood", None])
def test_paint_labels_the_pixels_that_it_paints(outline, detail, material):
    """On a canvas that has an object with two parts already; shapes leave it on all sides."""
    rng = np.random.default_rng(3)
    for _ in range(30):
        canvas = Canvas(SIZE, rng)
        canvas.objects[:], canvas.parts[0], canvas.parts[1], canvas.materials[:] = 9, 8, 7, 6
        canvas.image[:] = -1
        points = rng.uniform(-0.4, 1.4, (2 if outline != "polygon" else 4, 2))
        if outline != "polygon":
            points = np.sort(points, axis=0)
        canvas.paint(
            outline,
            [(float(x), float(y)) for x, y in points],
            object_code=3,
            part_code=5,
            material=material,
            color=np.full(3, 0.5, np.float32),
            detail=detail,
        )
        painted = canvas.objects == 3
        np.testing.assert_array_equal((canvas.image >= 0).all(axis=2), painted)
        code = MATERIALS.index(material) + 1 if material else 0
        np.testing.assert_array_equal(canvas.materials, np.where(painted, code, 6))
        assert (canvas.objects[~painted] == 9).all()
        if detail:
            assert (canvas.parts[0] == 8).all(), "the part below stays labelled"
            np.testing.assert_array_equal(canvas.parts[1], np.where(painted, 5, 7))
        else:
            np.testing.assert_array_equal(canvas.parts[0], np.where(painted, 5, 8))
            np.testing.assert_array_equal(canvas.parts[1], np.where(painted, 0, 7))
        # The shape, drawn by Pillow on a large sheet, cut to the canvas: equal but for the edge.
        n = canvas.pixels
        sheet = Image.new("1", (3 * n, 3 * n))
        corners = [(n + x * n, n + y * n) for x, y in points]
        method = getattr(ImageDraw.Draw(sheet), outline)
        method(corners if outline == "polygon" else [*corners[0], *corners[1]], fill=1)
        shape = np.asarray(sheet)[n : 2 * n, n : 2 * n]
        assert (shape != painted).sum() <= 5 * n


def test_finish_averages_blocks_and_takes_one_of_their_labels():
    canvas = Canvas(4, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    canvas.image[:] = rng.random(canvas.image.shape) * 0.5
    canvas.objects[:] = rng.integers(0, 37, canvas.objects.shape)
    canvas.parts[:] = rng.integers(0, 36, canvas.parts.shape)
    canvas.materials[:] = rng.integers(0, 12, canvas.materials.shape)
    image, maps = canvas.finish(noise=0)
    assert image.dtype == np.uint8
    step = OVERSAMPLING
    means = canvas.image.reshape(4, step, 4, step, 3).mean(axis=(1, 3))
    light = image / 255 / means  # a smooth factor: brightness, its slope and its tint
    assert 0.5 < light.min() <= light.max() < 1.6
    for y in range(4):
        for x in range(4):
            block = (slice(y * step, (y + 1) * step), slice(x * step, (x + 1) * step))
            places = [
                (
                    canvas.objects[block][a, b],
                    canvas.materials[block][a, b],
                    *canvas.parts[(..., *block)][:, a, b],
                )
                for a in range(step)
                for b in range(step)
            ]
            labels = (maps["object"][0, y, x], maps["material"][0, y, x], *maps["part"][:, y, x])
            assert labels in places


def test_usual_colours_are_near_and_all_are_colours():
    rng = np.random.default_rng(0)
    green = (0.33, 0.6, 0.5)
    near = np.array([some_color(rng, green, 0.9) for _ in range(300)])
    pale = np.array([pale_color(rng, green) for _ in range(300)])
    free = np.array([some_color(rng) for _ in range(300)])
    for colors in (near, pale, free):
        assert colors.shape == (300, 3)
        assert ((colors >= 0) & (colors <= 1)).all()
    assert (near.argmax(axis=1) == 1).mean() > 0.85
    assert (pale.argmax(axis=1) == 1).mean() > 0.85
    assert (np.bincount(free.argmax(axis=1), minlength=3) > 50).all()


def test_a_pen_stands_on_its_foot():
    for seed in range(20):
        canvas = Canvas(SIZE, np.random.default_rng(seed))
        Pen(canvas, 1, x=0.5, foot=0.8, height=0.4).rectangle(
            -0.5, 0, 0.5, 1, "body", "metal", np.ones(3, np.float32)
        )
        rows, columns = np.nonzero(canvas.objects)
        n = canvas.pixels
        assert rows.min() == pytest.approx(0.4 * n, abs=2)
        assert rows.max() == pytest.approx(0.8 * n, abs=2)
        assert (columns.min() + columns.max()) / 2 == pytest.approx(0.5 * n, abs=2)
        assert 0.85 * 0.4 * n - 2 <= np.ptp(columns) <= 1.2 * 0.4 * n + 2


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_same_bytes_from_any_number_of_processes(tmp_path):
    # More images than a process draws at a time, so that both have some.
    for processes in (1, 2):
        draw_broden(tmp_path / f"{processes}", 3, 40, 30, processes)
        draw_training_set(tmp_path / f"t{processes}", "object", 3, 40, 35, processes)
    one = files_of(tmp_path / "1")
    assert len([name for name in one if name.startswith("images/scene/")]) > 40
    assert one == files_of(tmp_path / "2")
    assert files_of(tmp_path / "t1") == files_of(tmp_path / "t2")
    draw_broden(tmp_path / "other", 4, 40, 30)
    other = files_of(tmp_path / "other")
    for name in (f"images/scene/{i:05d}.png" for i in range(40)):
        assert one[name] != other[name]


def training_set(folder):
    parts = ("images", "labels", "held_out_images", "held_out_labels")
    return [np.load(folder / f"{part}.npy") for part in parts]


@pytest.mark.parametrize(("content", "names"), [("scene", SCENES), ("object", THINGS)])
def test_training_images(tmp_path, content, names):
    count, held_out = 2 * len(names) + 3, len(names)
    draw_training_set(tmp_path / "set", content, 1, count, held_out)
    assert (tmp_path / "set/classes.txt").read_text().splitlines() == list(names)
    images, labels, held_images, held_labels = training_set(tmp_path / "set")
    assert images.shape == (count, 64, 64, 3)
    assert held_images.shape == (held_out, 64, 64, 3)
    assert images.dtype == held_images.dtype == np.uint8
    assert labels.dtype == held_labels.dtype == np.int64
    assert sorted(Counter(labels.tolist()).values()) == [2] * (len(names) - 3) + [3] * 3
    assert sorted(held_labels.tolist()) == list(range(len(names)))


def test_training_images_are_no_probe_images(broden, tmp_path):
    """Of the same seed; nor are the images held out, nor those of single things."""
    probe = [broden.load_image(i) for i in range(len(broden))]
    sets = [probe]
    for content in ("scene", "object"):
        draw_training_set(tmp_path / content, content, SEED, 96, 32)
        images, _, held_images, _ = training_set(tmp_path / content)
        sets += [list(images), list(held_images)]
    everything = [image.tobytes() for images in sets for image in images]
    assert len(set(everything)) == len(everything)
    # Not only other noise: no two images have the same layout.
    coarse = np.stack([image for images in sets for image in images]).astype(np.float32)
    coarse = coarse.reshape(len(coarse), 8, 8, 8, 8, 3).mean(axis=(2, 4)).reshape(len(coarse), -1)
    coarse -= coarse.mean(axis=1, keepdims=True)
    coarse /= np.linalg.norm(coarse, axis=1, keepdims=True)
    likeness = coarse @ coarse.T - 2 * np.eye(len(coarse))
    scenes_only = slice(0, SCENE_IMAGES)
    assert likeness[scenes_only, len(probe) :].max() < 0.995


def test_nothing_to_draw(tmp_path):
    with pytest.raises(InputError, match="without images"):
        draw_broden(tmp_path / "data", 1, 0, 0)
    assert not (tmp_path / "data").exists()
    draw_broden(tmp_path / "data", 1, 0, 2)
    assert len(Broden(tmp_path / "data")) == 2
