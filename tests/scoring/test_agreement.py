"""Agreement with released tables: against a count by hand, and on the paper's own tables."""

import numpy as np
import pandas as pd
import pytest
from real_tables import real
from repository import ROOT

from dissection.categories import CATEGORIES
from dissection.errors import InputError
from dissection.jobs.results import read_result
from dissection.scoring.agreement import (
    agreement_note,
    compare_categories,
    compare_labels,
    compare_units,
    read_released,
)

THRESHOLD = 0.04
NAMES = {c: [f"{c}{i}" for i in range(3)] for c in CATEGORIES}
NAMES["part"][0] = "object0"  # one name of two concepts


def made_up(units, seed, nameless=False):
    """A table as a run writes it, best first."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"unit": np.arange(units) + 1})
    for c in CATEGORIES:
        iou = (rng.random(units) ** 2 / 5).round(4) * (rng.random(units) < 0.8)
        names = np.array(NAMES[c], object)[rng.integers(0, 3, units)]
        if nameless and c == "texture":
            names[rng.random(units) < 0.3] = ""
        table[f"{c}-label"] = np.where(iou > 0, names, "")
        table[f"{c}-activation"] = rng.integers(0, 5, units) * 100
        table[f"{c}-iou"] = iou
    table["score"] = table[[f"{c}-iou" for c in CATEGORIES]].max(axis=1)
    return table.sort_values("score", ascending=False)


def write(path, table):
    # Line ends as in the released tables.
    table.to_csv(path, index=False, lineterminator="\r\n")
    return path


def best(row):
    """Category, label and IoU of a unit's best concept with a name, by search."""
    found = ("", "", 0.0)
    for c in CATEGORIES:
        if row[f"{c}-label"] and row[f"{c}-iou"] > found[2]:
            found = (c, row[f"{c}-label"], row[f"{c}-iou"])
    return found


@pytest.mark.parametrize("seed", range(5))
def test_against_a_count_by_hand(tmp_path, seed):
    ours, theirs = made_up(40, seed), made_up(40, seed + 100, nameless=True)
    theirs["threshold"] = np.arange(40) % 4
    thresholds = np.arange(40) + 1.0
    released = read_released(write(tmp_path / "released.csv", theirs))
    agreement = compare_units(ours, released, thresholds)
    assert agreement["unit"].tolist() == list(range(1, 41))
    a, b = (table.set_index("unit").to_dict("index") for table in (theirs, ours))
    hits = {c: [set(), set()] for c in CATEGORIES}
    same_count = 0
    for row in agreement.to_dict("records"):
        unit = row["unit"]
        one, other = best(a[unit]), best(b[unit])
        found = tuple(row[f"released_{key}"] for key in ("category", "label", "iou"))
        assert found == one
        assert tuple(row[key] for key in ("category", "label", "iou")) == other
        same = one[:2] == other[:2]
        same_count += same and max(one[2], other[2]) > 0
        assert row["same_label"] == same
        difference = abs(one[2] - other[2]) if same else max(one[2], other[2])
        assert row["difference"] == pytest.approx(difference)
        area = one[0] and a[unit][f"{one[0]}-activation"]
        ratio = b[unit][f"{one[0]}-activation"] / area if area else np.nan
        assert row["area_ratio"] == pytest.approx(ratio, nan_ok=True)
        level = a[unit]["threshold"]
        expected = thresholds[unit - 1] / level if level else np.nan
        assert row["threshold_ratio"] == pytest.approx(expected, nan_ok=True)
        for c in CATEGORIES:
            for place, table in enumerate((a, b)):
                label, iou = table[unit][f"{c}-label"], table[unit][f"{c}-iou"]
                if label and iou > THRESHOLD:
                    hits[c][place].add((unit, label))
    categories = compare_categories(agreement, THRESHOLD).set_index("category")
    assert categories.index.tolist() == [*CATEGORIES, "best"]
    assert categories.loc["best", "same_labels"] == same_count
    expected = []
    for c, (one, other) in hits.items():
        row = categories.loc[c]
        assert (row["released_detectors"], row["detectors"]) == (len(one), len(other))
        assert row["same_detectors"] == len(one & other)
        assert row["released_unique"] == len({label for _, label in one})
        assert row["unique"] == len({label for _, label in other})
        for label in sorted({label for _, label in one | other}):
            of = [{unit for unit, name in found if name == label} for found in (one, other)]
            expected.append((c, label, len(of[0]), len(of[1]), len(of[0] & of[1])))
    labels = compare_labels(agreement, THRESHOLD)
    assert sorted(labels.itertuples(index=False, name=None)) == sorted(expected)
    assert labels["category"].drop_duplicates().tolist() == [c for c in CATEGORIES if any(hits[c])]


def test_the_tables_come_back_as_they_were_written(tmp_path):
    ours = made_up(12, 0)
    ours.loc[ours["object-label"] != "", "object-label"] = "NA"
    ours["object-label"] = ours["object-label"].replace("object1", "007")
    released = read_released(write(tmp_path / "r.csv", made_up(12, 1)))
    agreement = compare_units(ours, released, np.ones(12))
    agreement.to_csv(tmp_path / "agreement.csv", index=False)
    back = read_result(tmp_path / "agreement.csv")
    pd.testing.assert_frame_equal(back, agreement, check_dtype=False)
    assert back["same_label"].dtype == bool
    for table in (compare_categories(agreement, 0.04), compare_labels(agreement, 0.04)):
        table.to_csv(tmp_path / "table.csv", index=False)
        back = read_result(tmp_path / "table.csv")
        pd.testing.assert_frame_equal(back, table, check_dtype=False)


def test_without_areas_and_thresholds_there_are_no_ratios(tmp_path):
    theirs = made_up(9, 1)
    theirs = theirs[[name for name in theirs if not name.endswith("-activation")]]
    released = read_released(write(tmp_path / "r.csv", theirs))
    agreement = compare_units(made_up(9, 2), released, np.ones(9))
    assert agreement[["area_ratio", "threshold_ratio"]].isna().all(axis=None)
    assert "here / released" not in agreement_note(agreement, compare_categories(agreement, 0.04))


def test_units_that_detect_nothing_agree_and_correlate_with_nothing(tmp_path):
    table = made_up(5, 0)
    for c in CATEGORIES:
        table[f"{c}-label"], table[f"{c}-iou"] = "", 0.0
    agreement = compare_units(table, read_released(write(tmp_path / "r.csv", table)), np.ones(5))
    assert agreement["same_label"].all()
    categories = compare_categories(agreement, THRESHOLD)
    assert (categories["units"] == 0).all()
    assert categories["correlation"].isna().all()
    assert compare_labels(agreement, THRESHOLD).empty
    assert agreement_note(agreement, categories).startswith("0 of 0 units")


def test_another_number_of_units_is_another_layer(tmp_path):
    released = read_released(write(tmp_path / "r.csv", made_up(8, 0)))
    with pytest.raises(InputError, match="has 8 units, but the layer has 9"):
        compare_units(made_up(9, 0), released, np.ones(9))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="part-iou"), "no column 'part-iou'"),
        (lambda t: t.assign(unit=1), "line 3: unit 1 stands there twice"),
        (lambda t: t.assign(unit=t["unit"] + 1), "must be a whole number from 1 to 4"),
        (lambda t: t.assign(unit="x"), "unit is 'x'"),
        (lambda t: t.assign(**{"part-iou": 1.5}), "line 2: part-iou is '1.5', but must be a number "
         "from 0 to 1"),
        (lambda t: t.assign(**{"part-iou": ""}), "part-iou is ''"),
        (lambda t: t.assign(**{"part-iou": "nan"}), "part-iou is 'nan'"),
        (lambda t: t.assign(**{"part-activation": -1}), "must be a number from 0."),
        (lambda t: t.assign(threshold="inf"), "threshold is 'inf', but must be a number."),
        (lambda t: t.head(0), "has no rows"),
    ],
)  # fmt: skip
def test_what_is_no_table_of_units_is_refused(tmp_path, change, message):
    path = write(tmp_path / "r.csv", change(made_up(4, 0)))
    with pytest.raises(InputError) as caught:
        read_released(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


# ---- the paper's own tables --------------------------------------------------------------------


def released(places):
    return read_released(real(f"released/caffe_reference_{places}.csv"))


@pytest.mark.parametrize("places", ["places205", "places365"])
def test_a_released_table_agrees_with_itself_and_has_the_published_counts(places):
    table = released(places)
    agreement = compare_units(table, table, np.ones(len(table)))
    assert agreement["same_label"].all()
    assert (agreement["difference"] == 0).all()
    assert (agreement["area_ratio"].dropna() == 1).all()
    categories = compare_categories(agreement, THRESHOLD).set_index("category")
    assert categories["correlation"].to_numpy() == pytest.approx(1)
    assert (categories["same_labels"] == categories["units"]).all()
    assert (categories["same_detectors"] == categories["released_detectors"]).all()
    published = pd.read_csv(ROOT / "workflow/published/detectors.csv").set_index("network")
    for category in CATEGORIES:
        row = categories.loc[category]
        assert (
            row["released_unique"]
            == published.loc[f"caffe_reference_{places}", f"unique_{category}"]
        )
        assert (
            row["released_detectors"]
            == published.loc[f"caffe_reference_{places}", f"units_{category}"]
        )
    labels = compare_labels(agreement, THRESHOLD)
    assert (labels["both"] == labels["units"]).all()
    assert labels.groupby("category").size().to_dict() == {
        c: n for c, n in categories["unique"].drop("best").items() if n
    }


def test_a_disturbance_is_found_where_it_is():
    table = released("places365")
    disturbed, thresholds = table.copy(), np.ones(len(table))
    at = table.set_index("unit")
    strong = at["object-iou"].nlargest(3).index  # all three detect objects
    assert (at.loc[strong, "object-iou"] > 0.1).all()
    swapped, weaker, _ = strong
    rows = {unit: disturbed.index[disturbed["unit"] == unit][0] for unit in strong}
    disturbed.loc[rows[swapped], "object-label"] = "another"
    disturbed.loc[rows[weaker], "object-iou"] *= 0.9
    agreement = compare_units(disturbed, table, thresholds).set_index("unit")
    assert agreement.index[agreement["difference"] > 0].tolist() == sorted([swapped, weaker])
    assert agreement.index[~agreement["same_label"]].tolist() == [swapped]
    assert agreement["difference"].idxmax() == swapped
    assert agreement.loc[swapped, "released_label"] == at.loc[swapped, "object-label"]
    assert agreement.loc[swapped, "label"] == "another"
    categories = compare_categories(agreement.reset_index(), THRESHOLD).set_index("category")
    found = categories.loc["object"]
    assert found["same_labels"] == found["units"] - 1
    assert found["released_detectors"] == found["detectors"]
    assert found["same_detectors"] == found["detectors"] - 1
    assert found["correlation"] < 1
    assert (categories.drop(["object", "best"])["correlation"] > 1 - 1e-9).all()


def test_two_networks_hardly_agree():
    one, other = released("places205"), released("places365")
    agreement = compare_units(one, other, np.ones(len(one)))
    assert agreement["same_label"].mean() < 0.1
    categories = compare_categories(agreement, THRESHOLD).set_index("category")
    assert abs(categories.loc["best", "correlation"]) < 0.3
