"""Figures draw what their tables say, also where there is little or nothing to draw."""

import json
import runpy
from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from PIL import Image
from repository import ROOT

from dissection.activations.geometry import Geometry, upsample
from dissection.activations.top_images import TopImages
from dissection.categories import CATEGORIES, CATEGORY_COLORS
from dissection.errors import InputError
from dissection.figures.activation import activation_maps
from dissection.figures.curves import category_curves
from dissection.figures.darkening import darken_outside
from dissection.figures.dataset import dataset_samples
from dissection.figures.detectors import detector_bars
from dissection.figures.masked import enlarge
from dissection.figures.panels import (
    COLUMNS,
    Panel,
    complete,
    detector_table,
    mean_counts,
    published_table,
    with_bars,
)
from dissection.figures.samples import Sample, choose_samples, dominant_labels
from dissection.figures.segments import mean_colors, place_name, segment_colors
from dissection.figures.style import readable_on, save, spread
from dissection.figures.units import (
    UnitImages,
    best_unit,
    choose_units,
    named_units,
    unit_detectors,
    unit_images,
)

PUBLISHED = ROOT / "workflow/published"
GEOMETRY = Geometry(2, 2, 8, 8, centre=(2.0, 2.0), stride=(4.0, 4.0), size=(8, 8))


def bars_table(bars, low=np.nan, high=np.nan, chance=np.nan):
    """Panel's table: for each bar its counts in the order of the categories."""
    rows = [
        (bar, category, count, np.nan, np.nan, np.nan)
        for bar, counts in bars.items()
        for category, count in zip(CATEGORIES, counts, strict=False)
    ]
    rows += [(bar, "total", sum(counts), low, high, chance) for bar, counts in bars.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def lengths(axes, horizontal):
    """Bars of the axes: position, start, length and colour, where they are not empty."""
    found = []
    for patch in axes.patches:
        sides = (patch.get_y(), patch.get_height(), patch.get_x(), patch.get_width())
        place, thick, start, length = sides if horizontal else (*sides[2:], *sides[:2])
        found.append((place + thick / 2, start, length, patch.get_facecolor()[:3]))
    return found


def drawn_lines(axes, gid):
    return [line.get_xydata() for line in axes.lines if line.get_gid() == gid]


def texts(axes, gid):
    return [text.get_text() for text in axes.texts if text.get_gid() == gid]


# The colours


def test_categories_have_colours_in_the_order_of_the_library():
    assert list(CATEGORY_COLORS) == list(CATEGORIES)


# Machado, Oliveira and Fernandes (2009), severity 1: linear RGB seen with one kind of cone missing.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def lab(rgb):
    """CIE Lab of a linear sRGB colour (D65)."""
    xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    ) @ np.clip(rgb, 0, 1)
    f = xyz / (0.9505, 1.0, 1.089)
    f = np.where(f > (6 / 29) ** 3, np.cbrt(f), f / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_categories_are_told_apart_by_colour_blind_readers(deficiency):
    matrix = DEFICIENCIES[deficiency]
    seen = []
    for color in CATEGORY_COLORS.values():
        rgb = np.array(to_rgb(color))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        seen.append(lab(matrix @ linear))
    # 2.3 is a just noticeable difference side by side; 15 is obvious.
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 15


def test_numbers_stand_out_from_their_bars():
    for color in CATEGORY_COLORS.values():
        text, ground = (np.array(to_rgb(c)).mean() for c in (readable_on(color), color))
        assert abs(text - ground) > 0.25


# Labels beside each other


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 10), max_size=8), st.floats(0.01, 3))
def test_spread_labels_keep_gap_order_and_range(positions, gap):
    positions = np.array(positions)
    placed = spread(positions, gap, 0.0, 10.0)
    order = np.argsort(positions, kind="stable")
    possible = min(gap, 10 / max(len(positions) - 1, 1))
    assert (np.diff(placed[order]) >= possible - 1e-9).all()
    assert ((placed >= -1e-9) & (placed <= 10 + 1e-9)).all()


def test_labels_with_room_stay_where_they_are():
    assert spread(np.array([7.0, 1.0, 4.0]), 2.0, 0.0, 10.0).tolist() == [7.0, 1.0, 4.0]


# Bars


@pytest.mark.parametrize("horizontal", [False, True])
def test_stacked_bars_are_as_long_as_the_table_says(horizontal):
    counts = {"conv1": [0, 0, 0, 0, 2, 3], "conv5": [13, 7, 4, 1, 0, 0]}
    table = bars_table(counts, low=1.0, high=30.0, chance=2.0)
    figure, drawn = detector_bars(
        [Panel(table, "Unique detectors")], "Detectors", horizontal=horizontal
    )
    axes = figure.axes[0]
    found = lengths(axes, horizontal)
    for position, bar in enumerate(counts):
        own = [f for f in found if round(f[0]) == position]
        table = drawn[(drawn["bar"] == bar) & (drawn["category"] != "total")]
        assert table["category"].tolist() == list(CATEGORIES)
        assert [f[2] for f in own] == table["value"].tolist() == counts[bar]
        # Each starts where the one below it ends.
        assert [f[1] for f in own] == (np.cumsum(counts[bar]) - counts[bar]).tolist()
        assert [f[3] for f in own] == [to_rgb(c) for c in CATEGORY_COLORS.values()]
    totals = drawn[drawn["category"] == "total"]
    assert totals["value"].tolist() == [5, 25]
    assert texts(axes, "total") == ["5", "25"]
    along = 0 if horizontal else 1
    assert [line[:, along].tolist() for line in drawn_lines(axes, "interval")] == [[1, 30]] * 2
    assert [line[:, along].tolist() for line in drawn_lines(axes, "chance")] == [[2]] * 2


LAYERS = {
    "short": [f"conv{i}" for i in range(1, 6)],
    "dense": [f"features.denseblock{b}.denselayer{n}.conv2" for b, n in [(1, 6), (3, 24), (4, 32)]],
    "alike": [f"{'encoder.' * 6}{i}.{'layers.' * 6}relu" for i in range(4)],
    "one word": ["a" * 90, "b" * 25],
    "many": [f"layer{i // 10}.{i % 10}.conv{i % 3}" for i in range(60)],
    "words": ["AlexNet, no dropout", "AlexNet, batch normalisation"],
}


def shown_labels(axis):
    """An axis has ticks beyond its end, too, which are not drawn."""
    low, high = sorted(axis.get_view_interval())
    ticks = zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=True)
    return [label for label, place in ticks if low <= place <= high]


@pytest.mark.parametrize("names", LAYERS)
def test_names_of_bars_do_not_overlap_and_stay_different(names):
    bars = bars_table({name: [3, 1, 2, 0, 1, 4] for name in LAYERS[names]}, low=7.0, high=14.0)
    panels = [Panel(bars, "Unique", heading) for heading in ("Counted per category", "Once")]
    published = bars_table({"AlexNet-Places205 conv5": [36, 8, 12, 1, 20, 2]})
    figure, drawn = detector_bars([*panels, Panel(published, "Published", "As published")], "T")
    assert drawn["bar"].unique().tolist()[:-1] == LAYERS[names]
    figure.draw_without_rendering()
    for axis in ("xaxis", "yaxis"):
        labels = [
            label
            for axes in figure.axes
            for label in shown_labels(getattr(axes, axis))
            if label.get_text()
        ]
        boxes = [label.get_window_extent() for label in labels]
        assert not [(a, b) for a, b in combinations(boxes, 2) if a.overlaps(b)]
        assert [b for b in boxes if b.x0 < -1 or b.x1 > figure.bbox.width + 1] == []
    headings = [axes.title if axes.get_title() else axes._left_title for axes in figure.axes]
    boxes = [title.get_window_extent() for title in headings]
    assert not [(a, b) for a, b in combinations(boxes, 2) if a.overlaps(b)]
    upright = {label.get_text() for label in figure.axes[0].get_xticklabels()}
    beside = {label.get_text() for label in figure.axes[0].get_yticklabels()}
    if names in ("short", "words"):
        assert {name.replace(" ", "") for name in LAYERS[names]} == {
            "".join(text.split()) for text in upright
        }
    else:
        assert len(beside) == len(LAYERS[names])


def test_counts_that_do_not_add_up_are_not_stacked():
    # By the per-category rule units of two categories count once in the total.
    table = bars_table({"a": [3, 2, 0, 0, 0, 0]})
    table.loc[table["category"] == "total", "value"] = 4
    with pytest.raises(ValueError, match="add up to 5, its total is 4"):
        detector_bars([Panel(table, "Units")], "Detectors")


def test_missing_categories_count_as_none_and_the_total_is_their_sum():
    table = pd.DataFrame({"bar": "conv1", "category": ["color", "part"], "value": [3, 1]})
    _, drawn = detector_bars([Panel(table, "Unique detectors")], "Detectors")
    assert drawn.set_index("category")["value"].to_dict() == {
        "object": 0,
        "part": 1,
        "scene": 0,
        "material": 0,
        "texture": 0,
        "color": 3,
        "total": 4,
    }


@pytest.mark.parametrize("horizontal", [False, True])
def test_bar_of_unknown_counts_is_a_dash_and_not_0(horizontal):
    nan = [np.nan] * 6
    table = bars_table({"known": [2, 0, 0, 0, 0, 1], "unknown": nan})
    figure, drawn = detector_bars(
        [Panel(table, "Unique detectors")], "Detectors", horizontal=horizontal
    )
    values = drawn.set_index(["bar", "category"])["value"]
    assert values["known"].tolist() == [2, 0, 0, 0, 0, 1, 3]
    assert values["unknown"].tolist() == pytest.approx([np.nan] * 7, nan_ok=True)
    axes = figure.axes[0]
    assert texts(axes, "total") == ["3"]
    assert "–" in texts(axes, "count")
    assert all(round(place) == 0 for place, *_ in lengths(axes, horizontal))


def test_unknown_category_is_refused():
    table = pd.DataFrame({"bar": ["a"], "category": ["colour"], "value": [1]})
    with pytest.raises(ValueError, match="colour"):
        detector_bars([Panel(table, "Unique detectors")], "Detectors")


@pytest.mark.parametrize("horizontal", [False, True])
def test_bars_without_detectors_or_networks(horizontal):
    nothing = Panel(pd.DataFrame(columns=COLUMNS), "Unique detectors")
    none_detects = Panel(bars_table({"untrained": [0] * 6}, 0.0, 0.0, 0.0), "Unique detectors")
    figure, drawn = detector_bars([nothing, none_detects], "Detectors", horizontal=horizontal)
    assert drawn["value"].tolist() == [0.0] * 7
    assert texts(figure.axes[1], "total") == ["0"]
    axes = figure.axes[1]
    assert (axes.get_xlim() if horizontal else axes.get_ylim()) == (0, 1)


def test_panels_of_one_label_share_a_scale():
    small, large = (bars_table({"a": [n, 0, 0, 0, 0, 0]}) for n in (2, 40))
    figure, _ = detector_bars(
        [Panel(small, "Units"), Panel(large, "Units"), Panel(small, "Other")], "Detectors"
    )
    tops = [axes.get_ylim()[1] for axes in figure.axes]
    assert tops[0] == tops[1] > 40 > tops[2]


def test_detector_table_takes_one_rule_and_one_count():
    counts = pd.DataFrame(
        {
            "rule": ["top_label", "per_category"],
            "category": "total",
            "units": [5, 6],
            "unique": [3, 4],
            "unique_low": [1, 2],
            "unique_high": [7, 8],
            "chance_unique": [0, 1],
        }
    )
    table = detector_table({"conv5": counts}, "per_category", "unique")
    assert table.to_numpy().tolist() == [["conv5", "total", 4, 2, 8, 1]]
    assert list(table.columns) == COLUMNS


def counts_of(*unique):
    """A network's table: unique detectors of two categories and their total."""
    table = pd.DataFrame({"rule": "per_category", "category": ["object", "part", "total"]})
    table["unique"] = [*unique, sum(unique)]
    table["units"] = 2 * table["unique"]
    for value in ("units", "unique"):
        table[f"{value}_low"], table[f"{value}_high"] = 0.0, 99.0
        table[f"chance_{value}"] = unique[0]
    return table


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=5))
def test_mean_counts_have_the_interval_of_student_s_t(unique):
    tables = [counts_of(*network) for network in unique]
    found = mean_counts(tables)
    if len(tables) == 1:
        assert found is tables[0]
        return
    for value in ("units", "unique"):
        for row in range(3):
            values = [int(table.loc[row, value]) for table in tables]
            mean = sum(values) / len(values)
            variance = sum((x - mean) ** 2 for x in values) / (len(values) - 1)
            reach = scipy.stats.t.ppf(0.975, len(values) - 1) * (variance / len(values)) ** 0.5
            assert found.loc[row, value] == pytest.approx(mean)
            assert found.loc[row, f"{value}_low"] == pytest.approx(max(mean - reach, 0), abs=1e-9)
            assert found.loc[row, f"{value}_high"] == pytest.approx(mean + reach)
        assert found[f"chance_{value}"].iloc[0] == pytest.approx(np.mean([n for n, _ in unique]))
    # They can be drawn: categories still add up to the total.
    panel = Panel(detector_table({"mean": found}, "per_category", "unique"), "Unique")
    assert complete(panel.table)["value"].iloc[-1] == pytest.approx(found["unique"].iloc[-1])


def test_means_are_printed_with_one_decimal():
    bars = bars_table({"a": [31.75, 0, 0, 0, 0, 0], "b": [40, 0, 0, 0, 0, 0]})
    figure, _ = detector_bars([Panel(bars, "Unique")], "Detectors", horizontal=True, seeds=True)
    totals = [text.get_text() for text in figure.axes[0].texts if text.get_gid() == "total"]
    assert totals == ["31.8", "40"]


def test_published_counts_add_up_to_the_paper_s():
    published = pd.read_csv(PUBLISHED / "detectors.csv")
    assert published["title"].is_unique
    table = published_table(published)
    totals = table[table["category"] == "total"].set_index("bar")["value"]
    # The paper's figures, and so the claims, follow the per-category rule.
    assert totals["AlexNet-Places205"] == 79
    assert totals["AlexNet-Places365"] == 91
    assert totals["AlexNet-ImageNet"] == 61


def test_published_statistics_are_those_of_table_1():
    published = pd.read_csv(PUBLISHED / "broden.csv").set_index("category")
    assert published.index.tolist() == [*CATEGORIES, "total"]
    assert published.loc[list(CATEGORIES), "labels"].sum() == 1376
    assert published.loc["total", ["labels", "images"]].tolist() == [1197, 63305]


# Curves

NAMES = {"x_label": "α", "title": "A layer, rotated"}


def test_curves_are_means_with_a_band_from_least_to_greatest():
    table = pd.DataFrame(
        {
            "alpha": [0.0, 0.0, 1.0, 1.0] * 2,
            "category": ["object"] * 4 + ["total"] * 4,
            "unique": [10, 10, 2, 4, 12, 12, 3, 7],
            "accuracy": [0.5] * 8,
        }
    )
    figure, drawn = category_curves("alpha", table, {"network": "accuracy"}, **NAMES)
    upper, lower = figure.axes
    for name, axes in (("object", upper), ("total", upper), ("network", lower)):
        (line,) = drawn_lines(axes, name)
        own = drawn[drawn["series"] == name]
        np.testing.assert_array_equal(line, own[["alpha", "mean"]])
    band = drawn[(drawn["series"] == "object") & (drawn["alpha"] == 1)]
    assert band[["mean", "least", "greatest", "runs"]].to_numpy().tolist() == [[3, 2, 4, 2]]
    assert upper.get_ylim()[1] > 12


def test_accuracy_that_a_network_does_not_have_is_left_out():
    table = pd.DataFrame(
        {
            "alpha": [0.0, 1.0],
            "category": "total",
            "unique": [9, 2],
            "accuracy": np.nan,
            "probe": [0.5, 0.4],
        }
    )
    below = {"network": "accuracy", "linear probe": "probe"}
    figure, drawn = category_curves("alpha", table, below, **NAMES)
    assert set(drawn["series"]) == {"total", "linear probe"}
    (line,) = drawn_lines(figure.axes[1], "linear probe")
    np.testing.assert_array_equal(line, [[0, 0.5], [1, 0.4]])
    # In the colour that it has beside the network's.
    both, _ = category_curves("alpha", table.assign(accuracy=0.5), below, **NAMES)
    one, two = (
        [line.get_color() for line in f.axes[1].lines if line.get_gid() == "linear probe"]
        for f in (figure, both)
    )
    assert one == two


def test_a_data_set_without_scenes_has_curves_and_no_probe():
    table = pd.DataFrame(
        {
            "alpha": [0.0, 1.0],
            "category": "total",
            "unique": [9, 2],
            "accuracy": [0.5, 0.5],
            "probe": np.nan,
        }
    )
    below = {"network": "accuracy", "linear probe": "probe"}
    figure, drawn = category_curves("alpha", table, below, **NAMES)
    assert set(drawn["series"]) == {"total", "network"}
    assert texts(figure.axes[1], "unknown") == ["not measured: linear probe"]
    # Without any accuracy, such as of a network of somebody else, there is no second panel.
    figure, drawn = category_curves("alpha", table.assign(accuracy=np.nan), below, **NAMES)
    assert set(drawn["series"]) == {"total"}
    (axes,) = figure.axes
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("Unique detectors", "α")


def test_iterations_keep_0_on_a_logarithmic_axis():
    iterations = [0, 100, 10_000, 2_400_000]
    table = pd.DataFrame({"iteration": iterations, "category": "total", "unique": [0, 1, 5, 9]})
    figure, drawn = category_curves("iteration", table, {}, **NAMES, log=True)
    axes = figure.axes[-1]
    assert drawn["iteration"].tolist() == iterations
    places = axes.transData.transform([(x, 0) for x in iterations])[:, 0]
    assert np.isfinite(places).all()
    assert (np.diff(places) > 10).all()
    assert axes.get_xticks().tolist() == iterations
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["0", "100", "10k", "2.4M"]


def test_reference_is_a_point_of_its_own():
    rows = [("total", a, 10 - a) for a in (0, 1)]
    table = pd.DataFrame(rows, columns=["category", "alpha", "unique"])
    figure, drawn = category_curves("alpha", table, {}, **NAMES, reference=(1.0, 2.0, "paper"))
    (ring,) = [line for line in figure.axes[0].lines if line.get_gid() == "paper"]
    assert (list(ring.get_xdata()), list(ring.get_ydata())) == ([1.0], [2.0])
    assert "paper" in [text.get_text() for text in figure.axes[0].texts]
    row = drawn[drawn["series"] == "paper"].iloc[0]
    assert (row["alpha"], row["mean"], row["runs"]) == (1.0, 2.0, 0)


@pytest.mark.parametrize("log", [False, True])
def test_curves_of_one_point_of_zeros_and_of_nothing(log):
    empty = pd.DataFrame({"alpha": [], "category": [], "unique": []})
    _, drawn = category_curves("alpha", empty, {}, **NAMES, log=log)
    assert drawn.empty
    one = pd.DataFrame({"alpha": [0.0], "category": ["total"], "unique": [0]})
    figure, drawn = category_curves("alpha", one, {}, **NAMES, log=log)
    assert drawn["mean"].tolist() == [0.0]
    assert figure.axes[0].get_ylim()[1] >= 1
    with pytest.raises(ValueError, match="colour"):
        category_curves("alpha", one.assign(category="colour"), {}, **NAMES, log=log)


# Images and segments


def test_enlarging_repeats_pixels_and_leaves_large_images_alone():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    large = enlarge(image, inches=0.02)  # 6 pixels of the page
    assert large.shape == (6, 6, 3)
    assert (large[::3, ::3] == image).all()
    assert (large[1::3, 2::3] == image).all()
    assert enlarge(image, inches=0.001) is not None
    assert enlarge(image, inches=0.001).shape == image.shape


def test_outside_is_darker_and_inside_untouched():
    image = np.full((2, 2, 3), 100, np.uint8)
    inside = np.array([[True, False], [False, False]])
    dark = darken_outside(image, inside)
    assert (dark[inside] == 100).all()
    assert (dark[~inside] < 60).all()
    assert (darken_outside(image, ~inside | inside) == image).all()


@pytest.mark.parametrize("mean", [0, 2, 6, 12, 25, 50, 79, 80, 150, 240])
def test_dark_photographs_stay_visible_outside(mean):
    rng = np.random.default_rng(mean)
    image = np.clip(rng.normal(mean, mean / 3, (20, 20, 3)), 0, 255).astype(np.uint8)
    inside = np.zeros((20, 20), bool)
    inside[:, :10] = True
    shown = darken_outside(image, inside).astype(float)
    if mean > 5:
        assert shown[~inside].mean() > 12
        # Outside it is not brighter than half of the inside.
        assert shown[inside].mean() > 2 * shown[~inside].mean()
    assert (darken_outside(image, ~inside | inside) >= image).all()
    if mean >= 100:
        assert (shown[inside] == image[inside]).all()


def test_dominant_label_is_the_first_that_is_not_0():
    maps = np.array([[[0, 3, 0]], [[5, 4, 0]], [[6, 0, 0]]], np.uint16)
    assert dominant_labels(maps).tolist() == [[5, 3, 0]]


def test_segments_have_distinct_colours():
    colors = segment_colors(range(1, 30))
    assert len(set(colors.values())) == 29
    assert segment_colors([4, 9]) == segment_colors([4, 9])


def test_mean_colours_are_those_of_the_image():
    label_map = np.array([[1, 0], [2, 2]])
    image = np.zeros((4, 4, 3), np.uint8)
    image[:2, :2] = (255, 0, 0)
    image[2:] = (0, 0, 255)
    assert mean_colors(label_map, image) == {1: "#ff0000", 2: "#0000ff"}


def test_names_are_placed_inside_large_segments_only():
    mask = np.zeros((50, 50), bool)
    mask[:20] = True
    row, column = place_name(mask, "sky", points=6, inches=1)
    assert 4 < row < 16
    assert 15 < column < 35
    assert place_name(mask[:, :5], "sky", points=6, inches=0.1) is None
    thin = np.zeros((50, 50), bool)
    thin[:, 3] = True
    assert place_name(thin, "sky", points=6, inches=1) is None
    assert place_name(np.zeros((50, 50), bool), "sky", points=6, inches=1) is None


# The data set


def test_samples_show_every_category_before_any_twice():
    labels = [
        {"color": {1}},
        {"color": {1}, "object": {2, 3}},
        {"color": {1}, "object": {2}, "scene": {5}},
        {"texture": {4}, "color": set()},
        {"texture": {6}},
    ]
    assert choose_samples(labels, 2) == [2, 3]
    # Then once more, concepts that were not shown first.
    assert choose_samples(labels, 4) == [2, 3, 1, 4]
    assert sorted(choose_samples(labels, 9)) == [0, 1, 2, 3, 4]
    assert choose_samples([], 3) == []
    assert choose_samples([{}, {}], 1) == [0]


CONCEPTS = pd.DataFrame({"within_reach": [True, False, True]})


def statistics():
    table = pd.DataFrame({"category": [*CATEGORIES, "total"], "labels": [3, 0, 1, 0, 1, 2, 7]})
    return table.assign(mean_images=[2.0, 0, 4, 0, 1, 9, np.nan], images=6)


def test_samples_table_has_the_share_of_every_label():
    parts = np.array([[[5, 5], [0, 0]], [[6, 6], [6, 0]]], np.uint16)
    sample = Sample("a.png", np.zeros((2, 2, 3), np.uint8), {"part": parts}, {"scene": [7]})
    assert sample.labels("part") == {5, 6}
    assert sample.labels("scene") == {7}
    assert sample.labels("object") == set()
    names = ["", "", "", "", "", "leg", "arm", "harbour-s"]
    figure, drawn = dataset_samples(
        [sample], names, statistics(), statistics(), CONCEPTS, "1 of 3 is too large", "Labels"
    )
    shares = drawn[drawn["panel"] == "samples"]
    assert shares[["image", "category", "label", "value"]].to_numpy().tolist() == [
        ["a.png", "part", "leg", 0.5],
        ["a.png", "part", "arm", 0.25],
        ["a.png", "scene", "harbour-s", 1.0],
    ]
    numbers = drawn[(drawn["panel"] == "statistics") & (drawn["quantity"] == "labels")]
    assert numbers["value"].tolist() == [3, 0, 1, 0, 1, 2, 7]
    assert "harbour" in [text.get_text() for axes in figure.axes for text in axes.texts]
    assert "1 of 3 is too large" in [text.get_text() for text in figure.texts]
    assert drawn.set_index("quantity")["value"]["out_of_reach"] == 1


@pytest.mark.parametrize("present", [[], ["object"], ["object", "scene", "color"], CATEGORIES])
def test_categories_without_labels_have_no_column(present):
    table = statistics().assign(labels=[4 if c in present else 0 for c in CATEGORIES] + [4])
    maps = {c: np.ones((1, 2, 2), np.uint16) for c in present}
    sample = Sample("a.png", np.zeros((2, 2, 3), np.uint8), maps, {})
    figure, _ = dataset_samples(
        [sample] * 2, ["", "x"], table, statistics(), CONCEPTS, "", "Labels"
    )
    headings = [text.get_text() for text in figure.texts]
    assert [c for c in CATEGORIES if c in headings] == list(present)
    tiles = [axes for axes in figure.axes if not axes.get_title(loc="left")]
    assert len(tiles) == 2 * (1 + len(present))
    assert all(axes.get_position().x1 <= 1 for axes in tiles)


def test_data_set_without_samples_or_labels():
    none = statistics().assign(labels=0, mean_images=0.0, images=0)
    _, drawn = dataset_samples([], [""], none, none, CONCEPTS.head(0), "0 of 0", "Labels")
    assert (drawn["panel"] == "statistics").all()


# Units


LAYER = "conv5"


def unit_rows(*rows):
    """Marked units.csv: (unit, category, label, score, {category: (label, iou)} beside it)."""
    table = []
    for unit, category, label, score, others in rows:
        row = {"unit": unit, "category": category, "label": label, "score": score}
        for c in CATEGORIES:
            row[f"{c}-label"], row[f"{c}-iou"] = others.get(c, ("", 0.0))
        if category:
            row[f"{category}-label"], row[f"{category}-iou"] = label, score
        row |= {f"{c}-detects": row[f"{c}-iou"] > 0.04 for c in CATEGORIES}
        table.append(row)
    return pd.DataFrame(table)


def test_units_asked_for_come_first_then_the_best_of_each_category():
    units = unit_rows(
        (4, "part", "wheel", 0.3, {"object": ("car", 0.25), "material": ("metal", 0.05)}),
        (2, "object", "car", 0.2, {"material": ("metal", 0.1)}),
        (1, "object", "bed", 0.1, {}),
        (3, "object", "cow", 0.06, {"material": ("skin", 0.045)}),
        (5, "color", "red-c", 0.04, {}),  # at the threshold, not above it
        (6, "", "", 0.0, {}),
    )
    chosen = choose_units(units, [6, 1], 1, LAYER)
    assert chosen.to_numpy().tolist() == [
        [6, "", "", 0.0],
        [1, "bed", "object", 0.1],
        [2, "car", "object", 0.2],
        [4, "wheel", "part", 0.3],
        # No unit's best concept is a material: the best of those that are not shown yet.
        [3, "skin", "material", 0.045],
    ]
    none = units.assign(**{f"{c}-detects": False for c in CATEGORIES})
    assert choose_units(none, [], 3, LAYER).empty
    assert choose_units(none, [4], 3, LAYER)["label"].tolist() == ["wheel"]
    assert named_units(units, [1, 6, 1], LAYER)["unit"].tolist() == [1, 6]
    with pytest.raises(InputError, match=r"'conv5' has 6 units, .* there is no 9, 12\."):
        choose_units(units, [9, 2, 12], 1, LAYER)
    assert best_unit(units) == [2]
    assert best_unit(units[units["category"] != "object"]) == [4]
    assert best_unit(units.head(0)) == []


def shown_units(count):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (8, 8, 3), dtype=np.uint8) for _ in range(count)]
    maps = rng.random((count, 2, 2)) * 2
    names = [f"{i}.png" for i in range(count)]
    return UnitImages(7, "dining_room-s", "scene", 0.123, 1.0, names, images, maps)


def test_caption_is_in_the_words_of_the_slide():
    assert shown_units(1).caption("conv5") == "conv5 unit 7 dining room (scene) IoU=0.12"
    none = UnitImages(7, "", "", 0.0, 1.0, [], [], np.empty((0, 2, 2)))
    assert none.caption("conv5") == "conv5 unit 7 no concept IoU=0.00"


def test_unit_images_are_the_top_images_of_the_unit():
    top = TopImages(
        np.array([[0, 1], [1, 0]]), np.ones((2, 2)), np.arange(16.0).reshape(2, 2, 2, 2)
    )
    chosen = pd.DataFrame({"unit": [2], "label": "car", "category": "object", "iou": 0.2})
    images = np.arange(2)
    (shown,) = unit_images(chosen, top, np.array([1.0, 5.0]), ["a", "b"], images.__getitem__, 1)
    assert (shown.names, shown.images, shown.threshold) == (["b"], [1], 5.0)
    assert shown.maps.tolist() == [[[8, 9], [10, 11]]]


def test_area_of_the_binary_map_is_that_of_the_upsampled_map():
    shown = shown_units(2)
    _, drawn = unit_detectors([shown], GEOMETRY, "conv5", "A network")
    assert drawn["image"].tolist() == shown.names
    assert drawn["rank"].tolist() == [1, 2]
    for values, area in zip(shown.maps, drawn["area"], strict=True):
        fine = upsample(values, GEOMETRY, 480, 480) > 1
        assert area == pytest.approx(fine.mean(), abs=0.01)
    # A strict comparison: a map that is nowhere above T_k shows nothing.
    silent = replace(shown, threshold=float(shown.maps.max()))
    _, drawn = unit_detectors([silent], GEOMETRY, "conv5", "A network")
    assert drawn["area"].tolist() == [0.0, 0.0]


def test_no_units_and_units_without_images():
    _, drawn = unit_detectors([], GEOMETRY, "conv5", "A network")
    assert drawn.empty
    _, drawn = activation_maps(
        [], np.empty((0, 3)), np.empty((0, 4)), GEOMETRY, "conv5", 0.005, "A network"
    )
    assert drawn.empty
    _, drawn = unit_detectors([shown_units(0)], GEOMETRY, "conv5", "A network")
    assert drawn.empty


def test_names_are_text_and_no_formula():
    unit = replace(shown_units(1), label="a$_$b", category="object")
    edges = np.array([[0, 1, 2]], np.float32)
    figures = [
        unit_detectors([unit], GEOMETRY, "conv$_$5", title="$_$")[0],
        activation_maps([unit], np.array([[9, 1]]), edges, GEOMETRY, "conv$_$5", 0.005, "$_$")[0],
        detector_bars([Panel(bars_table({"$_$": [1]}), "Units")], title="$_$")[0],
    ]
    for figure in figures:
        figure.draw_without_rendering()  # a formula "_" would be an error


def test_distribution_is_drawn_as_the_table_says():
    counts, edges = np.array([[6, 3, 1, 0]]), np.array([[0, 0.5, 1, 1.5, 2]], np.float32)
    unit = shown_units(1)
    figure, drawn = activation_maps([unit], counts, edges, GEOMETRY, "conv5", 0.1, "A network")
    share = drawn[drawn["quantity"] == "share"]
    assert share["value"].tolist() == [0.6, 0.3, 0.1, 0.0]
    assert share["low"].tolist() == edges[0, :-1].tolist()
    steps = next(a for a in figure.axes if a.get_xlabel().startswith("activation")).patches[0]
    assert steps.get_data().values.tolist() == share["value"].tolist()
    values = drawn[drawn["quantity"] == "activation"]
    assert values["value"].tolist() == unit.maps[0].ravel().tolist()
    assert values[["row", "column"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert drawn[drawn["quantity"] == "threshold"]["value"].tolist() == [1.0]


@pytest.mark.parametrize(("shift", "above"), [(-9.0, "top 10 %"), (0.0, "top 10 %"), (-9.0, "")])
def test_distribution_of_negative_activations(shift, above):
    """All is drawn as of activations above 0, so much further to the left."""
    unit = shown_units(1)
    threshold = 1.0 if above else float(unit.maps[0].max())
    unit = replace(unit, maps=unit.maps + shift, threshold=threshold + shift)
    edges = np.array([[0, 0.5, 1, 1.5, 2]], np.float32) + shift
    figure, _ = activation_maps([unit], np.array([[6, 3, 1, 0]]), edges, GEOMETRY, "", 0.1, "")
    axes = next(a for a in figure.axes if a.get_xlabel().startswith("activation"))
    assert axes.get_xlim() == (shift, 2 + shift)
    assert axes.lines[0].get_xdata() == [threshold + shift] * 2
    assert axes.texts[0].get_text().split("\n")[1] == (above or "never exceeded")
    (shown,) = figure.axes[1].images
    low, high = shown.get_clim()
    assert low <= threshold + shift <= high
    assert low <= unit.maps[0].min() < unit.maps[0].max() == high


def test_dead_unit_is_drawn():
    dead = UnitImages(
        1, "", "", 0.0, 0.0, ["a"], [np.zeros((8, 8, 3), np.uint8)], np.zeros((1, 2, 2))
    )
    edges = np.array([[0, 0.5, 1]], np.float32)
    _, drawn = activation_maps(
        [dead], np.array([[9, 0]]), edges, GEOMETRY, "conv5", 0.005, "A network"
    )
    assert drawn[drawn["quantity"] == "area"]["value"].tolist() == [0.0]


# Files


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    written = []
    for folder in ("a", "b"):
        files = [tmp_path / folder / f"bars.{kind}" for kind in ("pdf", "png", "csv")]
        figure, drawn = detector_bars(
            [Panel(bars_table({"α": [1, 0, 0, 0, 0, 2]}), "Units")], "Detectors"
        )
        save(figure, files[0], files[1], drawn, files[2])
        written.append([file.read_bytes() for file in files])
        assert sorted(p.name for p in files[0].parent.iterdir()) == [
            "bars.csv",
            "bars.pdf",
            "bars.png",
        ]
    assert written[0] == written[1]
    pdf, png, _ = written[0]
    assert pdf.startswith(b"%PDF")
    assert b"CreationDate" not in pdf
    assert png.startswith(b"\x89PNG")
    with Image.open(files[1]) as image:
        assert image.width == round(7.2 * 300)
    pd.testing.assert_frame_equal(
        pd.read_csv(
            files[2], keep_default_na=False, na_values={"low": "", "high": "", "chance": ""}
        ),
        drawn,
        check_dtype=False,
    )


# The scripts, on a data set of four images


def draw_dataset(folder):
    """A data set in Broden format: two objects, a scene, a texture, two colours."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for i in range(4):
        pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"images/{i}.png")
        cells = {"object": "", "part": "", "material": "", "scene": "", "texture": ""}
        for category, labels in (("object", (1, 2)), ("color", (5, 6))):
            code = np.zeros((8, 8, 3), np.uint8)
            code[:4, :, 0], code[4:, :, 0] = labels
            cells[category] = f"{i}_{category}.png"
            Image.fromarray(code).save(folder / "images" / cells[category])
        cells["scene" if i < 3 else "texture"] = "3" if i < 3 else "4"
        rows.append(
            {"image": f"{i}.png", "split": "train", "ih": 8, "iw": 8, "sh": 8, "sw": 8} | cells
        )
    pd.DataFrame(rows).to_csv(folder / "index.csv", index=False)
    names = ["car", "sky", "street-s", "dotted", "red-c", "blue-c"]
    categories = ["object", "object", "scene", "texture", "color", "color"]
    label = pd.DataFrame({"number": range(1, 7), "name": names, "category": categories})
    label.to_csv(folder / "label.csv", index=False)
    pd.DataFrame({"name": CATEGORIES}).to_csv(folder / "category.csv", index=False)
    for category in CATEGORIES:
        own = label[label["category"] == category].assign(code=0, frequency=4, coverage=2.0)
        own.to_csv(folder / f"c_{category}.csv", index=False)


def run_script(name, folder, files, **params):
    """Run a script as Snakemake does; return the CSV that it writes."""
    output = SimpleNamespace(**{kind: folder / f"{name}.{kind}" for kind in ("pdf", "png", "csv")})
    job = SimpleNamespace(
        input=SimpleNamespace(**files),
        output=output,
        params=SimpleNamespace(categories=[], **params),
        log=[str(folder / f"{name}.log")],
    )
    script = ROOT / f"scripts/{name}.py"
    runpy.run_path(str(script), init_globals={"snakemake": job}, run_name="__main__")
    assert output.pdf.stat().st_size > 1000
    assert output.png.stat().st_size > 1000
    return pd.read_csv(output.csv, keep_default_na=False)


@pytest.fixture(scope="module")
def layer(tmp_path_factory):
    """The files of a dissected layer of three units."""
    folder = tmp_path_factory.mktemp("layer")
    draw_dataset(folder / "dataset")
    unit_rows(
        (2, "object", "car", 0.5, {"color": ("red-c", 0.1)}),
        (3, "scene", "street-s", 0.05, {}),
        (1, "", "", 0.0, {}),
    ).to_csv(folder / "units.csv", index=False)
    np.save(folder / "thresholds.npy", np.array([0.0, 1.0, 1.0], np.float32))
    maps = np.random.default_rng(1).random((3, 4, 2, 2), np.float32) * 2
    images = np.array([[0, 1, 2, 3], [3, 1, 2, 0], [2, 1, 0, 3]])
    TopImages(images, maps.max((2, 3)), maps).save(folder / "top_images.npz")
    edges = np.tile(np.linspace(0, 2, 9, dtype=np.float32), (3, 1))
    np.savez(folder / "histograms.npz", counts=np.ones((3, 8), np.int64), edges=edges)
    (folder / "geometry.json").write_text(json.dumps(GEOMETRY.to_json()))
    files = {p.stem: p for p in folder.iterdir()}
    return folder, files


def test_slide04_script(layer):
    folder, files = layer
    CONCEPTS.to_csv(folder / "concepts.csv", index=False)
    files = {
        "dataset": files["dataset"],
        "published": PUBLISHED / "broden.csv",
        "concepts": folder / "concepts.csv",
    }
    table = run_script(
        "slide04_broden", folder, files, iou_threshold=0.04, missing=["dtd (texture)"]
    )
    shown = table[table["panel"] == "samples"]
    assert set(shown["category"]) == {"object", "scene", "texture", "color"}
    assert shown["image"].nunique() == 4
    labels = table[table["quantity"] == "labels"].set_index("category")
    assert labels["value"].astype(float).to_dict() == {
        "object": 2,
        "part": 0,
        "scene": 1,
        "material": 0,
        "texture": 1,
        "color": 2,
        "total": 6,
    }
    assert float(labels["published"]["part"]) == 234


def test_slide05_script(layer):
    folder, files = layer
    options = {"title": "AlexNet", "layer": "conv5", "quantile": 0.005}
    table = run_script("slide05_activation_map", folder, files, units=[3], **options)
    assert table["unit"].unique().tolist() == [3]
    assert table["image"].unique().tolist() == ["2.png"]  # the first of its top images
    threshold = table[table["quantity"] == "threshold"]["value"].astype(float)
    assert threshold.tolist() == [1.0]


def test_slide06_script(layer):
    folder, files = layer
    options = {"title": "AlexNet", "layer": "conv5", "iou_threshold": 0.04}
    table = run_script("slide06_unit_detectors", folder, files, units=[1], **options)
    assert table["unit"].unique().tolist() == [1, 2, 3]
    assert table[table["unit"] == 2]["image"].tolist() == ["3.png", "1.png", "2.png", "0.png"]
    assert table[table["unit"] == 2]["label"].unique().tolist() == ["car"]


# A table that is read without types makes others of these.
@pytest.mark.parametrize("name", ["1", "01", "TRUE", "NA", ""])
def test_a_concept_with_the_name_of_a_number_or_truth_value(layer, tmp_path, name):
    _, files = layer
    unit = (2, "object", name, 0.5, {}) if name else (2, "", "", 0.0, {})
    unit_rows(unit).to_csv(tmp_path / "units.csv", index=False)
    CONCEPTS.assign(name=name).to_csv(tmp_path / "concepts.csv", index=False)
    own = {file: tmp_path / f"{file}.csv" for file in ("units", "concepts")}
    files = files | own | {"published": PUBLISHED / "broden.csv"}
    options = {"title": "A", "layer": "b", "iou_threshold": 0.04, "quantile": 0.005, "units": [2],
               "missing": []}  # fmt: skip
    for script in ("slide04_broden", "slide05_activation_map", "slide06_unit_detectors"):
        run_script(script, tmp_path, files, **options)
    drawn = pd.read_csv(tmp_path / "slide06_unit_detectors.csv", dtype=str, keep_default_na=False)
    assert drawn["label"].unique().tolist() == [name]


def write_counts(folder, layers):
    """Write a detectors.csv for each layer, with the same counts by both rules."""
    paths = []
    for name, values in layers.items():
        counts = [*values, sum(values)]
        rule = pd.DataFrame({"category": [*CATEGORIES, "total"], "unique": counts})
        rule = rule.assign(unique_low=rule["unique"] / 2, unique_high=rule["unique"] * 2)
        both = [rule.assign(rule=r, chance_unique=1) for r in ("top_label", "per_category")]
        paths.append(folder / f"{name}.csv")
        pd.concat(both).to_csv(paths[-1], index=False)
    return {"detectors": paths, "published": PUBLISHED / "detectors.csv"}


def test_slide08_layers_script(tmp_path):
    layers = {"conv1": [0, 0, 0, 0, 0, 3], "conv2": [4, 1, 0, 0, 2, 1]}
    files = write_counts(tmp_path, layers)
    table = run_script("slide08_layers", tmp_path, files, title="AlexNet", layers=list(layers))
    for panel in ("Counted per category, as in the paper", "Counted once, by top label"):
        own = table[table["panel"] == panel]
        assert own["value"].astype(float).tolist() == [0, 0, 0, 0, 0, 3, 3, 4, 1, 0, 0, 2, 1, 8]
    published = table[table["panel"] == "As published"]
    assert published["bar"].unique().tolist() == ["AlexNet-Places205 conv5"]
    assert published["value"].astype(float).tolist() == [36, 8, 12, 1, 20, 2, 79]


def test_slide08_networks_script_shows_the_same_networks_as_published(tmp_path):
    # The third has the title of none that was published; the order is not the table's.
    titles = ["VGG-Places205", "AlexNet-Places365", "Mine", "AlexNet-ImageNet"]
    files = write_counts(tmp_path, {title: [i, 0, 0, 0, 0, 1] for i, title in enumerate(titles)})
    table = run_script("slide08_networks", tmp_path, files, titles=titles, shown=titles)
    assert table["panel"].unique().tolist() == ["This run", "Published (Bau et al. 2017)"]
    run, published = (table[table["panel"] == panel] for panel in table["panel"].unique())
    assert run["bar"].unique().tolist() == published["bar"].unique().tolist() == titles
    assert run[run["category"] == "object"]["value"].astype(float).tolist() == [0, 1, 2, 3]
    counts = pd.read_csv(PUBLISHED / "detectors.csv").set_index("title")
    for title in ("VGG-Places205", "AlexNet-Places365", "AlexNet-ImageNet"):
        own = published[published["bar"] == title].set_index("category")["value"].astype(float)
        expected = [counts.loc[title, f"unique_{category}"] for category in CATEGORIES]
        assert own[list(CATEGORIES)].tolist() == expected
        assert own["total"] == sum(expected)
    assert published[published["bar"] == "Mine"]["value"].unique().tolist() == [""]


def test_slide08_networks_script_names_what_could_not_be_had(tmp_path):
    files = write_counts(tmp_path, {"B": [1, 0, 0, 0, 0, 1], "VGG-Places205": [2] + [0] * 5})
    table = run_script(
        "slide08_networks",
        tmp_path,
        files,
        titles=["B", "VGG-Places205"],
        shown=["AlexNet-Places365", "B", "GoogLeNet", "VGG-Places205"],
    )
    totals = table[table["category"] == "total"].groupby("panel", sort=False)
    run, published = (rows.set_index("bar")["value"].to_dict() for _, rows in totals)
    assert list(run) == list(published) == ["AlexNet-Places365", "B", "GoogLeNet", "VGG-Places205"]
    assert list(run.values()) == ["", "2.0", "", "2.0"]
    assert list(published.values()) == ["91.0", "", "", "209.0"]


def test_a_bar_that_is_not_known_says_why():
    known = bars_table({"A": [1, 2, 0, 0, 0, 0]})
    panel = Panel(with_bars(known, ["B", "A"]), "Detectors", unknown="could not be had")
    figure, drawn = detector_bars([panel], "", horizontal=True)
    said = [text.get_text() for text in figure.axes[0].texts if text.get_gid() == "count"]
    assert "could not be had" in said
    assert drawn["bar"].unique().tolist() == ["B", "A"]
    same = with_bars(known, ["A"])
    pd.testing.assert_frame_equal(same, known)


def test_slide08_networks_script_shows_figure_7_beside_other_networks(tmp_path):
    files = write_counts(tmp_path, {"Small": [1, 0, 0, 0, 0, 1]})
    table = run_script("slide08_networks", tmp_path, files, titles=["Small"], shown=["Small"])
    published = table[table["panel"] == "Published (Bau et al. 2017)"]
    totals = published[published["category"] == "total"].set_index("bar")["value"].astype(float)
    assert totals["AlexNet-Places205"] == 79
    # From the paper's most interpretable network to random weights.
    assert totals.index[0] == "ResNet152-Places365"
    assert totals.index[-1] == "AlexNet-random"
