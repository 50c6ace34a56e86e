"""Curves of detectors by category, over a rotation or over training."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

from dissection.categories import CATEGORY_COLORS
from dissection.figures.style import (
    FAINT,
    INK,
    SLIDE,
    SMALL,
    TITLE,
    spread,
    styled,
    swatch_label,
    text_width,
)

WIDTH = SLIDE * 0.7  # inches
BELOW = [INK, "#8A8A8A", "#4477AA"]  # colours of the curves that are no categories


@styled
def category_curves(
    x: str,
    table: pd.DataFrame,
    below: Mapping[str, str],
    *,
    x_label: str,
    title: str,
    log: bool = False,
    reference: tuple[float, float, str] | None = None,
) -> tuple[Figure, pd.DataFrame]:
    """Draw unique detectors by category, and their total, over one quantity; accuracies below.

    Where rows share x and category (several seeds), a curve is their mean and a band goes from
    the least to the greatest.

    Parameters
    ----------
    x : str
        Column of the horizontal axis, numbers of at least 0 (such as "alpha" or "iteration").
    table : DataFrame
        Columns x, ``category`` (six and "total"; those that are missing are not drawn), ``unique``.
    below : mapping from a name to a column
        Accuracies, curves of the second panel; taken from the rows of the total. A column
        without any value, like the accuracy of a network without classes of ours, is left out,
        which the panel says; without any accuracy there is no second panel.
    x_label, title : str
    log : bool
        Logarithmic horizontal axis; 0 has a place of its own to the left.
    reference : (float, float, str), optional
        A point to compare the total with, x and value, and what it is; drawn as a ring.

    Returns
    -------
    figure : Figure
    drawn : DataFrame
        Columns ``series`` (a category, "total" or a name of ``below``), x, ``mean``, ``least``,
        ``greatest``, ``runs`` (0 for the reference).

    Raises
    ------
    ValueError
        For a category of another name.
    """
    detectors, accuracies = _series(x, table, below)
    colors = {**_line_colors(), **dict(zip(below, BELOW, strict=False))}
    figure = Figure((WIDTH, 3.6), layout="constrained")
    if accuracies:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1.0])
        _accuracies(
            lower, accuracies, colors, x, [name for name in below if name not in accuracies]
        )
    else:
        upper = lower = figure.subplots()
    _curves(upper, detectors, colors, x)
    if reference:
        place, level, name = reference
        point = {x: [place], "mean": [level], "least": [level], "greatest": [level], "runs": [0]}
        detectors[name], colors[name] = pd.DataFrame(point), FAINT
        ring = {"marker": "o", "markersize": 5, "markerfacecolor": "white", "clip_on": False}
        upper.plot(place, level, **ring, color=FAINT, markeredgewidth=1.4, zorder=5, gid=name)
    upper.set_ylabel("Unique detectors")
    upper.set_ylim(0, _greatest(detectors, 1) * 1.08)
    upper.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True))
    values = np.unique(table[x].to_numpy(float))
    lower.set_xlabel(x_label)
    _horizontal_axis(lower, values, log)
    figure.suptitle(title, fontsize=TITLE, x=0.01, ha="left")
    figure.draw_without_rendering()  # sizes are known only once the figure is laid out
    _name_curves(upper, detectors, colors)
    _name_curves(lower, accuracies, colors)
    if log:
        figure.draw_without_rendering()  # the names took some of the width
        _name_values(lower, values)
    return figure, _drawn(x, {**detectors, **accuracies})


Curves = dict[str, pd.DataFrame]  # by name: x, mean, least, greatest, runs


def _line_colors() -> dict[str, str]:
    return {"total": INK, **CATEGORY_COLORS}


def _series(x: str, table: pd.DataFrame, below: Mapping[str, str]) -> tuple[Curves, Curves]:
    """The curves of detectors, by category, and those of the accuracies that there are."""
    series = _line_colors()
    unknown = set(table["category"]) - set(series)
    if unknown:
        raise ValueError(f"unknown categories: {sorted(unknown)}")
    own = {category: table[table["category"] == category] for category in series}
    detectors = {c: _summary(rows, x, "unique") for c, rows in own.items() if len(rows)}
    accuracies = {
        name: _summary(own["total"], x, column)
        for name, column in below.items()
        if own["total"][column].notna().any()
    }
    return detectors, accuracies


def _accuracies(
    lower: Axes, accuracies: Curves, colors: Mapping[str, str], x: str, unknown: list[str]
) -> None:
    """The second panel; it says which accuracies are not known."""
    _curves(lower, accuracies, colors, x)
    lower.set_ylabel("Accuracy")
    lower.set_ylim(0, _greatest(accuracies, 0.1) * 1.15)
    lower.yaxis.set_major_locator(MaxNLocator(nbins=4))
    if unknown:
        text = f"not measured: {', '.join(unknown)}"
        place = {"ha": "left", "va": "bottom", "transform": lower.transAxes}
        lower.text(0.01, 0.04, text, fontsize=SMALL, color=FAINT, gid="unknown", **place)


def _greatest(curves: Curves, least: float) -> float:
    return max([*(curve["greatest"].max() for curve in curves.values()), least])


def _drawn(x: str, curves: Curves) -> pd.DataFrame:
    """All curves, and a reference, in one table."""
    tables = [curve.assign(series=name) for name, curve in curves.items()]
    columns = ["series", x, "mean", "least", "greatest", "runs"]
    drawn = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    return drawn[columns]


def _summary(rows: pd.DataFrame, x: str, column: str) -> pd.DataFrame:
    """Mean, least and greatest of the rows of each x, rows without a value left out."""
    grouped = rows.dropna(subset=[column]).groupby(x, sort=True)[column]
    return grouped.agg(mean="mean", least="min", greatest="max", runs="count").reset_index()


def _curves(
    axes: Axes, curves: Mapping[str, pd.DataFrame], colors: Mapping[str, str], x: str
) -> None:
    axes.grid(axis="y")
    # The total last, so that it lies on top.
    for name, curve in reversed(curves.items()):
        strong = name == "total"
        if (curve["runs"] > 1).any():
            axes.fill_between(
                curve[x],
                curve["least"],
                curve["greatest"],
                color=colors[name],
                alpha=0.18,
                linewidth=0,
            )
        axes.plot(
            curve[x],
            curve["mean"],
            color=colors[name],
            linewidth=1.8 if strong else 1.3,
            marker="o",
            markersize=3.2 if strong else 2.6,
            markeredgecolor="white",
            markeredgewidth=0.4,
            clip_on=False,
            gid=name,
        )


def _horizontal_axis(axes: Axes, values: np.ndarray, log: bool) -> None:
    positive = values[values > 0]
    if log and len(positive):
        # Linear only between 0 and the first positive value.
        axes.set_xscale("symlog", linthresh=positive[0], linscale=0.5)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(values[0], values[-1])
    elif len(values) > 1:
        axes.set_xlim(values[0], values[-1])


def _name_values(axes: Axes, values: np.ndarray) -> None:
    """A tick at every value of a logarithmic axis, a number at those that have room for one."""
    places = axes.transData.transform(np.column_stack([values, np.zeros(len(values))]))[:, 0]
    points = places / axes.figure.dpi * 72
    labels, free = [], np.inf
    for place, value in zip(points[::-1], values[::-1], strict=True):
        text = _short(value)
        half = text_width(text, 6.5) / 2
        labels.append(text if place + half < free else "")
        free = place - half - 4 if place + half < free else free
    axes.xaxis.set_major_locator(FixedLocator(values))
    axes.xaxis.set_major_formatter(FixedFormatter(labels[::-1]))


def _short(number: float) -> str:
    """1024 stays, 300,000 becomes 300k."""
    for size, letter in ((1e6, "M"), (1e4, "k")):
        if number >= size:
            return f"{number / (1e3 if letter == 'k' else size):.3g}{letter}"
    return f"{number:g}"


def _name_curves(axes: Axes, curves: Mapping[str, pd.DataFrame], colors: Mapping[str, str]) -> None:
    """Write each curve's name at its right end."""
    named = {name: curve for name, curve in curves.items() if len(curve)}
    ends = np.array([curve["mean"].iloc[-1] for curve in named.values()])
    low, high = axes.get_ylim()
    points = axes.get_window_extent().height / axes.figure.dpi * 72
    gap = 8.5 / points * (high - low)
    # Equal ends: in the reverse order of the categories, as these are stacked elsewhere.
    places = spread(ends[::-1], gap, low + gap / 3, high)[::-1]
    for (name, curve), place in zip(named.items(), places, strict=True):
        is_reference = (curve["runs"] == 0).all()
        mark = "\N{WHITE CIRCLE}" if is_reference else "\N{BLACK SQUARE}"
        swatch_label(axes, 1.0, place, name, colors[name], offset=5, mark=mark)
