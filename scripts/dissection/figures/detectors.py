"""Bars of detectors by category, for layers, networks or training conditions."""

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerLine2D
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from dissection.categories import CATEGORIES, CATEGORY_COLORS
from dissection.figures.panels import COLUMNS, Panel, complete
from dissection.figures.style import (
    FAINT,
    INK,
    SLIDE,
    SMALL,
    TITLE,
    TOTAL_COLOR,
    readable_on,
    spread,
    styled,
    swatch_label,
)

BAR = 0.66  # thickness of a stacked bar, in steps between bars
CLUSTER = 0.8  # thickness of a group of bars
WHISKER = {
    "color": INK,
    "linewidth": 0.8,
    "markersize": 3.5,
    "markeredgewidth": 0.8,
    "clip_on": False,
}


@styled
def detector_bars(
    panels: Sequence[Panel],
    *,
    title: str = "",
    horizontal: bool = False,
    grouped: bool = False,
    width: float = SLIDE,
) -> tuple[Figure, pd.DataFrame]:
    """Draw detectors by category as bars, in one panel or several side by side.

    Stacked bars have the interval of the total as a whisker on one side and the count at chance
    as a triangle on the other, where they hide no number; grouped bars have both on every bar.

    Parameters
    ----------
    panels : sequence of Panel
        At least one.
    title : str
    horizontal : bool
        Bars from left to right, for many of them or for long names.
    grouped : bool
        Categories side by side, with the total beside them, instead of stacked. Needed where the
        categories do not add up to the total: by the per-category rule a unit can count in several.
    width : float
        Of the figure, in inches.

    Returns
    -------
    figure : Figure
    drawn : DataFrame
        Columns ``panel``, ``bar``, ``category``, ``value``, ``low``, ``high``, ``chance``.

    Raises
    ------
    ValueError
        For a category of another name, or stacked bars whose categories do not add up.
    """
    tables = [complete(panel.table, grouped) for panel in panels]
    names = [list(dict.fromkeys(table["bar"])) for table in tables]
    counts = [max(len(bars), 1) for bars in names]
    if horizontal:
        per_bar = 0.75 if grouped else 0.25
        figure = Figure((width, per_bar * max(counts) + 0.9), layout="constrained")
        ratios = [1.0] * len(panels)
    else:
        figure = Figure((width, 2.7), layout="constrained")
        ratios = [count + 0.6 for count in counts]
    figure.get_layout_engine().set(w_pad=5 / 72)
    axes = figure.subplots(1, len(panels), squeeze=False, width_ratios=ratios)[0]

    for index, (panel, table, bars) in enumerate(zip(panels, tables, names, strict=True)):
        same = [t for p, t in zip(panels, tables, strict=True) if p.label == panel.label]
        one = axes[index]
        _draw(one, table, bars, horizontal, grouped)
        _scale(one, max(_longest(t, grouped) for t in same), horizontal)
        one.set_title(panel.heading, loc="left")
        repeated = index > 0 and panels[index - 1].label == panel.label
        if horizontal:
            one.set_xlabel(panel.label)
            hide = index > 0 and names[index - 1] == bars
            one.set_yticks(range(len(bars)), [] if hide else bars)
            one.set_ylim(max(len(bars), 1) - 0.4, -0.6)
            one.tick_params(axis="y", length=0)
        else:
            one.set_ylabel("" if repeated else panel.label)
            room = width / sum(counts) * 72 / 4.2
            wrapped = [textwrap.fill(b, max(int(room), 5)) for b in bars]
            one.set_xticks(range(len(bars)), wrapped)
            one.set_xlim(-0.6, max(len(bars), 1) - 0.4)
            one.tick_params(axis="x", length=0)
    _explain(figure, tables, title, horizontal, grouped)
    if not grouped:
        figure.draw_without_rendering()  # sizes are known only once the figure is laid out
        for one, table, bars in zip(axes, tables, names, strict=True):
            _print_counts(one, table, bars, horizontal)
        if not horizontal and names[-1]:
            _name_segments(axes[-1], tables[-1], names[-1])
    drawn = pd.concat(
        [table.assign(panel=p.heading) for p, table in zip(panels, tables, strict=True)],
        ignore_index=True,
    )
    return figure, drawn[["panel", *COLUMNS]]


def _draw(
    axes: Axes, table: pd.DataFrame, bars: list[str], horizontal: bool, grouped: bool
) -> None:
    if not bars:
        axes.text(0.5, 0.5, "nothing to show", ha="center", va="center", transform=axes.transAxes)
    for position, bar in enumerate(bars):
        own = table[table["bar"] == bar].set_index("category").astype({"value": float})
        if own["value"].isna().all():
            _number(axes, horizontal, position, np.nan, 0, bold=False)
        elif grouped:
            thickness = CLUSTER / (len(CATEGORIES) + 1)
            for step, category in enumerate(["total", *CATEGORIES]):
                place = position - CLUSTER / 2 + (step + 0.5) * thickness
                color = CATEGORY_COLORS.get(category, TOTAL_COLOR)
                row = own.loc[category]
                _bar(axes, horizontal, place, row["value"], 0, thickness * 0.9, color)
                _mark(axes, horizontal, row, place, place, _chance_style(horizontal, grouped))
                end = np.nanmax(row[["value", "high", "chance"]].astype(float))
                _number(axes, horizontal, place, row["value"], end, bold=category == "total")
        else:
            start = 0.0
            for category in CATEGORIES:
                length = own.loc[category, "value"]
                _bar(axes, horizontal, position, length, start, BAR, CATEGORY_COLORS[category])
                start += length
            row = own.loc["total"]
            side = 1 if horizontal else -1  # below a horizontal bar, left of a vertical one
            beside = side * (BAR / 2 + 0.08)
            style = _chance_style(horizontal, grouped)
            _mark(axes, horizontal, row, position + beside, position - beside, style)
            _number(axes, horizontal, position, row["value"], row["value"], bold=True)


def _bar(
    axes: Axes,
    horizontal: bool,
    position: float,
    length: float,
    start: float,
    thickness: float,
    color: str,
) -> None:
    options = {"color": color, "edgecolor": "white", "linewidth": 0.4}
    if horizontal:
        axes.barh(position, length, thickness, left=start, **options)
    else:
        axes.bar(position, length, thickness, bottom=start, **options)


def _chance_style(horizontal: bool, grouped: bool) -> dict[str, object]:
    """A triangle that points at a stacked bar, a line across a grouped one."""
    marker = ("|" if horizontal else "_") if grouped else ("v" if horizontal else "<")
    return {
        "marker": marker,
        "markersize": 5.0 if grouped else 3.5,
        "markeredgewidth": 1.6 if grouped else 0.0,
        "color": INK,
        "linestyle": "none",
        "clip_on": False,
    }


def _mark(
    axes: Axes,
    horizontal: bool,
    row: pd.Series,
    whisker: float,
    chance: float,
    chance_style: dict[str, object],
) -> None:
    """The interval and the level of chance, each at its place across the bar."""
    if np.isfinite(row["low"]) and np.isfinite(row["high"]):
        along, across = [row["low"], row["high"]], [whisker, whisker]
        line = (along, across) if horizontal else (across, along)
        axes.plot(*line, marker="|" if horizontal else "_", **WHISKER, gid="interval")
    if np.isfinite(row["chance"]):
        along, across = [row["chance"]], [chance]
        line = (along, across) if horizontal else (across, along)
        axes.plot(*line, **chance_style, gid="chance")


def _number(
    axes: Axes, horizontal: bool, position: float, value: float, end: float, bold: bool
) -> None:
    """The count, just beyond the bar's end; a dash if it is not known."""
    axes.annotate(
        "–" if np.isnan(value) else f"{value:g}",
        (end, position) if horizontal else (position, end),
        xytext=(3, 1) if horizontal else (0, 2.5),
        textcoords="offset points",
        ha="left" if horizontal else "center",
        va="center_baseline" if horizontal else "bottom",
        fontsize=7 if bold else SMALL,
        fontweight="bold" if bold else "normal",
        annotation_clip=False,
        gid="total" if bold else "count",
    )


def _longest(table: pd.DataFrame, grouped: bool) -> float:
    rows = table if grouped else table[table["category"] == "total"]
    values = rows[["value", "low", "high", "chance"]].to_numpy(dtype=float)
    return float(np.nanmax(values, initial=0.0))


def _scale(axes: Axes, longest: float, horizontal: bool) -> None:
    limits = (0, max(longest * 1.12, 1))
    axis = axes.xaxis if horizontal else axes.yaxis
    (axes.set_xlim if horizontal else axes.set_ylim)(*limits)
    axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True))
    axes.grid(axis="x" if horizontal else "y")


def _explain(
    figure: Figure, tables: list[pd.DataFrame], title: str, horizontal: bool, grouped: bool
) -> None:
    """The title, the categories' colours where bars cannot carry the names, and the marks."""
    if horizontal or grouped:
        colors = {"total": TOTAL_COLOR, **CATEGORY_COLORS} if grouped else CATEGORY_COLORS
        figure.legend(
            handles=[Patch(color=color, label=name) for name, color in colors.items()],
            title=title,
            title_fontsize=TITLE,
            alignment="left",
            loc="outside upper left",
            ncols=len(colors),
            frameon=False,
            borderpad=0,
            handlelength=0.9,
            handletextpad=0.4,
            columnspacing=1.0,
        )
    elif title:
        figure.suptitle(title, fontsize=TITLE, x=0.01, ha="left")
    marks = {}  # what stands in the legend, and how: a whisker shows both of its ends
    if any(table["high"].notna().any() for table in tables):
        label = "95 % interval (bootstrap)"
        marks[Line2D([], [], marker="|", **WHISKER, label=label)] = HandlerLine2D(numpoints=2)
    if any(table["chance"].notna().any() for table in tables):
        label = "at chance (images and labels paired at random)"
        line = Line2D([], [], **_chance_style(horizontal, grouped), label=label)
        marks[line] = HandlerLine2D(numpoints=1)
    if marks:
        figure.legend(
            handles=list(marks),
            loc="outside lower left",
            ncols=len(marks) if figure.get_figwidth() > 5 else 1,
            handler_map=marks,
            frameon=False,
            borderpad=0,
            handlelength=1.6,
        )


def _print_counts(axes: Axes, table: pd.DataFrame, bars: list[str], horizontal: bool) -> None:
    """The count of a category inside its segment, where it fits."""
    box = axes.get_window_extent()
    pixels, span = (box.width, axes.get_xlim()) if horizontal else (box.height, axes.get_ylim())
    points = pixels / axes.figure.dpi * 72 / (span[1] - span[0])
    for position, bar in enumerate(bars):
        own = table[table["bar"] == bar].set_index("category")["value"].astype(float)
        start = 0.0
        for category in CATEGORIES:
            length, text = own[category], f"{own[category]:g}"
            need = 0.68 * SMALL * len(text) if horizontal else 0.85 * SMALL
            if length > 0 and length * points >= need:
                middle = start + length / 2
                axes.text(
                    *((middle, position) if horizontal else (position, middle)),
                    text,
                    ha="center",
                    va="center_baseline",
                    fontsize=SMALL,
                    color=readable_on(CATEGORY_COLORS[category]),
                    gid="count",
                )
            start += length


def _name_segments(axes: Axes, table: pd.DataFrame, bars: list[str]) -> None:
    """Write the categories' names to the right of the last bar, each at its segment."""
    last = table[table["bar"] == bars[-1]].set_index("category")["value"].astype(float).fillna(0)
    lengths = last[list(CATEGORIES)].to_numpy()
    middles = np.cumsum(lengths) - lengths / 2
    low, high = axes.get_ylim()
    points = axes.get_window_extent().height / axes.figure.dpi * 72
    gap = 9.5 / points * (high - low)
    places = spread(middles, gap, low + gap / 2, high - gap / 2)
    for category, middle, place in zip(CATEGORIES, middles, places, strict=True):
        if last[category] > 0:
            axes.plot(
                [len(bars) - 1 + BAR / 2, len(bars) - 0.4],
                [middle, place],
                color=FAINT,
                linewidth=0.5,
                clip_on=False,
            )
        swatch_label(axes, 1.0, place, category, CATEGORY_COLORS[category], offset=2)
