"""One page to search a concept among the units of all dissected layers of a run."""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

import markupsafe
import pandas as pd

from dissection.categories import CATEGORIES, concept_name
from dissection.report.unit_page import render


class IndexedLayer(NamedTuple):
    """A layer that has a page of its units.

    Attributes
    ----------
    network, layer : str
        For people.
    page : str
        Path of its page, relative to the index; its pictures are in the folder of that name.
    units : DataFrame
        As `scoring.mark_detections` returns it.
    """

    network: str
    layer: str
    page: str
    units: pd.DataFrame


def unit_index(
    template: str,
    run: str,
    layers: Sequence[IndexedLayer],
    iou_threshold: float,
    colours: Mapping[str, str],
) -> str:
    """Return the page, as HTML: its units are drawn as they are scrolled to.

    Parameters
    ----------
    template : str
        Text of workflow/report/index.html.
    run : str
        The run's name.
    layers : sequence of IndexedLayer
    iou_threshold : float
        To be named: what a unit detects is said by the tables.
    colours : mapping of category to colour
    """
    concepts: dict[tuple[str, str], int] = {}
    detectors = []
    for number, layer in enumerate(layers):
        for category in CATEGORIES:
            own = layer.units[layer.units[f"{category}-detects"]]
            columns = (own["unit"], own[f"{category}-label"], own[f"{category}-iou"])
            for unit, label, iou in zip(*columns, strict=True):
                key = (concept_name(label, category), category)
                concept = concepts.setdefault(key, len(concepts))
                detectors.append((number, int(unit), concept, round(float(iou), 4)))
    detectors.sort(key=lambda detector: (-detector[3], *detector[:3]))
    places = [
        {
            "network": layer.network,
            "layer": layer.layer,
            "page": quote(layer.page),
            "pictures": quote(layer.page.removesuffix(".html")),
        }
        for layer in layers
    ]
    return render(
        template,
        run=run,
        layers=places,
        networks=list(dict.fromkeys(layer.network for layer in layers)),
        iou_threshold=iou_threshold,
        colours=dict(colours),
        data=script_json({"layers": places, "concepts": list(concepts), "units": detectors}),
    )


def script_json(value: object) -> markupsafe.Markup:
    """Return JSON that may stand in a script element: nothing in it ends the element.

    Examples
    --------
    >>> script_json({"name": "</script>"})
    Markup('{"name":"\\\\u003c/script>"}')
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return markupsafe.Markup(text.replace("<", "\\u003c"))
