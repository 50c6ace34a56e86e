"""One self-contained page of a data set: categories, concepts, some images, where it comes from."""

import base64
import colorsys
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from dissection.categories import CATEGORIES, concept_name
from dissection.figures.samples import Sample, dominant_labels
from dissection.report.unit_page import render

SIDE = 192  # pixels, of the longer side of a picture: five fit beside each other on a desk
FILLED = 0.6  # share of a label's colour where it lies on the image in grey
LABELS = 12  # of a picture that are named, the largest
NAMES = 1000  # of images that were left out


class Shown(NamedTuple):
    """A picture of a sample.

    Attributes
    ----------
    heading : str
        "" of the image itself; else the category whose labels lie on it.
    source : str
        data: URL.
    width, height : int
    labels : list of (colour, name, share of the image)
        The largest first.
    more : int
        Labels that are not listed.
    """

    heading: str
    source: str
    width: int
    height: int
    labels: list[tuple[str, str, float]]
    more: int


def pictures(
    sample: Sample, names: Sequence[str], places: dict[str, dict[int, int]]
) -> list[Shown]:
    """Return an image, and the image in grey under its labels of each category.

    Parameters
    ----------
    sample : Sample
    names : sequence of str
        Of the labels, by number.
    places : dict of category to dict of label to int
        Which of the colours a label has; those that come here first are added.
    """
    scale = SIDE / max(sample.image.shape[:2])
    size = tuple(max(1, round(side * scale)) for side in sample.image.shape[:2])
    filter_ = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    image = np.asarray(Image.fromarray(sample.image).resize(size[::-1], filter_))
    found = [_picture("", image)]
    # On the image in its colours, those of the labels would not be those that are listed.
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    for category, maps in sample.maps.items():
        label_map = dominant_labels(maps)
        labels, counts = np.unique(label_map[label_map > 0], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        rows, columns = (
            np.arange(new) * old // new for new, old in zip(size, label_map.shape, strict=True)
        )
        drawn = label_map[rows[:, None], columns]
        listed, filled = [], np.rint(grey).astype(np.uint8)
        own = places.setdefault(category, {})
        for k in order.tolist():
            where = drawn == labels[k]
            place = own.setdefault(int(labels[k]), len(own))
            colour = _mean(image[where]) if category == "color" else _colour(place)
            share = 1 if category == "color" else FILLED
            filled[where] = np.rint(share * colour + (1 - share) * grey[where])
            name = concept_name(names[labels[k]], category)
            listed.append((_text(colour), name, float(counts[k] / label_map.size)))
        if category != "color":
            filled[_edges(drawn)] = 255
        if listed:
            found.append(_picture(category, filled, listed))
    return found


def _mean(pixels: np.ndarray) -> np.ndarray:
    return pixels.mean(axis=0) if len(pixels) else np.full(3, 127.0)


def _colour(place: int) -> np.ndarray:
    """A colour that differs from those of the places before: hues go by the golden ratio."""
    hue = (0.58 + place * 0.618034) % 1
    return 255 * np.array(colorsys.hsv_to_rgb(hue, *((0.75, 0.95), (0.9, 0.7))[place % 2]))


def _text(colour: np.ndarray) -> str:
    return "#" + "".join(f"{round(value):02x}" for value in colour.tolist())


def _edges(labels: np.ndarray) -> np.ndarray:
    """Where another label begins, bool (height, width)."""
    edges = np.zeros(labels.shape, bool)
    edges[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edges[1:] |= labels[1:] != labels[:-1]
    return edges


def _picture(
    heading: str, pixels: np.ndarray, labels: Sequence[tuple[str, str, float]] = ()
) -> Shown:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", quality=80, method=2)
    source = f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
    height, width = pixels.shape[:2]
    return Shown(
        heading, source, width, height, list(labels[:LABELS]), max(0, len(labels) - LABELS)
    )


def dataset_page(
    template: str,
    run: str,
    statistics: pd.DataFrame,
    concepts: pd.DataFrame,
    samples: Sequence[Sample],
    names: Sequence[str],
    iou_threshold: float,
    reach_note: str,
    origin: Mapping[str, Any] | None,
    configuration: str,
    missing: Sequence[str],
    colours: Mapping[str, str],
) -> str:
    """Return the page, as HTML.

    Parameters
    ----------
    template : str
        Text of workflow/report/dataset.html.
    run : str
        The run's name.
    statistics : DataFrame
        See `dissection.datasets.broden.Broden.statistics`.
    concepts : DataFrame
        See `dissection.scoring.reach.concept_table`.
    samples : sequence of Sample
    names : sequence of str
        Of the labels, by number.
    iou_threshold : float
    reach_note : str
        About concepts that are too large to be detected.
    origin : mapping or None
        Of an imported data set, what `dissection.datasets.masks.origin.write_origin` wrote.
    configuration : str
        YAML, of the data set.
    missing : sequence of str
        Published data sets that it was joined without.
    colours : mapping of category to colour
    """
    place = {category: k for k, category in enumerate(CATEGORIES)}
    rows = [
        {**row, "name": concept_name(row["name"], row["category"])}
        for row in concepts.to_dict("records")
    ]
    rows.sort(key=lambda row: (place[row["category"]], -row["images"], row["name"]))
    covered = concepts.groupby("category")["share"].sum()
    beyond = concepts[~concepts["within_reach"]].groupby("category").size()
    categories = [
        {**row, "share": covered.get(row["category"], 0), "beyond": beyond.get(row["category"], 0)}
        for row in statistics.to_dict("records")
        if row["labels"]
    ]
    places: dict[str, dict[int, int]] = {}
    left_out = origin["left_out"] if origin else {"images": [], "because": ""}
    return render(
        template,
        run=run,
        categories=[row for row in categories if row["category"] != "total"],
        images=int(statistics.set_index("category").loc["total", "images"]),
        concepts=rows,
        samples=[
            {
                "name": sample.name,
                "whole": [
                    (category, concept_name(names[number], category))
                    for category, numbers in sample.whole.items()
                    for number in numbers
                ],
                "pictures": pictures(sample, names, places),
            }
            for sample in samples
        ],
        iou_threshold=iou_threshold,
        reach_note=reach_note,
        origin=origin,
        left_out=left_out["images"][:NAMES],
        more_left_out=max(0, len(left_out["images"]) - NAMES),
        because=left_out["because"],
        configuration=configuration,
        missing=missing,
        colours=dict(colours),
    )
