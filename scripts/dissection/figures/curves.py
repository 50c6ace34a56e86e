"""Curves of detectors by category, over a rotation or over training."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

from dissection.categories import CATEGORY_COLORS
from dissection.figures.style import (
    COLUMN,
    FAINT,
    INK,
    TITLE,
    spread,
    styled,
    swatch_label,
    text_width,
)

SERIES = {"total": INK, **CATEGORY_COLORS}
BELOW = [INK, "#8A8A8A", "#4477AA"]  # colours of the curves that are no categories


@styled
def category_curves(
    x: str,
    table: pd.DataFrame,
    value: str = "unique",
    *,
    x_label: str,
    label: str = "Unique detectors",
    title: str = "",
    log: bool = False,
    below: Mapping[str, str] | None = None,
    below_label: str = "Accuracy",
    below_from_zero: bool = True,
    reference: tuple[float, float, str] | None = None,
    width: float = COLUMN,
) -> tuple[Figure, pd.DataFrame]:
    """Draw detectors by category, and their total, over one quantity.

    Where rows share x and category (several seeds), a curve is their mean and a band goes from
    the least to the greatest.

    Parameters
    ----------
    x : str
        Column of the horizontal axis, numbers of at least 0 (such as "alpha" or "iteration").
    table : DataFrame
        Columns x, ``category`` (six and "total"; those that are missing are not drawn), value.
    value : str
        Column that is drawn.
    x_label, label, title : str
    log : bool
        Logarithmic horizontal axis; 0 has a place of its own to the left.
    below : mapping from a name to a column, optional
        Curves in a second panel, such as accuracies; taken from the rows of the total. A column
        without any value, like the accuracy of a network without classes of ours, is left out.
    below_label : str
    below_from_zero : bool
        Whether the second panel's axis starts at 0.
    reference : (float, float, str), optional
        A point to compare the total with, x and value, and what it is; drawn as a ring.
    width : float
        Of the figure, in inches.

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
    unknown = set(table["category"]) - set(SERIES)
    if unknown:
        raise ValueError(f"unknown categories: {sorted(unknown)}")
    below = below or {}
    upper = {
        category: _summary(table[table["category"] == category], x, value)
        for category in SERIES
        if (table["category"] == category).any()
    }
    totals = table[table["category"] == "total"]
    lower = {
        name: _summary(totals, x, column)
        for name, column in below.items()
        if totals[column].notna().any()
    }

    figure = Figure((width, 3.6 if below else 2.5), layout="constrained")
    rows = 2 if below else 1
    axes = figure.subplots(
        rows, 1, sharex=True, squeeze=False, height_ratios=[2.2, 1.0][:rows]
    ).ravel()
    _curves(axes[0], upper, SERIES, x)
    colors = dict(SERIES)
    if reference:
        place, level, name = reference
        point = {x: [place], "mean": [level], "least": [level], "greatest": [level], "runs": [0]}
        upper[name], colors[name] = pd.DataFrame(point), FAINT
        ring = {"marker": "o", "markersize": 5, "markerfacecolor": "white", "clip_on": False}
        axes[0].plot(place, level, **ring, color=FAINT, markeredgewidth=1.4, zorder=5, gid=name)
    axes[0].set_ylabel(label)
    axes[0].set_ylim(0, max([*(s["greatest"].max() for s in upper.values()), 1]) * 1.08)
    axes[0].yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True))
    colors |= zip(below, BELOW, strict=False)
    if below:
        _curves(axes[1], lower, colors, x)
        axes[1].set_ylabel(below_label)
        if below_from_zero:
            axes[1].set_ylim(0, max([*(s["greatest"].max() for s in lower.values()), 0.1]) * 1.15)
        axes[1].yaxis.set_major_locator(MaxNLocator(nbins=4))
    axes[-1].set_xlabel(x_label)
    _horizontal_axis(axes[-1], np.unique(table[x].to_numpy(float)), log)
    if title:
        figure.suptitle(title, fontsize=TITLE, x=0.01, ha="left")
    figure.draw_without_rendering()  # sizes are known only once the figure is laid out
    _name_curves(axes[0], upper, colors)
    if below:
        _name_curves(axes[1], lower, colors)
    if log:
        figure.draw_without_rendering()  # the names took some of the width
        _name_values(axes[-1], np.unique(table[x].to_numpy(float)))
    tables = [s.assign(series=name) for name, s in [*upper.items(), *lower.items()]]
    columns = ["series", x, "mean", "least", "greatest", "runs"]
    drawn = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    return figure, drawn[columns]


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
