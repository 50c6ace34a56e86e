"""The best detectors on the images that excite them most (slide 6)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dissection.activations.geometry import Geometry, upsample
from dissection.activations.top_images import TopImages
from dissection.categories import CATEGORY_COLORS, concept_name
from dissection.errors import InputError
from dissection.figures.masked import enlarge, show_masked
from dissection.figures.style import FAINT, SLIDE, SMALL, TITLE, styled

PANELS = 2  # units side by side
GAP = 0.04  # inches between images
CAPTION = 0.19  # inches above a row of images
CHOSEN = ["unit", "label", "category", "iou"]
EXPLANATION = "outlined: where the unit's activation is above its threshold"


@dataclass(frozen=True)
class UnitImages:
    """A unit and the images that excite it most, best first.

    Attributes
    ----------
    unit : int
        From 1.
    label, category : str
        The concept that it is shown for; empty if it has none.
    iou : float
    threshold : float
        T_k.
    names : list of str
        Of the images.
    images : list of uint8 (height, width, 3)
    maps : float (images, H, W)
        Activation maps A_k.
    """

    unit: int
    label: str
    category: str
    iou: float
    threshold: float
    names: list[str]
    images: list[np.ndarray]
    maps: np.ndarray

    def caption(self, layer: str) -> str:
        """What slide 6 writes: layer, unit, concept (category) and IoU."""
        name = concept_name(self.label, self.category)
        concept = f"{name} ({self.category})" if self.label else "no concept"
        return f"{layer} unit {self.unit} {concept} IoU={self.iou:.2f}"


def named_units(units: pd.DataFrame, wanted: Sequence[int], layer: str) -> pd.DataFrame:
    """Choose units by their numbers, each once, to be shown with their best concept.

    Parameters
    ----------
    units : DataFrame
        As in units.csv: ``unit``, ``category``, ``label``, ``score``.
    wanted : sequence of int
        Units from 1.
    layer : str
        For the message.

    Returns
    -------
    DataFrame
        ``unit``, ``label``, ``category``, ``iou``.

    Raises
    ------
    InputError
        If a unit that is wanted does not exist.
    """
    best = units.rename(columns={"score": "iou"})[CHOSEN].set_index("unit", drop=False)
    missing = [str(unit) for unit in wanted if unit not in best.index]
    if missing:
        raise InputError(
            f"Layer '{layer}' has {len(best)} units, numbered from 1: there is no "
            f"{', '.join(missing)}. Correct the figure's `units` in the configuration."
        )
    chosen = best.loc[list(dict.fromkeys(wanted))].reset_index(drop=True)
    return chosen.fillna({"label": "", "category": ""})


def choose_units(
    units: pd.DataFrame, wanted: Sequence[int], per_category: int, layer: str
) -> pd.DataFrame:
    """Choose the units to show: those asked for, then the best detectors of each category.

    A category's best are the units whose best concept is of that category. Where there are none,
    they are units that detect a concept of the category beside a better one. No unit is chosen
    twice.

    Parameters
    ----------
    units : DataFrame
        As for `named_units`, with ``<c>-label``, ``<c>-iou`` and ``<c>-detects``, whether the unit
        detects the best concept of the category.
    wanted : sequence of int
        Units from 1, shown whether they detect anything or not.
    per_category : int
        How many units of a category at most.
    layer : str
        For the message.

    Returns
    -------
    DataFrame
        ``unit``, ``label``, ``category``, ``iou``.

    Raises
    ------
    InputError
        If a unit that is wanted does not exist.
    """
    chosen = [named_units(units, wanted, layer)]
    rest = units[~units["unit"].isin(wanted)]
    groups = {}
    for category in CATEGORY_COLORS:
        found = rest.assign(
            label=rest[f"{category}-label"],
            iou=rest[f"{category}-iou"],
            first=rest["category"] == category,
            category=category,
        )
        found = found[found[f"{category}-detects"]]
        groups[category] = found.sort_values(["iou", "unit"], ascending=[False, True])
    firsts = {c: group[group["first"]].head(per_category) for c, group in groups.items()}
    taken = {unit for group in firsts.values() for unit in group["unit"]}
    for category, group in firsts.items():
        if group.empty:
            seconds = groups[category]
            group = seconds[~seconds["unit"].isin(taken)].head(per_category)
            taken.update(group["unit"])
        chosen.append(group[CHOSEN])
    return pd.concat(chosen, ignore_index=True)


def best_unit(units: pd.DataFrame) -> list[int]:
    """The unit of the greatest IoU whose best concept is an object, or else any category's.

    Parameters
    ----------
    units : DataFrame
        ``unit``, ``category``, ``score``.

    Returns
    -------
    list of int
        One unit, from 1; none if the table is empty.
    """
    objects = units[units["category"] == "object"]
    ranked = (objects if len(objects) else units).sort_values("score", ascending=False)
    return ranked["unit"].head(1).tolist()


def unit_images(
    chosen: pd.DataFrame,
    top: TopImages,
    thresholds: np.ndarray,
    image_names: Sequence[str],
    load_image: Callable[[int], np.ndarray],
    count: int,
) -> list[UnitImages]:
    """Put together what is shown of the chosen units.

    Parameters
    ----------
    chosen : DataFrame
        From `named_units` or `choose_units`.
    top : TopImages
        Of all units of the layer.
    thresholds : float (units,)
        T_k of all units.
    image_names : sequence of str
    load_image : function from an image's number to uint8 (height, width, 3)
    count : int
        Images a unit at most.
    """
    shown = []
    for row in chosen.itertuples():
        numbers = top.images[row.unit - 1, :count].tolist()
        shown.append(
            UnitImages(
                unit=int(row.unit),
                label=row.label,
                category=row.category,
                iou=float(row.iou),
                threshold=float(thresholds[row.unit - 1]),
                names=[image_names[i] for i in numbers],
                images=[load_image(i) for i in numbers],
                maps=top.maps[row.unit - 1, :count],
            )
        )
    return shown


@styled
def unit_detectors(
    units: Sequence[UnitImages], geometry: Geometry, layer: str, title: str
) -> tuple[Figure, pd.DataFrame]:
    """Draw units as rows of their top images, darkened outside the binary map M_k = S_k > T_k.

    S_k is evaluated at the resolution of the page.

    Parameters
    ----------
    units : sequence of UnitImages
    geometry : Geometry
        Of the layer.
    layer, title : str

    Returns
    -------
    figure : Figure
    drawn : DataFrame
        One row an image: ``unit``, ``label``, ``category``, ``iou``, ``threshold``, ``rank``
        (from 1), ``image``, ``activation`` (greatest in the image), ``area`` (share of the image
        inside the binary map, as drawn).
    """
    columns = max([1, *(len(unit.images) for unit in units)])
    panels = min(PANELS, max(len(units), 1))
    side = (SLIDE - 0.1 - 0.16 * (PANELS - 1)) / PANELS / columns - GAP
    rows = -(-len(units) // panels)
    top = 0.3
    height = top + max(rows, 1) * (CAPTION + side + 0.09)
    figure = Figure((SLIDE, height))
    figure.text(0.05 / SLIDE, 1 - 0.16 / height, title, fontsize=TITLE, va="center")
    figure.text(
        1 - 0.05 / SLIDE, 1 - 0.16 / height, EXPLANATION, fontsize=SMALL, ha="right", va="center"
    )
    if not units:
        figure.text(0.5, 0.4, "no detectors: nothing to show", ha="center", va="center")

    drawn = []
    panel_width = columns * (side + GAP) + 0.16
    for index, unit in enumerate(units):
        # Down the first column of units, then down the next.
        panel, row = divmod(index, rows)
        left = 0.05 + panel * panel_width
        bottom = height - top - (row + 1) * (CAPTION + side + 0.09) + 0.09
        write_caption(figure, unit, layer, left / SLIDE, (bottom + side + CAPTION / 2) / height)
        for rank, (name, image, values) in enumerate(
            zip(unit.names, unit.images, unit.maps, strict=True)
        ):
            x = left + rank * (side + GAP)
            axes = figure.add_axes((x / SLIDE, bottom / height, side / SLIDE, side / height))
            picture = enlarge(image, side)
            inside = upsample(values, geometry, *picture.shape[:2]) > unit.threshold
            show_masked(axes, picture, inside)
            drawn.append(
                {
                    "unit": unit.unit,
                    "label": unit.label,
                    "category": unit.category,
                    "iou": unit.iou,
                    "threshold": unit.threshold,
                    "rank": rank + 1,
                    "image": name,
                    "activation": float(np.max(values)),
                    "area": float(inside.mean()),
                }
            )
    names = ["unit", "label", "category", "iou", "threshold", "rank", "image", "activation", "area"]
    return figure, pd.DataFrame(drawn, columns=names)


def write_caption(figure: Figure, unit: UnitImages, layer: str, x: float, y: float) -> None:
    """Write a unit's caption, marked with its category's colour, at a place in figure fractions."""
    color = CATEGORY_COLORS.get(unit.category, FAINT)
    figure.text(x, y, "\N{BLACK SQUARE}", color=color, fontsize=8, va="center_baseline")
    width = figure.get_figwidth()
    figure.text(x + 0.11 / width, y, unit.caption(layer), fontsize=7, va="center_baseline")
