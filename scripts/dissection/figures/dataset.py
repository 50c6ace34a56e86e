"""Samples of a data set with their label maps, and its statistics (slide 4)."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from dissection.categories import CATEGORY_COLORS, concept_name
from dissection.figures.masked import enlarge, show_image
from dissection.figures.segments import (
    dominant_labels,
    mean_colors,
    segment_colors,
    show_segments,
)
from dissection.figures.style import EMPTY, FAINT, INK, SLIDE, SMALL, TITLE, styled

GAP = 0.05  # inches between tiles
SIDE = (SLIDE - 0.1 - 6 * GAP) / 7  # inches: a tile
QUANTITIES = {"labels": "Labels in the category", "mean_images": "Mean images per label"}
COLUMNS = ["panel", "image", "category", "label", "quantity", "value", "published"]


@dataclass(frozen=True)
class Sample:
    """An image with its labels.

    Attributes
    ----------
    name : str
    image : uint8 (height, width, 3)
    maps : mapping from category to uint16 (channels, sh, sw)
        Label maps, dominant channel first.
    whole : mapping from category to list of int
        Labels of the whole image.
    """

    name: str
    image: np.ndarray
    maps: Mapping[str, np.ndarray]
    whole: Mapping[str, Sequence[int]]

    def labels(self, category: str) -> set[int]:
        """The labels of a category that the image has."""
        found = set(self.whole.get(category, ()))
        if category in self.maps:
            found |= set(np.unique(self.maps[category]).tolist()) - {0}
        return found


def choose_samples(labels: Sequence[Mapping[str, set[int]]], count: int) -> list[int]:
    """Choose images that together show all categories, and many concepts.

    One after the other: the image with the most categories that no chosen one has, then the
    one with the most labels that none has, then the first. Once all categories are shown, they
    count again from the start.

    Parameters
    ----------
    labels : sequence of mapping from category to set of int
        Labels of each image.
    count : int

    Returns
    -------
    list of int
        Positions in ``labels``, in the order of choice; fewer than count if there are fewer.

    Examples
    --------
    >>> choose_samples([{"color": {1}}, {"color": {1}, "object": {2}}, {"texture": {3}}], 2)
    [1, 2]
    """
    categories = [{c for c, numbers in image.items() if numbers} for image in labels]
    concepts = [set().union(*image.values()) for image in labels]
    everything = set().union(*categories)
    chosen: list[int] = []
    shown: set[str] = set()
    seen: set[int] = set()
    for _ in range(min(count, len(labels))):
        if shown >= everything:
            shown = set()
        worth = [
            (i not in chosen, len(categories[i] - shown), len(concepts[i] - seen), -i)
            for i in range(len(labels))
        ]
        best = -max(worth)[-1]
        chosen.append(best)
        shown = shown | categories[best]
        seen |= concepts[best]
    return chosen


@styled
def dataset_samples(
    samples: Sequence[Sample],
    names: Sequence[str],
    statistics: pd.DataFrame,
    published: pd.DataFrame,
    title: str = "",
) -> tuple[Figure, pd.DataFrame]:
    """Draw images beside their labels in six categories, and the data set in numbers.

    Parameters
    ----------
    samples : sequence of Sample
    names : sequence of str
        Of the labels, by number.
    statistics, published : DataFrame
        Of this data set and of the paper's: ``category`` (six and "total"), ``labels``,
        ``mean_images`` (images a label), ``images``.
    title : str

    Returns
    -------
    figure : Figure
    drawn : DataFrame
        ``panel`` "samples": ``image``, ``category``, ``label`` and as ``value`` the share of the
        image that has the label. ``panel`` "statistics": ``category``, ``quantity``, ``value``,
        ``published``.
    """
    top = 0.5 if title else 0.24
    below = 1.75
    height = top + len(samples) * (SIDE + GAP) + below
    figure = Figure((SLIDE, height))
    if title:
        figure.text(0.05 / SLIDE, 1 - 0.14 / height, title, fontsize=TITLE, va="center")
    for column, category in enumerate(["", *CATEGORY_COLORS]):
        x = 0.05 + column * (SIDE + GAP)
        y = 1 - (top - 0.1) / height
        if category:
            color = CATEGORY_COLORS[category]
            figure.text(x / SLIDE, y, "\N{BLACK SQUARE}", color=color, va="center_baseline")
            x += 0.11
        figure.text(x / SLIDE, y, category or "image", va="center_baseline")

    colors = {category: _colors(samples, category) for category in CATEGORY_COLORS}
    readable = {
        category: {number: concept_name(name, category) for number, name in enumerate(names)}
        for category in CATEGORY_COLORS
    }
    for row, sample in enumerate(samples):
        for column, category in enumerate(["", *CATEGORY_COLORS]):
            box = (
                (0.05 + column * (SIDE + GAP)) / SLIDE,
                (height - top - (row + 1) * (SIDE + GAP) + GAP) / height,
                SIDE / SLIDE,
                SIDE / height,
            )
            axes = figure.add_axes(box)
            if not category:
                show_image(axes, enlarge(sample.image, SIDE))
            elif category in sample.maps:
                label_map = dominant_labels(sample.maps[category])
                own = (
                    mean_colors(label_map, sample.image)
                    if category == "color"
                    else colors[category]
                )
                show_segments(
                    axes, label_map, readable[category], own, SIDE, lines=category != "color"
                )
            else:
                whole = [readable[category][c] for c in sample.whole.get(category, [])]
                _whole_image(axes, whole, category)

    bottom = 0.42 / height
    size = 1.02 / height
    tables = [_shares(samples, names)]
    for index, (quantity, heading) in enumerate(QUANTITIES.items()):
        axes = figure.add_axes((0.09 + 0.5 * index, bottom, 0.21, size))
        tables.append(_statistics(axes, statistics, published, quantity, heading))
    images = [
        int(table.set_index("category").loc["total", "images"]) for table in (statistics, published)
    ]
    figure.text(
        0.05 / SLIDE,
        0.1 / height,
        f"● here, {images[0]:,} images     ○ Broden as published, {images[1]:,} images",
        fontsize=SMALL,
        va="center",
    )
    tables.append(
        pd.DataFrame(
            {
                "panel": "statistics",
                "category": "total",
                "quantity": "images",
                "value": images[0],
                "published": images[1],
            },
            index=[0],
        )
    )
    return figure, pd.concat(tables, ignore_index=True).reindex(columns=COLUMNS)


def _colors(samples: Sequence[Sample], category: str) -> dict[int, str]:
    """One colour a label over all samples, the largest segments first."""
    areas: dict[int, int] = {}
    for sample in samples:
        if category in sample.maps:
            found, counts = np.unique(dominant_labels(sample.maps[category]), return_counts=True)
            for label, area in zip(found.tolist(), counts.tolist(), strict=True):
                areas[label] = areas.get(label, 0) + area
    areas.pop(0, None)
    return segment_colors(sorted(areas, key=lambda label: (-areas[label], label)))


def _whole_image(axes: Axes, names: list[str], category: str) -> None:
    """A tile with the names of the labels of the whole image, or an empty one."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if not names:
        axes.set_facecolor(EMPTY)
        return
    axes.set_facecolor((CATEGORY_COLORS[category], 0.3))
    text = "\n".join(textwrap.fill(name, 12) for name in names)
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=7)


def _shares(samples: Sequence[Sample], names: Sequence[str]) -> pd.DataFrame:
    rows = []
    for sample in samples:
        for category in CATEGORY_COLORS:
            if category in sample.maps:
                label_map = dominant_labels(sample.maps[category])
                found, counts = np.unique(label_map, return_counts=True)
                shares = {
                    label: count / label_map.size
                    for label, count in zip(found.tolist(), counts.tolist(), strict=True)
                    if label
                }
            else:
                shares = dict.fromkeys(sample.whole.get(category, ()), 1.0)
            rows += [(sample.name, category, names[c], "share", v) for c, v in shares.items()]
    table = pd.DataFrame(rows, columns=["image", "category", "label", "quantity", "value"])
    return table.assign(panel="samples")


def _statistics(
    axes: Axes,
    statistics: pd.DataFrame,
    published: pd.DataFrame,
    quantity: str,
    heading: str,
) -> pd.DataFrame:
    """Dots on a logarithmic axis, with the numbers in columns beside them."""
    categories = [*CATEGORY_COLORS, "total"] if quantity == "labels" else list(CATEGORY_COLORS)
    here = statistics.set_index("category")[quantity].reindex(categories).astype(float)
    paper = published.set_index("category")[quantity].reindex(categories).astype(float)
    for place, category in enumerate(categories):
        color = CATEGORY_COLORS.get(category, INK)
        # Nothing is at 0 on a logarithmic axis; the number beside it still says so.
        ours, theirs = (np.nan if v <= 0 else v for v in (here[category], paper[category]))
        axes.plot([ours, theirs], [place] * 2, color=FAINT, linewidth=0.6)
        axes.plot(theirs, place, "o", color="white", markeredgecolor=color, markersize=5.5)
        axes.plot(ours, place, "o", color=color, markersize=3.5)
        for x, value, weight in ((1.25, here[category], "bold"), (1.54, paper[category], "normal")):
            text = "–" if np.isnan(value) else f"{value:,.0f}"
            axes.text(
                x,
                place,
                text,
                transform=axes.get_yaxis_transform(),
                ha="right",
                va="center_baseline",
                fontsize=SMALL,
                fontweight=weight,
            )
    axes.set_xscale("log")
    values = np.concatenate([here, paper])
    values = values[values > 0]
    low, high = (values.min(), values.max()) if len(values) else (1.0, 10.0)
    axes.set_xlim(10 ** np.floor(np.log10(low) - 0.1), 10 ** np.ceil(np.log10(high) + 0.1))
    axes.xaxis.set_major_locator(LogLocator(numticks=8))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda n, _: f"{n:g}" if n < 1000 else f"{n / 1000:g}k")
    )
    axes.grid(axis="x")
    axes.set_ylim(6.6, -0.6)  # both panels alike, whether they have a total or not
    axes.set_yticks(range(len(categories)), categories)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_title(heading, loc="left")
    for x, text, weight in ((1.25, "here", "bold"), (1.54, "Broden", "normal")):
        axes.text(
            x,
            1.03,
            text,
            transform=axes.transAxes,
            ha="right",
            va="bottom",
            fontsize=SMALL,
            fontweight=weight,
        )
    return pd.DataFrame(
        {
            "panel": "statistics",
            "category": categories,
            "quantity": quantity,
            "value": here.to_numpy(),
            "published": paper.to_numpy(),
        }
    )
