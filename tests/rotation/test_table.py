"""The table of a rotated layer against its parts."""

import math

import numpy as np
import pytest

from dissection.categories import CATEGORIES
from dissection.rotation.accuracy import linear_probe
from dissection.rotation.matrices import RotationPath, random_rotation, rotated_bases
from dissection.rotation.table import rotation_table
from dissection.scoring.detectors import count_detectors
from dissection.scoring.iou import unit_table
from dissection.scoring.tally import Tally

UNITS, IMAGES = 5, 60
PRIMARY = np.array([-1, 0, 1, 2, 3, 4, 5, 0], np.int8)
NAMES = ["", *"abcdefg"]
COLUMNS = ["seed", "alpha", "rule", "category", "units", "unique", "accuracy", "probe_accuracy"]


def random_tally(rng):
    label_area = rng.integers(1, 300, (1, len(PRIMARY)))
    unit_area = rng.integers(1, 300, (1, UNITS, 6))
    both = np.minimum(unit_area[..., PRIMARY], label_area[:, None, :])
    return Tally(rng.binomial(both, 0.3), unit_area, label_area)


def test_bases_go_step_by_step_seed_by_seed():
    bases = list(rotated_bases(UNITS, seeds=[3, 7], alphas=[0, 0.5, 1]))
    assert [(basis.seed, basis.alpha) for basis in bases] == [
        (seed, alpha) for seed in (3, 7) for alpha in (0, 0.5, 1)
    ]
    for basis in bases:
        path = RotationPath(random_rotation(UNITS, basis.seed))
        np.testing.assert_array_equal(basis.R, path.power(basis.alpha))


def measured(bases, tallies, accuracies):
    """For `rotation_table`: what is known of each basis, by seed and alpha."""
    keys = [(basis.seed, basis.alpha) for basis in bases]

    def measure(turn):
        places = [keys.index((basis.seed, basis.alpha)) for basis in turn]
        return [tallies[i] for i in places], [accuracies[i] for i in places]

    return measure


@pytest.mark.parametrize("at_once", [1, 3, 4, 9])
def test_rows_are_the_counts_and_accuracies_of_their_basis(at_once):
    rng = np.random.default_rng(0)
    bases = list(rotated_bases(UNITS, seeds=[1, 2], alphas=[0, 1]))
    tallies = [random_tally(rng) for _ in bases]
    accuracies = [0.5, 0.25, 0.75, math.nan]
    features, scenes = rng.random((IMAGES, UNITS)), np.arange(IMAGES) % 3
    measure = measured(bases, tallies, accuracies)
    table = rotation_table(
        bases, at_once, measure, features, scenes, NAMES, PRIMARY, 0.1, probe_splits=4
    )
    assert table.columns.tolist() == [*COLUMNS, "probe_spread"]
    assert len(table) == len(bases) * 14
    for i, basis in enumerate(bases):
        rows = table.iloc[14 * i : 14 * i + 14]
        counts = count_detectors(unit_table(tallies[i], NAMES, PRIMARY), 0.1)
        assert rows["category"].tolist() == [*CATEGORIES, "total"] * 2
        counted = ["rule", "category", "units", "unique"]
        assert rows[counted].values.tolist() == counts[counted].values.tolist()
        probe = linear_probe(features @ basis.R.T, scenes, 4, basis.seed)
        for row in rows.itertuples():
            assert (row.seed, row.alpha) == (basis.seed, basis.alpha)
            assert row.accuracy == pytest.approx(accuracies[i], nan_ok=True)
            assert (row.probe_accuracy, row.probe_spread) == pytest.approx(probe)


@pytest.mark.parametrize("scenes", [[0] * 12, [3] * 12, [3] * 9 + [2] * 3, [0] * 6 + [1] * 6])
def test_without_enough_scenes_there_is_no_probe_and_all_else(scenes, caplog):
    rng = np.random.default_rng(0)
    bases = list(rotated_bases(UNITS, seeds=[1], alphas=[0, 1]))
    measure = measured(bases, [random_tally(rng) for _ in bases], [0.5, 0.25])
    features = rng.random((12, UNITS))
    table = rotation_table(
        bases, 2, measure, features, np.array(scenes), NAMES, PRIMARY, 0.1, probe_splits=4
    )
    assert table[["probe_accuracy", "probe_spread"]].isna().all(axis=None)
    assert table["accuracy"].tolist() == [0.5] * 14 + [0.25] * 14
    assert table["unique"].notna().all()
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "two scenes with at least 4 images" in warning.getMessage()
