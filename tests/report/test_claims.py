"""Claims: measures against hand-computed numbers, verdicts against their definition."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import yaml
from hypothesis import given
from hypothesis import strategies as st
from repository import ROOT

from dissection.categories import CATEGORIES
from dissection.errors import InputError
from dissection.report.claims import (
    COLUMNS,
    MEASURES,
    Effect,
    Evidence,
    judge,
    read_claims,
    verdict,
)
from dissection.report.groups import Accuracy
from dissection.scoring.detectors import PUBLISHED_RULE, RULES, TOP_LABEL

CLAIMS = read_claims(ROOT / "workflow/claims.yaml")
finite = st.floats(-1e3, 1e3)
SEEDS = ("a", "b", "c", "d")


def detectors(error=0.0, **unique):
    counts = [unique.get(category, 0) for category in CATEGORIES]
    return pd.DataFrame(
        {
            "category": [*CATEGORIES, "total"],
            "unique": [*counts, sum(counts)],
            "unique_se": error,
        }
    )


def evidence(baseline=(10, 12, 11, 15), error=0.0, rotation=None, **others):
    """Networks with one layer and a number of unique objects each."""
    counts = dict(zip(SEEDS, baseline, strict=False)) | others
    return Evidence(
        detectors={(name, "conv5"): detectors(error, object=n) for name, n in counts.items()},
        layers={name: ["conv5"] for name in counts},
        groups={"baseline": SEEDS[: len(baseline)]} | {name: [name] for name in others},
        rotations={} if rotation is None else {("a", "conv5"): rotation},
    )


def rotation_table(unique, probe):
    """Columns: alpha 0, 0.5, 1; rows: seeds."""
    return pd.DataFrame(
        [
            {"seed": seed, "alpha": alpha, "category": category, "unique": count,
             "probe_accuracy": accuracy}
            for seed, (counts, accuracies) in enumerate(zip(unique, probe, strict=True))
            for alpha, count, accuracy in zip((0, 0.5, 1), counts, accuracies, strict=True)
            for category in ("object", "total")
        ]
    )  # fmt: skip


def by_both(found):
    """Evidence that is the same by both rules of counting."""
    return dict.fromkeys(RULES, found)


def measure(name, found, **claim):
    return MEASURES[name](found, claim)


@given(size=finite, spread=st.floats(0, 1e3))
def test_verdicts_on_a_direction(size, spread):
    found = verdict(Effect(size, spread, ""), "direction")
    low, high = size - 2 * spread, size + 2 * spread
    expected = "replicated" if low > 0 else "not replicated" if high < 0 else "inconclusive"
    assert found == expected


@given(size=finite, spread=st.floats(0, 1e3), margin=st.floats(0, 1e3))
def test_verdicts_on_an_equality(size, spread, margin):
    found = verdict(Effect(size, spread, ""), {"margin": margin})
    assert (found == "replicated") == (abs(size) + 2 * spread <= margin)
    assert (found == "not replicated") == (abs(size) - 2 * spread > margin)


@pytest.mark.parametrize("effect", [Effect(math.nan, 1, ""), Effect(1, math.nan, "")])
@pytest.mark.parametrize("criterion", ["direction", {"margin": 5}])
def test_unknown_spread_decides_nothing(effect, criterion):
    assert verdict(effect, criterion) == "inconclusive"


def test_difference_of_groups():
    found = measure(
        "difference", evidence(error=1.0, untrained=2), more="baseline", fewer="untrained"
    )
    assert found.size == 12 - 2
    seeds = np.var([10, 12, 11, 15], ddof=1)
    assert found.spread == pytest.approx(math.sqrt(seeds / 4 + seeds + 1 + 1))
    assert found.measured == "12.0 against 2.0"


def test_difference_of_groups_with_several_networks_each():
    found = evidence(error=1.0, one=2, two=6)
    found.groups["untrained"] = ["one", "two"]
    effect = measure("difference", found, more="baseline", fewer="untrained")
    seeds, others = np.var([10, 12, 11, 15], ddof=1), np.var([2, 6], ddof=1)
    assert (effect.size, effect.measured) == (12 - 4, "12.0 against 4.0")
    assert effect.spread == pytest.approx(math.sqrt(seeds / 4 + others / 2 + 1 + 1))


def test_a_confounded_comparison_is_named_and_judged_as_without():
    shares = dict(zip((*SEEDS, "wide"), (0.5, 0.51, 0.49, 0.5, 0.6), strict=True))
    accuracies = {name: Accuracy("scene", share, 640) for name, share in shares.items()}
    plain = evidence(wide=30)
    known = dataclasses.replace(plain, accuracies=accuracies)
    tables = [judge(CLAIMS, by_both(found)).set_index("id") for found in (plain, known)]
    assert tables[1].loc["width", "confounded"] == "held-out accuracy 60.0 % against 50.0 %"
    assert list(tables[0]["confounded"]) == ["", "", ""]
    assert set(tables[1].drop("width")["confounded"]) == {""}
    pd.testing.assert_frame_equal(*(table.drop(columns="confounded") for table in tables))


def test_difference_counts_the_categories_asked_for():
    found = measure(
        "difference", evidence(wide=20), more="wide", fewer="baseline", categories=["texture"]
    )
    assert found.size == 0


def test_difference_without_such_networks_or_without_repeats():
    assert measure("difference", evidence(), more="baseline", fewer="wide") is None
    assert measure("difference", evidence(wide=2), more="x", fewer="wide") is None
    alone = measure("difference", evidence((10,), wide=30), more="wide", fewer="baseline")
    assert alone.size == 20
    assert math.isnan(alone.spread)


def test_emergence_takes_the_best_early_layer():
    layers = {"conv1": {"texture": 9, "object": 1}, "conv2": {"part": 4}, "conv3": {"object": 50},
              "conv5": {"object": 6, "part": 5, "color": 7}}  # fmt: skip
    found = Evidence(
        detectors={("a", name): detectors(2.0, **counts) for name, counts in layers.items()},
        layers={"a": list(layers)},
        groups={"baseline": ["a"]},
    )
    effect = measure("emergence", found, categories=["object", "part"])
    assert effect.size == 11 - 4
    assert effect.spread == pytest.approx(math.sqrt(4 * 2.0**2))
    assert "conv5" in effect.measured


def test_rotation_falls_by_the_mean_over_rotations():
    table = rotation_table([(20, 15, 8), (20, 12, 12)], [(0.5, 0.5, 0.51), (0.5, 0.5, 0.47)])
    found = evidence((20, 21), error=2.0, rotation=table)
    fall = measure("rotation_fall", found)
    assert fall.size == pytest.approx(0.5)
    between = np.std([8, 12], ddof=1) / math.sqrt(2)
    assert fall.spread == pytest.approx(math.hypot(between, 0.5 * 2.0) / 20)
    accuracy = measure("rotation_accuracy", found)
    assert accuracy.size == pytest.approx(-0.01)
    assert accuracy.spread == pytest.approx(np.std([0.01, -0.03], ddof=1) / math.sqrt(2))


def test_several_networks_are_rotated():
    tables = {
        "a": rotation_table([(20, 15, 8), (20, 12, 12)], [(0.5, 0.5, 0.51), (0.5, 0.5, 0.47)]),
        "b": rotation_table([(10, 9, 2), (10, 9, 4)], [(0.4, 0.4, 0.43), (0.4, 0.4, 0.41)]),
        "c": rotation_table([(30, 9, 12), (30, 9, 6)], [(0.6, 0.4, 0.6), (0.6, 0.4, 0.6)]),
    }
    rotations = {(name, "conv5"): table for name, table in tables.items()}
    found = dataclasses.replace(evidence((20, 10, 30), error=2.0), rotations=rotations)
    fall = measure("rotation_fall", found)
    falls = [1 - 10 / 20, 1 - 3 / 10, 1 - 9 / 30]
    images = [10 / 20 * 2 / 20, 3 / 10 * 2 / 10, 9 / 30 * 2 / 30]
    assert fall.size == pytest.approx(sum(falls) / 3)
    squared = sum((one - fall.size) ** 2 for one in falls) / 2 / 3
    squared += sum(error**2 for error in images) / 3
    assert fall.spread == pytest.approx(squared**0.5)
    assert fall.measured == "20.0 to 7.3 (-63%), mean of networks"
    accuracy = measure("rotation_accuracy", found)
    changes = [-0.01, 0.02, 0]
    assert accuracy.size == pytest.approx(sum(changes) / 3)
    squared = sum((one - accuracy.size) ** 2 for one in changes) / 2 / 3
    assert accuracy.spread == pytest.approx(squared**0.5)


def test_rotation_without_a_probe_is_judged_by_its_detectors_alone(tmp_path):
    table = rotation_table([(20, 15, 8), (20, 12, 12)], [(math.nan,) * 3] * 2)
    table.to_csv(tmp_path / "rotation.csv", index=False)  # cells without a number are empty
    found = evidence((20, 21), error=2.0, rotation=pd.read_csv(tmp_path / "rotation.csv"))
    effect = measure("rotation_accuracy", found)
    assert "no linear probe" in effect.measured
    assert verdict(effect, {"margin": 0.02}) == "inconclusive"
    assert measure("rotation_fall", found).size == pytest.approx(0.5)


def test_rotation_missing_or_without_detectors():
    assert measure("rotation_fall", evidence()) is None
    assert measure("rotation_accuracy", evidence()) is None
    nothing = rotation_table([(0, 0, 0), (0, 0, 0)], [(0.5, 0.5, 0.5)] * 2)
    assert math.isnan(measure("rotation_fall", evidence(rotation=nothing)).size)


@pytest.mark.parametrize("name", ["rotation_fall", "rotation_accuracy"])
@pytest.mark.parametrize("alphas", [(0, 0.5, 0.8), (0.2, 0.5, 1), (0.2, 0.5, 0.9)])
def test_less_than_a_full_rotation_is_no_evidence_for_one(name, alphas):
    table = rotation_table([(20, 15, 8), (20, 12, 12)], [(0.5, 0.5, 0.51), (0.5, 0.5, 0.47)])
    table["alpha"] = table["alpha"].map(dict(zip((0, 0.5, 1), alphas, strict=True)))
    effect = measure(name, evidence(rotation=table))
    assert math.isnan(effect.size)
    assert "rotation.alphas" in effect.measured
    assert verdict(effect, "direction") == "inconclusive"


def test_the_other_rule_of_counting_stands_beside_the_published_one():
    rotation = {
        TOP_LABEL: rotation_table([[10, 8, 11]] * 2, [[0.5, 0.5, 0.5]] * 2),
        PUBLISHED_RULE: rotation_table([[20, 15, 4]] * 2, [[0.5, 0.5, 0.5]] * 2),
    }
    found = {
        TOP_LABEL: evidence(wide=5, rotation=rotation[TOP_LABEL]),
        PUBLISHED_RULE: evidence((20, 22, 21, 25), wide=60, rotation=rotation[PUBLISHED_RULE]),
    }
    table = judge(CLAIMS, found).set_index("id")
    for rule, suffix in ((PUBLISHED_RULE, ""), (TOP_LABEL, "_top_label")):
        alone = judge(CLAIMS, by_both(found[rule])).set_index("id")
        for column in ("measured", "verdict"):
            assert list(table[column + suffix]) == list(alone[column])
    verdicts = table[["verdict", "verdict_top_label"]]
    assert list(verdicts.loc["width"]) == ["replicated", "not replicated"]
    assert list(verdicts.loc["axis_alignment"]) == ["replicated", "not replicated"]


def test_claims_that_the_run_has_nothing_for_are_left_out():
    own = Evidence(detectors={("mine", "c"): detectors()}, layers={"mine": ["c"]}, groups={})
    table = judge(CLAIMS, by_both(own))
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == 0
    some = judge(CLAIMS, by_both(evidence(wide=20)))
    assert set(some["id"]) == {"emergence", "initialization", "width"}
    assert set(some["verdict"]) == {"inconclusive", "replicated"}
    assert some.set_index("id").loc["emergence", "measured"].startswith("fewer than three layers")


@given(counts=st.lists(st.integers(0, 9), min_size=3, max_size=9).filter(lambda c: len(set(c)) > 1))
def test_growth_is_spearman_s_rank_correlation(counts):
    names = [f"s{i}" for i in range(len(counts))]
    found = Evidence(
        detectors={(name, "c"): detectors(object=n) for name, n in zip(names, counts, strict=True)},
        layers={name: ["c"] for name in names},
        groups={},
        iterations=[(10 * i, name) for i, name in enumerate(names)],
    )
    effect = measure("growth", found)
    expected = scipy.stats.spearmanr(range(len(counts)), counts).statistic
    assert effect.size == pytest.approx(expected)
    assert effect.spread == pytest.approx(1 / math.sqrt(len(counts) - 1))


def test_growth_without_any_change_is_undecided():
    names = ["x", "y", "z"]
    found = Evidence({(n, "c"): detectors() for n in names}, {n: ["c"] for n in names}, {},
                     iterations=list(enumerate(names)))  # fmt: skip
    assert verdict(measure("growth", found), "direction") == "inconclusive"


def test_variation_between_seeds():
    effect = measure("variation", evidence())
    relative = np.std([10, 12, 11, 15], ddof=1) / 12
    assert effect.size == pytest.approx(relative)
    assert effect.spread == pytest.approx(relative / math.sqrt(6))
    assert math.isnan(measure("variation", evidence((10,))).size)


def test_shipped_claims_quote_the_published_table():
    published = pd.read_csv(ROOT / "workflow/published/detectors.csv", comment="#")
    total = published.set_index("network").filter(like="unique_").sum(axis=1)
    text = {claim["id"]: claim["published"] for claim in CLAIMS}
    places = str(total["caffe_reference_places205"])
    for name in ("training", "supervision_object", "supervision_none", "batch_norm"):
        assert text[name].startswith(places)
    assert f" {total['caffenet_random']} (random" in text["training"]
    assert f" {total['caffe_reference_imagenet']} (" in text["supervision_object"]
    assert f" {total['caffe_reference_places205_batchnorm']} (" in text["batch_norm"]
    weakly = total[total.index.str.startswith("weakly")]
    assert f" {weakly.min()} to {weakly.max()} (" in text["supervision_none"]
    assert text["width"].startswith(str(total["caffe_reference_places365_GAP"]))
    assert f"against {total['caffe_reference_places365']} (" in text["width"]
    places205 = published.set_index("network").loc["caffe_reference_places205"]
    both = places205["unique_object"] + places205["unique_part"]
    assert f"; {both} unique object and part detectors" in text["emergence"]
    rotation = pd.read_csv(ROOT / "workflow/published/rotation.csv").loc[0, "unique_change"]
    assert text["axis_alignment"].startswith(f"{-rotation:.0%}".replace("%", " %"))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"measure": "magic"}, "width.measure: 'magic' is not one of difference, emergence"),
        ({"measure": "varation"}, "Did you mean 'variation'?"),
        ({"criterion": "p < 0.05"}, "width.criterion: 'p < 0.05' is not one of direction"),
        ({"criterion": {"margins": 1}}, "width.criterion.margins: unknown key"),
        ({"criterion": {}}, "width.criterion: the key 'margin' is missing"),
        ({"criterion": {"margin": "1e-3"}}, "width.criterion.margin: '1e-3' should be a number"),
        ({"categories": ["colour"]}, "width.categories.0: 'colour' is not one of"),
        ({"figure": "rotation"}, "width.figure: 'rotation'"),
        ({"statment": "x"}, "width.statment: unknown key. Did you mean 'statement'?"),
    ],
)
def test_mistake_in_a_claim_is_named(tmp_path, change, message):
    claims = yaml.safe_load((ROOT / "workflow/claims.yaml").read_text())
    claims["width"] |= change
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump(claims))
    with pytest.raises(InputError) as caught:
        read_claims(tmp_path / "claims.yaml")
    assert message in str(caught.value)
    assert str(tmp_path / "claims.yaml") in str(caught.value)
