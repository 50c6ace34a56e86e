"""How an activation map becomes a binary map (slide 5)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from dissection.activations.geometry import Geometry, upsample
from dissection.categories import CATEGORY_COLORS
from dissection.figures.masked import enlarge, show_image, show_masked
from dissection.figures.style import FAINT, INK, SLIDE, SMALL, TITLE, styled
from dissection.figures.units import UnitImages, write_caption

SIDE = 1.3  # inches: an image
PITCH = 1.75  # inches from one unit to the next
LEFTS = (0.1, 1.72, 3.98, 5.8)  # inches: image, activation map, distribution, binary map
WIDE = 1.5  # inches: the distribution
COLUMNS = ["unit", "label", "category", "iou", "image"]
COLUMNS += ["quantity", "row", "column", "low", "high", "value"]


@styled
def activation_maps(
    units: Sequence[UnitImages],
    counts: np.ndarray,
    edges: np.ndarray,
    geometry: Geometry,
    layer: str,
    quantile: float,
    title: str,
) -> tuple[Figure, pd.DataFrame]:
    """Draw image, activation map, distribution with T_k, and binary map of units.

    Parameters
    ----------
    units : sequence of UnitImages
        The first image of each is shown.
    counts : int (len(units), bins)
        Positions of the whole data set by activation.
    edges : float (len(units), bins + 1)
    geometry : Geometry
        Of the layer.
    layer : str
    quantile : float
        Share of positions above T_k.
    title : str

    Returns
    -------
    figure : Figure
    drawn : DataFrame
        One row a number, by ``quantity``: ``activation`` at ``row``, ``column`` of the map;
        ``share`` of all positions whose activation is from ``low`` to ``high``; ``threshold``;
        ``area``, the share of the image inside the binary map, as drawn.
    """
    top = 0.52
    height = top + PITCH * max(len(units), 1)
    figure = Figure((SLIDE, height))
    figure.text(0.1 / SLIDE, 1 - 0.16 / height, title, fontsize=TITLE, va="center")
    if not units:
        figure.text(0.5, 0.4, "no units: nothing to show", ha="center", va="center")
        return figure, pd.DataFrame(columns=COLUMNS)
    for left, width, text in zip(
        LEFTS,
        (SIDE, SIDE, WIDE, SIDE),
        (
            "image $x$",
            f"activation map $A_k(x)$, {geometry.height} × {geometry.width}",
            "distribution of $a_k$, all images",
            "binary map $M_k(x) = S_k(x) > T_k$",
        ),
        strict=True,
    ):
        center = (left + width / 2) / SLIDE
        figure.text(
            center, 1 - 0.4 / height, text, fontsize=7, ha="center", va="center", parse_math=True
        )

    drawn = []
    for index, unit in enumerate(units):
        bottom = height - top - index * PITCH - SIDE
        write_caption(figure, unit, layer, 0.1 / SLIDE, (bottom - 0.14) / height)
        boxes = [
            (left / SLIDE, bottom / height, width / SLIDE, SIDE / height)
            for left, width in zip(LEFTS, (SIDE, SIDE, WIDE, SIDE), strict=True)
        ]
        axes = [figure.add_axes(box) for box in boxes]
        picture = enlarge(unit.images[0], SIDE)
        show_image(axes[0], picture)
        _activation_map(axes[1], unit, geometry)
        share = counts[index] / max(counts[index].sum(), 1)
        _distribution(axes[2], share, edges[index], unit, quantile)
        inside = upsample(unit.maps[0], geometry, *picture.shape[:2]) > unit.threshold
        show_masked(axes[3], picture, inside)
        for left, right in ((0, 1), (1, 2), (2, 3)):
            if left != 1:
                _arrow(figure, boxes[left], boxes[right])
        drawn.append(_numbers(unit, share, edges[index], inside))
    return figure, pd.concat(drawn, ignore_index=True)[COLUMNS]


def _activation_map(axes: Axes, unit: UnitImages, geometry: Geometry) -> None:
    values = unit.maps[0]
    least = min(float(values.min()), unit.threshold, 0.0)
    greatest = max(float(values.max()), unit.threshold, least + 1e-9)
    shown = axes.imshow(values, cmap="viridis", vmin=least, vmax=greatest)
    axes.set_axis_off()
    bar = axes.inset_axes((1.04, 0.0, 0.05, 1.0))
    axes.figure.colorbar(shown, cax=bar)
    bar.tick_params(labelsize=SMALL, length=1.5, pad=1.5)
    low, high = shown.get_clim()
    ends = [end for end in (low, high) if abs(end - unit.threshold) > 0.1 * (high - low)]
    bar.set_yticks(
        [*ends, unit.threshold], [*(f"{end:.3g}" for end in ends), "$T_k$"], parse_math=True
    )
    bar.spines[:].set_visible(False)
    bar.axhline(unit.threshold, color="white", linewidth=2.0)
    bar.axhline(unit.threshold, color=INK, linewidth=1.0)


def _distribution(
    axes: Axes, share: np.ndarray, edges: np.ndarray, unit: UnitImages, quantile: float
) -> None:
    color = CATEGORY_COLORS.get(unit.category, INK)
    axes.stairs(share, edges, fill=True, color="#C4C4C4")
    colored = axes.stairs(share, edges, fill=True, color=color)
    axes.set_yscale("log")
    least = share[share > 0].min(initial=1.0)
    axes.set_ylim(10 ** np.floor(np.log10(least) - 0.01), 3)
    low, high = float(edges[0]), max(float(edges[-1]), unit.threshold)
    axes.set_xlim(low, high if high > low else low + 1)
    right = axes.get_xlim()[1]
    across = axes.get_xaxis_transform()
    colored.set_clip_path(
        Rectangle((unit.threshold, 0), right - unit.threshold, 1, transform=across)
    )
    axes.axvline(unit.threshold, color=INK, linewidth=1.0)
    # The first of the top images holds the unit's greatest activation.
    above = f"top {100 * quantile:g} %" if unit.maps[0].max() > unit.threshold else "never exceeded"
    near = unit.threshold < low + 0.55 * (right - low)
    axes.annotate(
        f"$T_k$ = {unit.threshold:.3g}\n{above}",
        (unit.threshold, 0.98),
        xycoords=("data", "axes fraction"),
        xytext=(3 if near else -3, 0),
        textcoords="offset points",
        ha="left" if near else "right",
        va="top",
        fontsize=SMALL,
        parse_math=True,
    )
    axes.set_xlabel("activation $a_k$", labelpad=1.5, parse_math=True)
    axes.set_ylabel("% of positions", labelpad=1.5)
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}"))
    axes.tick_params(labelsize=SMALL, pad=1.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4))


def _arrow(
    figure: Figure,
    left: tuple[float, float, float, float],
    right: tuple[float, float, float, float],
) -> None:
    y = left[1] + left[3] / 2
    figure.add_artist(
        ConnectionPatch(
            (left[0] + left[2] + 0.06 / SLIDE, y),
            (right[0] - 0.06 / SLIDE, y),
            "figure fraction",
            arrowstyle="-|>",
            color=FAINT,
            linewidth=0.8,
            mutation_scale=6,
        )
    )


def _numbers(
    unit: UnitImages, share: np.ndarray, edges: np.ndarray, inside: np.ndarray
) -> pd.DataFrame:
    values = unit.maps[0]
    rows, columns = np.indices(values.shape)
    tables = [
        pd.DataFrame(
            {
                "quantity": "activation",
                "row": rows.ravel(),
                "column": columns.ravel(),
                "value": values.ravel(),
            }
        ),
        pd.DataFrame({"quantity": "share", "low": edges[:-1], "high": edges[1:], "value": share}),
        pd.DataFrame({"quantity": ["threshold", "area"], "value": [unit.threshold, inside.mean()]}),
    ]
    numbers = pd.concat(tables, ignore_index=True).astype({"row": "Int64", "column": "Int64"})
    return numbers.assign(
        unit=unit.unit,
        label=unit.label,
        category=unit.category,
        iou=unit.iou,
        image=unit.names[0],
    ).reindex(columns=COLUMNS)
