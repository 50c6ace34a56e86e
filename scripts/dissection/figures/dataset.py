"""Samples of a data set with their label maps, and its statistics (slide 4)."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from dissection.categories import BRODENS_COLORS, CATEGORY_COLORS, concept_name
from dissection.figures.masked import enlarge, show_image
from dissection.figures.samples import Sample, dominant_labels
from dissection.figures.segments import mean_colors, segment_colors, show_segments
from dissection.figures.style import EMPTY, FAINT, INK, SLIDE, SMALL, TITLE, styled

GAP = 0.05  # inches between tiles
TOP = 0.5  # inches: title and headings
LARGEST = 1.3  # inches: a tile where there are few of them
LINE = 0.145  # inches: a category in the statistics
QUANTITIES = {"labels": "Labels in the category", "mean_images": "Mean images per label"}
COLUMNS = ["panel", "image", "category", "label", "quantity", "value", "published", "released"]


@styled
def dataset_samples(
    samples: Sequence[Sample],
    names: Sequence[str],
    statistics: pd.DataFrame,
    published: pd.DataFrame,
    concepts: pd.DataFrame,
    reach_note: str,
    title: str,
    missing: Sequence[str] = (),
) -> tuple[Figure, pd.DataFrame]:
    """Draw images beside their labels, and the data set in numbers.

    There is a column of labels for each category that has any.

    Parameters
    ----------
    samples : sequence of Sample
    names : sequence of str
        Of the labels, by number.
    statistics, published : DataFrame
        Of this data set and of the paper's: ``category`` (six and "total"), ``labels``,
        ``mean_images`` (images a label), ``images``. Of the paper's, ``released_mean_images``
        is what the released tables have, where the paper printed another mean in two cells.
    concepts : DataFrame
        Of this data set: ``within_reach``, whether a concept's size allows it to be detected.
    reach_note, title : str
        The note says how many concepts are too large to be detected.
    missing : sequence of str
        What the paper's data set has and this one was made without.

    Returns
    -------
    figure : Figure
    drawn : DataFrame
        ``panel`` "samples": ``image``, ``category``, ``label`` and as ``value`` the share of the
        image that has the label. ``panel`` "statistics": ``category``, ``quantity``, ``value``,
        ``published`` (as printed), ``released``.
    """
    shown = _categories(samples, statistics)
    side = min(LARGEST, (SLIDE - 0.1 - len(shown) * GAP) / (len(shown) + 1))
    more = LINE * (len(CATEGORY_COLORS) - len(BRODENS_COLORS))
    height = TOP + len(samples) * (side + GAP) + 1.75 + more
    figure = Figure((SLIDE, height))
    figure.text(0.05 / SLIDE, 1 - 0.14 / height, title, fontsize=TITLE, va="center")
    _headings(figure, shown, side)
    colors = {category: _colors(samples, category) for category in shown}
    readable = {
        category: {number: concept_name(name, category) for number, name in enumerate(names)}
        for category in shown
    }
    for row, sample in enumerate(samples):
        _sample(figure, row, side, sample, readable, colors)
    tables = [_shares(samples, names)]
    for index, (quantity, heading) in enumerate(QUANTITIES.items()):
        axes = figure.add_axes((0.09 + 0.5 * index, 0.42 / height, 0.21, (1.02 + more) / height))
        tables.append(_statistics(axes, statistics, published, quantity, heading))
    tables.append(_sizes(figure, statistics, published))
    tables.append(_reach(figure, concepts, reach_note))
    if missing:
        text = f"Made without: {', '.join(missing)}"
        x, y = 1 - 0.05 / SLIDE, 1 - 0.14 / height
        figure.text(x, y, text, fontsize=SMALL, ha="right", va="center")
    return figure, pd.concat(tables, ignore_index=True).reindex(columns=COLUMNS)


def _categories(samples: Sequence[Sample], statistics: pd.DataFrame) -> list[str]:
    """The categories that the data set has labels of, in their order."""
    labels = statistics.set_index("category")["labels"]
    return [
        category
        for category in CATEGORY_COLORS
        if labels.get(category, 0) > 0 or any(sample.labels(category) for sample in samples)
    ]


def _headings(figure: Figure, categories: Sequence[str], side: float) -> None:
    """What each column of tiles shows, with the category's colour."""
    y = 1 - (TOP - 0.1) / figure.get_figheight()
    for column, category in enumerate(["", *categories]):
        x = 0.05 + column * (side + GAP)
        if category:
            color = CATEGORY_COLORS[category]
            figure.text(x / SLIDE, y, "\N{BLACK SQUARE}", color=color, va="center_baseline")
            x += 0.11
        figure.text(x / SLIDE, y, category or "image", va="center_baseline")


def _sample(
    figure: Figure,
    row: int,
    side: float,
    sample: Sample,
    readable: Mapping[str, Mapping[int, str]],
    colors: Mapping[str, Mapping[int, str]],
) -> None:
    """A row of tiles: an image, and its labels of each category."""
    height = figure.get_figheight()
    bottom = (height - TOP - (row + 1) * (side + GAP) + GAP) / height
    for column, category in enumerate(["", *colors]):
        left = (0.05 + column * (side + GAP)) / SLIDE
        axes = figure.add_axes((left, bottom, side / SLIDE, side / height))
        if not category:
            show_image(axes, enlarge(sample.image, side))
        elif category not in sample.maps:
            whole = [readable[category][c] for c in sample.whole.get(category, [])]
            _whole_image(axes, whole, category)
        else:
            label_map = dominant_labels(sample.maps[category])
            is_color = category == "color"
            own = mean_colors(label_map, sample.image) if is_color else colors[category]
            show_segments(axes, label_map, readable[category], own, side, lines=not is_color)


def _sizes(figure: Figure, statistics: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Below the statistics, what their marks stand for, with the numbers of images."""
    images = [
        int(table.set_index("category").loc["total", "images"]) for table in (statistics, published)
    ]
    figure.text(
        0.05 / SLIDE,
        0.1 / figure.get_figheight(),
        f"● here, {images[0]:,} images     ○ Broden as published, {images[1]:,} images",
        fontsize=SMALL,
        va="center",
    )
    row = {"panel": "statistics", "category": "total", "quantity": "images"}
    return pd.DataFrame([row | {"value": images[0], "published": images[1]}])


def _reach(figure: Figure, concepts: pd.DataFrame, note: str) -> pd.DataFrame:
    """Beside that, how many concepts are too large to be detected."""
    x, y = 1 - 0.05 / SLIDE, 0.1 / figure.get_figheight()
    figure.text(x, y, note, fontsize=SMALL, ha="right", va="center")
    row = {"panel": "statistics", "category": "total", "quantity": "out_of_reach"}
    return pd.DataFrame([row | {"value": int((~concepts["within_reach"]).sum())}])


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
    released = paper
    if f"released_{quantity}" in published:
        released = published.set_index("category")[f"released_{quantity}"].reindex(categories)
    for place, category in enumerate(categories):
        color = CATEGORY_COLORS.get(category, INK)
        # Nothing is at 0 on a logarithmic axis; the number beside it still says so.
        ours, theirs = (np.nan if v <= 0 else v for v in (here[category], released[category]))
        axes.plot([ours, theirs], [place] * 2, color=FAINT, linewidth=0.6)
        axes.plot(theirs, place, "o", color="white", markeredgecolor=color, markersize=5.5)
        axes.plot(ours, place, "o", color=color, markersize=3.5)
    _logarithmic_axis(axes, np.concatenate([here, released]))
    # Both panels alike, whether they have a total or not.
    axes.set_ylim(len(CATEGORY_COLORS) + 0.6, -0.6)
    axes.set_yticks(range(len(categories)), categories)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_title(heading, loc="left")
    _numbers_beside(axes, 1.25, "here", here, "bold")
    _numbers_beside(axes, 1.54, "Broden", released, "normal")
    if released is not paper:
        _numbers_beside(axes, 1.82, "printed", paper, "normal")
    return pd.DataFrame(
        {
            "panel": "statistics",
            "category": categories,
            "quantity": quantity,
            "value": here.to_numpy(),
            "published": paper.to_numpy(),
            "released": released.to_numpy(),
        }
    )


def _logarithmic_axis(axes: Axes, values: np.ndarray) -> None:
    """An axis from a power of ten to another, around all values above 0."""
    axes.set_xscale("log")
    values = values[values > 0]
    low, high = (values.min(), values.max()) if len(values) else (1.0, 10.0)
    axes.set_xlim(10 ** np.floor(np.log10(low) - 0.1), 10 ** np.ceil(np.log10(high) + 0.1))
    axes.xaxis.set_major_locator(LogLocator(numticks=8))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda n, _: f"{n:g}" if n < 1000 else f"{n / 1000:g}k")
    )
    axes.grid(axis="x")


def _numbers_beside(axes: Axes, x: float, heading: str, values: pd.Series, weight: str) -> None:
    """A column of numbers to the right of the axes, under a heading."""
    options = {"ha": "right", "fontsize": SMALL, "fontweight": weight}
    for place, value in enumerate(values):
        text = "–" if np.isnan(value) else f"{value:,.0f}"
        across = axes.get_yaxis_transform()
        axes.text(x, place, text, transform=across, va="center_baseline", **options)
    axes.text(x, 1.03, heading, transform=axes.transAxes, va="bottom", **options)
