"""A layer's units beside a table of them that somebody released (slide 6)."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from dissection.categories import CATEGORIES, CATEGORY_COLORS, concept_name
from dissection.figures.detectors import shortened
from dissection.figures.style import FAINT, INK, SLIDE, SMALL, TITLE, styled

WORST = 9  # units in the list of those that differ most
LONGEST = 17  # characters of a concept in that list
DRAWN = ["released_category", "released_label", "released_iou", "category", "label", "iou"]


class ComparedLayer(NamedTuple):
    """A layer beside its released table.

    title : str
        Network and layer.
    note : str
        How far they agree, in a sentence.
    units, categories : DataFrame
        As `scoring.agreement` makes them: unit by unit, and summed up.
    """

    title: str
    note: str
    units: pd.DataFrame
    categories: pd.DataFrame


@styled
def agreement(layers: Sequence[ComparedLayer], title: str) -> tuple[Figure, pd.DataFrame]:
    """Draw, a row a layer: IoU against released IoU, detectors by category, what differs most.

    Parameters
    ----------
    layers : sequence of ComparedLayer
        At least one.
    title : str

    Returns
    -------
    figure : Figure
    drawn : DataFrame
        ``layer``; ``panel``: of "units" and "most different" a row a unit, of "categories" a row a
        category; then what is drawn of them.
    """
    figure = Figure((SLIDE, 0.35 + 2.85 * len(layers)), layout="constrained")
    figure.suptitle(title, fontsize=TITLE, x=0.01, ha="left")
    rows = figure.subfigures(len(layers), 1, squeeze=False)[:, 0]
    drawn = []
    for part, layer in zip(rows, layers, strict=True):
        part.suptitle(
            f"{layer.title}\n{textwrap.fill(layer.note, 120)}", fontsize=6.5, x=0.01, ha="left"
        )
        scatter, bars, words = part.subplots(1, 3, width_ratios=[1.15, 0.95, 1.2])
        _scatter(scatter, layer.units)
        _bars(bars, layer.categories)
        worst = layer.units.sort_values(["difference", "unit"], ascending=[False, True])
        worst = worst[worst["difference"] > 0].head(WORST)
        _list(words, worst)
        units = layer.units[["unit", *DRAWN, "same_label", "difference"]]
        by_category = layer.categories[
            ["category", "released_detectors", "detectors", "same_detectors"]
        ]
        panels = {
            "units": units,
            "categories": by_category,
            "most different": units.loc[worst.index],
        }
        drawn += [
            table.assign(layer=layer.title, panel=name)
            for name, table in panels.items()
            if len(table)
        ]
    table = pd.concat(drawn, ignore_index=True)
    for name in ("unit", *by_category.columns[1:]):
        table[name] = table[name].astype("Int64")
    return figure, table[["layer", "panel", *table.columns.drop(["layer", "panel"])]]


def _scatter(axes: Axes, units: pd.DataFrame) -> None:
    longest = max(units["iou"].max(), units["released_iou"].max(), 0.05) * 1.05
    axes.plot([0, longest], [0, longest], color=FAINT, linewidth=0.6, zorder=1)
    for category, color in CATEGORY_COLORS.items():
        own = units[units["released_category"] == category]
        for same, rows in own.groupby("same_label"):
            axes.scatter(
                rows["released_iou"],
                rows["iou"],
                s=9,
                facecolors=color if same else "none",
                edgecolors=color,
                linewidths=0.7,
                zorder=3 if same else 2,
            )
    axes.set(xlim=(0, longest), ylim=(0, longest), aspect="equal")
    axes.set_xlabel("released IoU of a unit's best concept")
    axes.set_ylabel("IoU here")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=4))
    marks = [
        Line2D([], [], marker="o", markersize=3.2, linestyle="none", color=INK, label=label, **face)
        for label, face in (("same concept", {}), ("another", {"markerfacecolor": "none"}))
    ]
    axes.legend(
        handles=marks,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=2,
        frameon=False,
        handletextpad=0,
        borderpad=0.2,
        columnspacing=1,
    )


def _bars(axes: Axes, categories: pd.DataFrame) -> None:
    """Released detectors, as outlines; those that are the same here, filled."""
    table = categories.set_index("category").loc[list(CATEGORIES)]
    for place, (category, row) in enumerate(table.iterrows()):
        color = CATEGORY_COLORS[category]
        options = {"height": 0.66, "edgecolor": color, "linewidth": 0.8}
        axes.barh(place, row["released_detectors"], facecolor="none", **options)
        axes.barh(place, row["same_detectors"], facecolor=color, **options)
        end = max(row["released_detectors"], row["detectors"])
        axes.plot([row["detectors"]] * 2, [place - 0.42, place + 0.42], color=INK, linewidth=1.2)
        axes.annotate(
            f"{row['same_detectors']:.0f} of {row['released_detectors']:.0f}",
            (end, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center_baseline",
            fontsize=SMALL,
        )
    longest = table[["released_detectors", "detectors"]].to_numpy().max()
    axes.set_xlim(0, max(longest, 1) * 1.45)
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.set_yticks(range(len(table)), list(CATEGORIES))
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.set_title("Released detectors, filled: same", loc="left", fontsize=7)
    axes.set_xlabel("units (line: all detectors here)")


def _list(axes: Axes, worst: pd.DataFrame) -> None:
    axes.axis("off")
    axes.set_title("Units that differ most: released, here", loc="left", fontsize=7)
    axes.set(xlim=(0, 1), ylim=(WORST - 0.4, -0.6))
    if worst.empty:
        axes.text(0, 0, "none differs", va="center_baseline", fontsize=6.5)
    for place, row in enumerate(worst.itertuples()):
        axes.text(0.115, place, str(row.unit), ha="right", va="center_baseline", fontsize=6.5)
        for left, category, label, iou in (
            (0.15, row.released_category, row.released_label, row.released_iou),
            (0.59, row.category, row.label, row.iou),
        ):
            color = CATEGORY_COLORS.get(category, FAINT)
            axes.text(
                left, place, "\N{BLACK SQUARE}", color=color, fontsize=7, va="center_baseline"
            )
            (name,) = shortened([concept_name(label, category) or "nothing"], LONGEST)
            axes.text(
                left + 0.045,
                place,
                f"{name} {iou:.3f}",
                va="center_baseline",
                fontsize=SMALL,
            )
