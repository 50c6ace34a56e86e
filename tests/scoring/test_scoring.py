"""IoU, best concepts, both counting rules and their bootstrap, against loops over definitions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissection.categories import CATEGORIES
from dissection.errors import InputError
from dissection.scoring.bootstrap import bootstrap_detectors
from dissection.scoring.detectors import count_detectors, detector_counts
from dissection.scoring.iou import BestConcepts, best_concepts, intersection_over_union, unit_table
from dissection.scoring.tally import Tally

quick = settings(max_examples=60, deadline=None)


def make_tally(intersection, unit_area, label_area) -> Tally:
    """Counts of (blocks, units, labels + 1), (blocks, units, 6), (blocks, labels + 1)."""
    return Tally(*(np.array(counts, np.int64) for counts in (intersection, unit_area, label_area)))


@st.composite
def tallies(draw: st.DrawFn) -> tuple[Tally, np.ndarray, list[str]]:
    """A possible tally: small counts (many ties and zeros), intersections within both areas.

    Entry 0 over labels is not a label: it holds counts that must play no part.
    """
    blocks, units, labels = (draw(st.integers(1, n)) for n in (3, 6, 9))
    generator = np.random.default_rng(draw(st.integers(0, 10**6)))
    primary = np.concatenate([[-1], generator.integers(0, 6, labels)]).astype(np.int8)
    most = draw(st.sampled_from([1, 3, 50]))
    unit_area = generator.integers(0, most + 1, (blocks, units, 6))
    label_area = generator.integers(0, most + 1, (blocks, labels + 1))
    both = np.minimum(unit_area[..., primary], label_area[:, None, :])
    intersection = generator.integers(0, both + 1)
    names = ["", *(f"label {n}" for n in range(1, labels + 1))]
    return make_tally(intersection, unit_area, label_area), primary, names


def iou_by_definition(tally, primary, unit, label) -> float:
    """Sum over the data set of the intersection, over that of the union (equation 1)."""
    together = union = 0
    for block in range(len(tally.intersection)):
        intersection = int(tally.intersection[block, unit, label])
        together += intersection
        union += int(tally.unit_area[block, unit, primary[label]])
        union += int(tally.label_area[block, label]) - intersection
    return together / union if union else 0.0


def counts_by_definition(ious, primary, threshold) -> dict[tuple[str, str], tuple[int, int]]:
    """{(rule, category): (units, unique)}, from (units, labels + 1) IoUs, one unit at a time."""
    found = {rule: {c: [] for c in CATEGORIES} for rule in ("top_label", "per_category")}
    detecting = 0
    for unit in range(len(ious)):
        best = {}  # category: (IoU, label), the first of equals
        for label in range(1, len(primary)):
            category = CATEGORIES[primary[label]]
            if ious[unit][label] > best.get(category, (threshold, None))[0]:
                best[category] = (ious[unit][label], label)
        for category, (_, label) in best.items():
            found["per_category"][category].append(label)
        if best:
            detecting += 1
            top = max(CATEGORIES, key=lambda c: best.get(c, (0, None))[0])  # the first of equals
            found["top_label"][top].append(best[top][1])
    table = {}
    for rule, by_category in found.items():
        for category, labels in by_category.items():
            table[rule, category] = (len(labels), len(set(labels)))
        unique = sum(len(set(labels)) for labels in by_category.values())
        table[rule, "total"] = (detecting, unique)
    return table


def as_dictionary(table: pd.DataFrame) -> dict[tuple[str, str], tuple[int, int]]:
    return {(row.rule, row.category): (row.units, row.unique) for row in table.itertuples()}


@quick
@given(tallies())
def test_iou(case):
    tally, primary, _ = case
    iou = intersection_over_union(tally, primary)
    assert iou.dtype == np.float64
    assert (iou[:, 0] == 0).all()
    for unit in range(iou.shape[0]):
        for label in range(1, iou.shape[1]):
            assert iou[unit, label] == iou_by_definition(tally, primary, unit, label)


@quick
@given(tallies())
def test_unit_table(case):
    tally, primary, names = case
    table = unit_table(tally, names, primary)
    units = tally.intersection.shape[1]
    assert sorted(table["unit"]) == list(range(1, units + 1))
    order = list(zip(-table["score"], table["unit"], strict=True))
    assert order == sorted(order)
    for row in table.to_dict("records"):
        unit = row["unit"] - 1
        best_of_all = (0.0, "", "")
        for c, category in enumerate(CATEGORIES):
            best = 0
            for label in np.flatnonzero(primary == c):
                if iou_by_definition(tally, primary, unit, label) > (
                    iou_by_definition(tally, primary, unit, best) if best else 0
                ):
                    best = label
            assert row[f"{category}-label"] == (names[best] if best else "")
            assert row[f"{category}-truth"] == (tally.label_area[:, best].sum() if best else 0)
            assert row[f"{category}-activation"] == tally.unit_area[:, unit, c].sum()
            intersection = tally.intersection[:, unit, best].sum() if best else 0
            assert row[f"{category}-intersect"] == intersection
            iou = iou_by_definition(tally, primary, unit, best) if best else 0
            assert row[f"{category}-iou"] == iou
            if iou > best_of_all[0]:
                best_of_all = (iou, category, names[best])
        assert (row["score"], row["category"], row["label"]) == best_of_all


@quick
@given(tallies(), st.sampled_from([0, 0.04, 0.25, 0.5]))
def test_counts_of_both_rules(case, threshold):
    tally, primary, names = case
    ious = intersection_over_union(tally, primary)
    expected = counts_by_definition(ious, primary, threshold)
    table = unit_table(tally, names, primary)
    assert as_dictionary(count_detectors(table, threshold)) == expected


def test_the_table_survives_a_csv_file(tmp_path):
    primary = np.array([-1, 0, 0, 4], np.int8)
    tally = make_tally(
        [[[0, 9, 0, 0], [0, 0, 5, 5], [0, 0, 0, 0]]],
        [[[20, 0, 0, 0, 20, 0], [10, 0, 0, 0, 10, 0], [0] * 6]],
        [[0, 30, 10, 10]],
    )
    table = unit_table(tally, ["", "car", "road", "dotted"], primary)
    table.to_csv(tmp_path / "units.csv", index=False)
    again = pd.read_csv(tmp_path / "units.csv")  # empty names become NaN
    pd.testing.assert_frame_equal(count_detectors(again), count_detectors(table))
    assert as_dictionary(count_detectors(table))["per_category", "total"] == (2, 3)


def test_the_columns_of_the_released_tables():
    primary = np.array([-1, 2, 0], np.int8)
    tally = make_tally([[[0, 8, 5]]], [[[40, 0, 16, 0, 0, 0]]], [[0, 12, 10]])
    table = unit_table(tally, ["", "street-s", "car"], primary)
    expected = ["unit", "category", "label", "score"]
    for category in CATEGORIES:
        columns = ("label", "truth", "activation", "intersect", "iou")
        expected += [f"{category}-{column}" for column in columns]
    assert list(table.columns) == expected
    row = table.iloc[0].to_dict()
    assert (row["unit"], row["category"], row["label"], row["score"]) == (
        1,
        "scene",
        "street-s",
        0.4,
    )
    assert [row[f"scene-{c}"] for c in ("truth", "activation", "intersect")] == [12, 16, 8]
    assert [row[f"object-{c}"] for c in ("truth", "activation", "intersect")] == [10, 40, 5]
    assert row["object-iou"] == 5 / 45
    assert row["texture-label"] == ""
    assert row["texture-iou"] == 0


def test_a_hand_made_table():
    """Four units; car wins twice, a label at 0.04 exactly does not count."""
    columns = {}
    cells = {
        "object": [("car", 0.15), ("car", 0.05), ("road", 0.04), ("", 0)],
        "part": [("wheel", 0.10), ("wheel", 0.06), ("", 0), ("", 0)],
        "texture": [("dotted", 0.03), ("", 0), ("striped", 0.08), ("", 0)],
    }
    for category in CATEGORIES:
        column = cells.get(category, [("", 0)] * 4)
        columns[f"{category}-label"] = [label for label, _ in column]
        columns[f"{category}-iou"] = [iou for _, iou in column]
    counts = count_detectors(pd.DataFrame(columns))
    assert counts.columns.tolist() == ["rule", "category", "units", "unique"]
    assert counts["category"].tolist() == [*CATEGORIES, "total"] * 2
    assert counts["rule"].tolist() == ["top_label"] * 7 + ["per_category"] * 7
    #                  object, part, scene, material, texture, color, total
    assert counts["units"].tolist() == [1, 1, 0, 0, 1, 0, 3, 2, 2, 0, 0, 1, 0, 3]
    assert counts["unique"].tolist() == [1, 1, 0, 0, 1, 0, 3] * 2


def test_ties_go_to_the_first_label_and_the_first_category():
    iou = np.array([[0, 0.2, 0.3, 0.3, 0.3]])
    best = best_concepts(iou, np.array([-1, 1, 5, 1, 1], np.int8))
    assert best.label.tolist() == [[0, 3, 0, 0, 0, 2]]
    counts = detector_counts(best, 0.04)
    assert counts.units[0].tolist() == [0, 1, 0, 0, 0, 0, 1]
    assert counts.units[1].tolist() == [0, 1, 0, 0, 0, 1, 1]


def test_counts_along_leading_axes():
    generator = np.random.default_rng(0)
    label = generator.integers(1, 4, (5, 2, 7, 6))
    iou = generator.random((5, 2, 7, 6)) * 0.08
    many = detector_counts(BestConcepts(label, iou))
    for i in np.ndindex(5, 2):
        one = detector_counts(BestConcepts(label[i], iou[i]))
        np.testing.assert_array_equal(many.units[i], one.units)
        np.testing.assert_array_equal(many.unique[i], one.unique)


def random_tally(seed: int, blocks: int, units: int, labels: int) -> tuple:
    generator = np.random.default_rng(seed)
    primary = np.concatenate([[-1], np.arange(labels) % 6]).astype(np.int8)
    label_area = generator.integers(0, 300, (blocks, labels + 1))
    unit_area = generator.integers(0, 300, (blocks, units, 6))
    both = np.minimum(unit_area[..., primary], label_area[:, None, :])
    chance = generator.random((units, labels + 1)) ** 6  # a few concepts match well
    return make_tally(generator.binomial(both, chance), unit_area, label_area), primary


def test_bootstrap_is_resampling_blocks():
    tally, primary = random_tally(seed=1, blocks=6, units=9, labels=14)
    samples, seed = 60, 3
    table = bootstrap_detectors(tally, primary, 0.25, samples, seed, level=0.9)
    generator = np.random.default_rng(seed)
    resampled = []
    for weights in generator.multinomial(6, np.full(6, 1 / 6), samples):
        drawn = [block for block in range(6) for _ in range(weights[block])]
        again = make_tally(
            tally.intersection[drawn], tally.unit_area[drawn], tally.label_area[drawn]
        )
        ious = intersection_over_union(again, primary)
        resampled.append(counts_by_definition(ious, primary, 0.25))
    counted = counts_by_definition(intersection_over_union(tally, primary), primary, 0.25)
    for row in table.to_dict("records"):
        key = row["rule"], row["category"]
        drawn = zip(*(counts[key] for counts in resampled), strict=True)
        for name, count, values in zip(("units", "unique"), counted[key], drawn, strict=True):
            error = np.std(values, ddof=1)
            assert row[f"{name}_se"] == pytest.approx(error)
            # 90 % of a normal distribution lie within 1.645 standard deviations.
            assert row[f"{name}_low"] == pytest.approx(max(count - 1.645 * error, 0), abs=1e-3)
            assert row[f"{name}_high"] == pytest.approx(count + 1.645 * error, abs=1e-3)
    assert table["units_se"].max() > 0.5  # the example does vary


def test_bootstrap_standard_error_is_the_spread_over_new_data():
    units, labels, images, blocks = 30, 24, 400, 20
    primary = np.concatenate([[-1], np.arange(labels) % 6]).astype(np.int8)
    matching = np.random.default_rng(0).beta(0.5, 5, (units, labels + 1))  # of a concept's area

    def draw(seed: int) -> Tally:
        generator = np.random.default_rng(seed)
        area = generator.poisson(100, (images, labels + 1)) * (
            generator.random((images, labels + 1)) < 0.1
        )
        area[:, 0] = 0
        overlap = area[:, None] * (generator.random((images, units, labels + 1)) < matching)
        fires = overlap.max(axis=2) + generator.poisson(50, (images, units))
        has = np.stack([area[:, primary == c].any(axis=1) for c in range(6)], axis=1)
        parts = overlap, fires[:, :, None] * has[:, None], area
        return make_tally(
            *([part[block::blocks].sum(axis=0) for block in range(blocks)] for part in parts)
        )

    counts, errors = [], []
    for seed in range(40):
        tally = draw(seed)
        best = best_concepts(intersection_over_union(tally, primary), primary)
        counts.append(detector_counts(best, 0.1).unique[:, 6])
        table = bootstrap_detectors(tally, primary, 0.1, samples=60, seed=seed)
        errors.append(table.loc[table["category"] == "total", "unique_se"])
    spread = np.std(counts, axis=0, ddof=1)
    assert (spread > 1).all()
    np.testing.assert_allclose(np.mean(errors, axis=0), spread, rtol=0.35)  # 40 draws: ± 11 %


def test_bootstrap_does_not_depend_on_its_memory_and_repeats(monkeypatch):
    tally, primary = random_tally(seed=2, blocks=5, units=11, labels=7)
    expected = bootstrap_detectors(tally, primary, samples=40, seed=1)
    pd.testing.assert_frame_equal(bootstrap_detectors(tally, primary, samples=40, seed=1), expected)
    monkeypatch.setattr("dissection.scoring.bootstrap.BOOTSTRAP_VALUES", 1)
    pd.testing.assert_frame_equal(bootstrap_detectors(tally, primary, samples=40, seed=1), expected)
    other = bootstrap_detectors(tally, primary, samples=40, seed=2)
    assert not other.equals(expected)


def test_bootstrap_of_equal_blocks_has_no_spread():
    tally, primary = random_tally(seed=4, blocks=1, units=8, labels=10)
    equal = make_tally(
        np.repeat(tally.intersection, 4, axis=0),
        np.repeat(tally.unit_area, 4, axis=0),
        np.repeat(tally.label_area, 4, axis=0),
    )
    names = [str(n) for n in range(11)]
    counts = count_detectors(unit_table(equal, names, primary), 0.25)
    table = bootstrap_detectors(equal, primary, 0.25, samples=20)
    assert counts["unique"].max() > 0
    for end in ("low", "high"):
        assert table[f"units_{end}"].tolist() == counts["units"].tolist()
        assert table[f"unique_{end}"].tolist() == counts["unique"].tolist()
    assert (table[["units_se", "unique_se"]] == 0).all(axis=None)


def test_bad_input():
    tally, primary = random_tally(seed=0, blocks=2, units=3, labels=5)
    with pytest.raises(InputError, match="counts 5 labels, the data set has 4"):
        intersection_over_union(tally, primary[:-1])
    with pytest.raises(InputError, match="3 names"):
        unit_table(tally, ["", "a", "b"], primary)
    table = unit_table(tally, list("_abcde"), primary)
    with pytest.raises(InputError, match="part-label"):
        count_detectors(table.drop(columns="part-label"))
    with pytest.raises(InputError, match="not a number"):
        count_detectors(table.assign(**{"part-iou": np.nan}))
    for threshold in (-0.1, 1, float("nan")):
        with pytest.raises(InputError, match="IoU threshold"):
            count_detectors(table, threshold)
    one_block = make_tally(tally.intersection[:1], tally.unit_area[:1], tally.label_area[:1])
    with pytest.raises(InputError, match="2 blocks"):
        bootstrap_detectors(one_block, primary)
    with pytest.raises(InputError, match="level"):
        bootstrap_detectors(tally, primary, level=1)
    with pytest.raises(InputError, match="samples"):
        bootstrap_detectors(tally, primary, samples=1)
