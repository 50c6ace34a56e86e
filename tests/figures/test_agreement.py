"""The figure of agreement with released units draws what the tables say."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from dissection.categories import CATEGORIES, CATEGORY_COLORS
from dissection.figures.agreement import WORST, ComparedLayer, agreement
from dissection.figures.style import save
from dissection.scoring.agreement import compare_categories, compare_units


def made_up(units, seed):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"unit": np.arange(units) + 1})
    for c in CATEGORIES:
        iou = rng.random(units) ** 2 / 5
        table[f"{c}-label"] = [f"{c}{k}" if k < 2 else "a very long name $_indeed"
                               for k in rng.integers(0, 3, units)]  # fmt: skip
        table[f"{c}-iou"] = iou
        table[f"{c}-activation"] = 1
    return table


def layer(title, ours, theirs):
    units = compare_units(ours, theirs, np.ones(len(ours)))
    return ComparedLayer(title, "a note " * 30, units, compare_categories(units, 0.04))


def test_it_draws_what_the_tables_say(tmp_path):
    table = made_up(30, 0)
    layers = [layer("A, conv5", table, made_up(30, 1)), layer("B, conv5", table, table)]
    figure, drawn = agreement(layers, "Agreement")
    save(figure, *(tmp_path / f"a.{kind}" for kind in ("pdf", "png")), drawn, tmp_path / "a.csv")
    for part, compared in zip(figure.subfigs, layers, strict=True):
        scatter, bars, words = part.axes
        points = sum(len(dots.get_offsets()) for dots in scatter.collections)
        assert points == len(compared.units)
        for dots in scatter.collections:
            color = tuple(dots.get_edgecolors()[0][:3])
            (category,) = (c for c in CATEGORIES if to_rgb(CATEGORY_COLORS[c]) == color)
            rows = compared.units[compared.units["released_category"] == category]
            rows = rows[rows["same_label"] == (len(dots.get_facecolors()) > 0)]
            found = np.sort(np.asarray(dots.get_offsets()), axis=0)
            assert found == pytest.approx(np.sort(rows[["released_iou", "iou"]], axis=0))
        widths = [patch.get_width() for patch in bars.patches]
        counts = compared.categories[["released_detectors", "same_detectors"]].head(6)
        assert widths == counts.to_numpy().ravel().tolist()
        listed = drawn[(drawn["layer"] == compared.title) & (drawn["panel"] == "most different")]
        worst = compared.units.nlargest(WORST, "difference").query("difference > 0")
        assert listed["unit"].tolist() == worst["unit"].tolist()
        shown = [text.get_text() for text in words.texts]
        assert [int(text) for text in shown if text.isdigit()] == worst["unit"].tolist()
    assert "none differs" in shown


def test_a_layer_that_detects_nothing():
    table = made_up(3, 0)
    for c in CATEGORIES:
        table[f"{c}-label"], table[f"{c}-iou"] = "", 0.0
    _, drawn = agreement([layer("A", table, table)], "Agreement")
    assert set(drawn["panel"]) == {"units", "categories"}
