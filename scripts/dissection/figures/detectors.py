"""Bars of detectors by category, for layers, networks or training conditions."""

import itertools
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
    readable_on,
    spread,
    styled,
    swatch_label,
    text_width,
)

LONGEST_NAME = 40  # characters, beside a bar
MOST_LINES = 4  # of a name below a bar
BAR = 0.66  # thickness of a stacked bar, in steps between bars
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
    title: str,
    *,
    horizontal: bool = False,
    seeds: bool = False,
) -> tuple[Figure, pd.DataFrame]:
    """Draw detectors by category as stacked bars, in one panel or several side by side.

    A bar has the interval of the total as a whisker on one side and the count at chance as a
    triangle on the other, where they hide no number.

    Parameters
    ----------
    panels : sequence of Panel
        At least one.
    title : str
    horizontal : bool
        Bars from left to right. So are they, too, where their names would not fit below upright
        ones; very long names are then shortened in the middle.
    seeds : bool
        Whether some bars are means over networks, with the interval of the mean.

    Returns
    -------
    figure : Figure
    drawn : DataFrame
        Columns ``panel``, ``bar``, ``category``, ``value``, ``low``, ``high``, ``chance``.

    Raises
    ------
    ValueError
        For a category of another name, or a bar whose categories do not add up to its total, as
        those of units do not where a unit can count in several.
    """
    tables = [complete(panel.table) for panel in panels]
    names = [list(dict.fromkeys(table["bar"])) for table in tables]
    counts = [max(len(bars), 1) for bars in names]
    room = SLIDE / sum(counts) * 72  # points below an upright bar
    turned = not horizontal and not all(_fits(bar, room) for bars in names for bar in bars)
    horizontal = horizontal or turned
    headings = [_heading(panel.heading, len(panels), horizontal) for panel in panels]
    lines = max(heading.count("\n") for heading in headings)
    height = 0.25 * max(counts) + 0.9 + 0.13 * lines if horizontal else 2.7
    figure = Figure((SLIDE, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=5 / 72)
    ratios = [1.0 if horizontal else count + 0.6 for count in counts]
    axes = figure.subplots(1, len(panels), squeeze=False, width_ratios=ratios)[0]

    for index, (panel, table, bars) in enumerate(zip(panels, tables, names, strict=True)):
        same = [t for p, t in zip(panels, tables, strict=True) if p.label == panel.label]
        one = axes[index]
        _draw(one, table, bars, horizontal, panel.unknown)
        _scale(one, max(map(_longest, same)), horizontal)
        one.set_title(headings[index], loc="left")
        if horizontal:
            one.set_xlabel(panel.label)
            hide = index > 0 and names[index - 1] == bars
            one.set_yticks(range(len(bars)), [] if hide else shortened(bars))
            one.set_ylim((max(counts) if turned else max(len(bars), 1)) - 0.4, -0.6)
            one.tick_params(axis="y", length=0)
        else:
            repeated = index > 0 and panels[index - 1].label == panel.label
            one.set_ylabel("" if repeated else panel.label)
            one.set_xticks(range(len(bars)), ["\n".join(_lines(bar, room)) for bar in bars])
            one.set_xlim(-0.6, max(len(bars), 1) - 0.4)
            one.tick_params(axis="x", length=0)
    _explain(figure, tables, title, horizontal, seeds)
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


def shortened(names: Sequence[str], most: int = LONGEST_NAME) -> list[str]:
    """Leave out the middle of names of more characters than these.

    Names that become equal that way are shown around where they differ instead.

    Examples
    --------
    >>> shortened(["features.denseblock4.denselayer32.conv2", "conv1"], 20)
    ['features.d…r32.conv2', 'conv1']
    >>> shortened(["the middle A of it", "the middle B of it"], 9)
    ['…le A of…', '…le B of…']
    """
    cut = {name: _without_middle(name, most) for name in names}
    for short in set(cut.values()):
        alike = [name for name in cut if cut[name] == short]
        if len(alike) > 1:
            cut |= _around_differences(alike, most)
    if len(set(cut.values())) < len(cut):
        return shortened(names, most + 5)
    return [cut[name] for name in names]


def _without_middle(name: str, most: int) -> str:
    if len(name) <= most:
        return name
    return f"{name[: most // 2]}…{name[len(name) - (most - most // 2 - 1) :]}"


def _around_differences(names: Sequence[str], most: int) -> dict[str, str]:
    """Names by where they begin and cease to differ, with as much around it as there is room."""
    begin = _alike(names)
    after = _alike([name[begin:][::-1] for name in names])
    room = most - 2 - max(len(name) - begin - after for name in names)
    first = max(0, begin - max(0, room - room // 2))
    found = {}
    for name in names:
        last = min(len(name), len(name) - after + max(0, room // 2))
        found[name] = f"{'…' * (first > 0)}{name[first:last]}{'…' * (last < len(name))}"
    return found


def _alike(names: Sequence[str]) -> int:
    """With how many characters all names begin."""
    columns = zip(*names, strict=False)  # the shortest one's end ends it
    return sum(1 for _ in itertools.takewhile(lambda column: len(set(column)) == 1, columns))


def _heading(text: str, panels: int, horizontal: bool) -> str:
    """A panel's heading: in lines where names of bars leave little width for it."""
    wide = SLIDE * 72 / panels / 2
    if not horizontal or text_width(text, 7.5) <= wide:
        return text
    return textwrap.fill(text, int(wide / 4.2))


def _lines(name: str, room: float) -> list[str]:
    """A name in lines for below an upright bar, with so many points of width for it."""
    return textwrap.wrap(name, max(int(room / 4.2), 5), break_long_words=False) or [""]


def _fits(name: str, room: float) -> bool:
    lines = _lines(name, room)
    return len(lines) <= MOST_LINES and all(text_width(line, 6.5) <= room for line in lines)


def _draw(axes: Axes, table: pd.DataFrame, bars: list[str], horizontal: bool, unknown: str) -> None:
    if not bars:
        axes.text(0.5, 0.5, "nothing to show", ha="center", va="center", transform=axes.transAxes)
    for position, bar in enumerate(bars):
        own = table[table["bar"] == bar].set_index("category").astype({"value": float})
        if own["value"].isna().all():
            _number(axes, horizontal, position, np.nan, "count", unknown)
            continue
        start = 0.0
        for category in CATEGORIES:
            length = own.loc[category, "value"]
            options = {"color": CATEGORY_COLORS[category], "edgecolor": "white", "linewidth": 0.4}
            if horizontal:
                axes.barh(position, length, BAR, left=start, **options)
            else:
                axes.bar(position, length, BAR, bottom=start, **options)
            start += length
        _mark(axes, horizontal, position, own.loc["total"])
        _number(axes, horizontal, position, own.loc["total", "value"], "total")


def _chance_style(horizontal: bool) -> dict[str, object]:
    """A triangle that points at a bar."""
    return {
        "marker": "v" if horizontal else "<",
        "markersize": 3.5,
        "markeredgewidth": 0.0,
        "color": INK,
        "linestyle": "none",
        "clip_on": False,
    }


def _mark(axes: Axes, horizontal: bool, position: float, total: pd.Series) -> None:
    """The interval and the level of chance, on either side of a bar."""
    side = 1 if horizontal else -1  # below a horizontal bar, left of a vertical one
    beside = side * (BAR / 2 + 0.08)
    if np.isfinite(total["low"]) and np.isfinite(total["high"]):
        along, across = [total["low"], total["high"]], [position + beside] * 2
        line = (along, across) if horizontal else (across, along)
        axes.plot(*line, marker="|" if horizontal else "_", **WHISKER, gid="interval")
    if np.isfinite(total["chance"]):
        along, across = [total["chance"]], [position - beside]
        line = (along, across) if horizontal else (across, along)
        axes.plot(*line, **_chance_style(horizontal), gid="chance")


def _number(
    axes: Axes, horizontal: bool, position: float, value: float, what: str, unknown: str = ""
) -> None:
    """The count, just beyond the bar's end; other words if it is not known."""
    bold = what == "total"
    end = 0.0 if np.isnan(value) else value
    axes.annotate(
        unknown if np.isnan(value) else f"{round(value, 1):g}",
        (end, position) if horizontal else (position, end),
        xytext=(3, 1) if horizontal else (0, 2.5),
        textcoords="offset points",
        ha="left" if horizontal else "center",
        va="center_baseline" if horizontal else "bottom",
        fontsize=7 if bold else SMALL,
        fontweight="bold" if bold else "normal",
        annotation_clip=False,
        gid=what,
    )


def _longest(table: pd.DataFrame) -> float:
    rows = table[table["category"] == "total"]
    values = rows[["value", "low", "high", "chance"]].to_numpy(dtype=float)
    return float(np.nanmax(values, initial=0.0))


def _scale(axes: Axes, longest: float, horizontal: bool) -> None:
    limits = (0, max(longest * 1.12, 1))
    axis = axes.xaxis if horizontal else axes.yaxis
    (axes.set_xlim if horizontal else axes.set_ylim)(*limits)
    axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True))
    axes.grid(axis="x" if horizontal else "y")


def _explain(
    figure: Figure, tables: list[pd.DataFrame], title: str, horizontal: bool, seeds: bool
) -> None:
    """The title, the categories' colours where bars cannot carry the names, and the marks."""
    if horizontal:
        figure.legend(
            handles=[Patch(color=color, label=name) for name, color in CATEGORY_COLORS.items()],
            title=title,
            title_fontsize=TITLE,
            alignment="left",
            loc="outside upper left",
            ncols=len(CATEGORY_COLORS),
            frameon=False,
            borderpad=0,
            handlelength=0.9,
            handletextpad=0.4,
            columnspacing=1.0,
        )
    else:
        figure.suptitle(title, fontsize=TITLE, x=0.01, ha="left")
    marks = {}  # what stands in the legend, and how: a whisker shows both of its ends
    if any(table["high"].notna().any() for table in tables):
        label = f"95 % interval ({'between seeds; of one: ' if seeds else ''}bootstrap)"
        marks[Line2D([], [], marker="|", **WHISKER, label=label)] = HandlerLine2D(numpoints=2)
    if any(table["chance"].notna().any() for table in tables):
        label = "at chance (images and labels paired at random)"
        line = Line2D([], [], **_chance_style(horizontal), label=label)
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
            length, text = own[category], f"{round(own[category], 1):g}"
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
