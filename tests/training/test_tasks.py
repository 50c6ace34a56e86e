"""Training tasks against what they should do, image by image."""

import numpy as np
import torch

from dissection.training.tasks import (
    CELLS,
    GREY,
    PERMUTATIONS,
    SHIFT,
    TASKS,
    TILE_MARGIN,
    moved,
    rotated,
    shuffled_tiles,
    without_color,
)


def images(count=12, size=64, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 256, (count, 3, size, size), dtype=np.uint8))


def test_moved_images_are_shifts_and_mirror_images():
    given = images()
    result = moved(given, np.random.default_rng(1)).numpy()
    padded = np.pad(given.numpy(), ((0, 0), (0, 0), (SHIFT,) * 2, (SHIFT,) * 2), mode="edge")
    mirrored = 0
    for before, after in zip(padded, result, strict=True):
        found = [
            (y, x, flip)
            for y in range(2 * SHIFT + 1)
            for x in range(2 * SHIFT + 1)
            for flip in (False, True)
            if np.array_equal(before[:, y : y + 64, x : x + 64][:, :, :: -1 if flip else 1], after)
        ]
        assert len(found) == 1
        mirrored += found[0][2]
    assert 0 < mirrored < len(result)
    unflipped = moved(given, np.random.default_rng(1), flip=False)
    assert unflipped.shape == given.shape


def test_rotation_says_by_how_much():
    given = images()
    result, turns = rotated(given, np.random.default_rng(2))
    assert set(turns.tolist()) == {0, 1, 2, 3}
    for before, after, turn in zip(given.numpy(), result.numpy(), turns.tolist(), strict=True):
        assert np.array_equal(np.rot90(before, turn, (1, 2)), after)


def test_puzzle_is_made_of_the_image_s_own_tiles_in_the_order_that_it_says():
    given = images(30)
    result, targets = shuffled_tiles(given, np.random.default_rng(3))
    half, size = TILE_MARGIN // 2, 32 - TILE_MARGIN
    offsets = set()
    for before, after, target in zip(given.numpy(), result.numpy(), targets.tolist(), strict=True):
        border = np.ones((64, 64), bool)
        for place, tile in enumerate(PERMUTATIONS[target]):
            y, x = (place // 2) * 32 + half, (place % 2) * 32 + half
            border[y : y + size, x : x + size] = False
            shown = after[:, y : y + size, x : x + size]
            quarter = before[:, (tile // 2) * 32 :, (tile % 2) * 32 :][:, :32, :32]
            found = [
                (dy, dx)
                for dy in range(TILE_MARGIN + 1)
                for dx in range(TILE_MARGIN + 1)
                if np.array_equal(quarter[:, dy : dy + size, dx : dx + size], shown)
            ]
            assert len(found) == 1
            offsets.add(found[0])
        assert (after[:, border] == GREY).all()
    assert len(set(targets.tolist())) > 12
    assert len(offsets) > 12


def test_colorization_sees_no_colour_and_predicts_that_of_each_cell():
    given = images(3)
    given[0] = torch.tensor([200, 60, 20], dtype=torch.uint8)[:, None, None]
    given[1] = 100
    inputs, targets = without_color(given)
    assert torch.equal(inputs[:, 0], inputs[:, 1])
    assert torch.equal(inputs[:, 0], inputs[:, 2])
    assert targets.shape == (3, CELLS, CELLS)
    assert (targets[0] == 4 * 5 + 4).all()  # reddish and yellowish: both levels the highest
    assert (targets[1] == 2 * 5 + 2).all()  # grey: both levels in the middle
    assert inputs[0, 0, 0, 0] == round(200 * 0.299 + 60 * 0.587 + 20 * 0.114)


def test_batches_depend_on_the_generator_alone():
    given, labels = images(), torch.arange(12)
    for name, task in TASKS.items():
        first = task.batch(given, labels, np.random.default_rng(5), training=True)
        again = task.batch(given, labels, np.random.default_rng(5), training=True)
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True)), name
        assert first[0].dtype == torch.uint8
        assert first[1].dtype == torch.int64
        if task.classes:
            assert 0 <= first[1].min() <= first[1].max() < task.classes


def test_labels_are_the_targets_of_labelled_tasks_and_evaluation_moves_nothing():
    given, labels = images(), torch.arange(12)
    for name in ("scene", "object"):
        inputs, targets = TASKS[name].batch(given, labels, np.random.default_rng(0), training=False)
        assert torch.equal(inputs, given)
        assert torch.equal(targets, labels)
