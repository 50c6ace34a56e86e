"""Pages that show every unit of a layer, with its pictures in a folder beside, without a server."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import jinja2
import numpy as np
import pandas as pd
from PIL import Image

from dissection.activations.geometry import Geometry, upsample
from dissection.activations.top_images import TopImages
from dissection.categories import CATEGORIES, concept_name
from dissection.figures.darkening import darken_outside

GAP = 3  # pixels between the images of a strip
IMAGE_SIDE = 112  # pixels, of the longer side of an image in a strip
IMAGES = 6  # in a strip, at most


def render(template: str, **values: object) -> str:
    """Fill in a Jinja template of HTML; every value is escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(template).render(values)


def masked_strip(
    images: list[np.ndarray], maps: np.ndarray, threshold: float, geometry: Geometry
) -> Image.Image:
    """Set images side by side, each dark where the unit's binary map is 0.

    Parameters
    ----------
    images : list of uint8 (h, w, 3)
    maps : float32 (images, height, width)
        The unit's activation maps of these images.
    threshold : float
        T_k: the binary map is S > T_k.
    geometry : Geometry
    """
    tiles = []
    for image, activation_map in zip(images, maps, strict=True):
        scale = IMAGE_SIDE / max(image.shape[:2])
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        # Nearest neighbours where an image is enlarged: small images stay sharp.
        filter_ = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
        shown = np.asarray(Image.fromarray(image).resize(size, filter_))
        inside = upsample(activation_map, geometry, *shown.shape[:2]) > threshold
        tiles.append(darken_outside(shown, inside))
    width = sum(tile.shape[1] for tile in tiles) + GAP * max(len(tiles) - 1, 0)
    strip = np.full((max(tile.shape[0] for tile in tiles), width, 3), 255, np.uint8)
    left = 0
    for tile in tiles:
        strip[: tile.shape[0], left : left + tile.shape[1]] = tile
        left += tile.shape[1] + GAP
    return Image.fromarray(strip)


def save_strips(
    folder: Path,
    thresholds: np.ndarray,
    top_images: TopImages,
    geometry: Geometry,
    load_image: Callable[[int], np.ndarray],
) -> list[tuple[int, int]]:
    """Write each unit's strip of images to a folder: ``1.webp`` of the first unit, and so on.

    Parameters
    ----------
    folder : Path
        Must exist.
    thresholds : float32 (units,)
    top_images : TopImages
    geometry : Geometry
    load_image : callable
        From the number of an image to uint8 (h, w, 3).

    Returns
    -------
    list of (width, height)
        Pixels, of each unit's strip.
    """
    sizes = []
    for k, threshold in enumerate(thresholds):
        strip = masked_strip(
            [load_image(int(i)) for i in top_images.images[k, :IMAGES]],
            top_images.maps[k, :IMAGES],
            threshold,
            geometry,
        )
        strip.save(folder / f"{k + 1}.webp", quality=80, method=2)
        sizes.append(strip.size)
    return sizes


def units_page(
    template: str,
    title: str,
    layer: str,
    units: pd.DataFrame,
    pictures: str,
    sizes: Sequence[tuple[int, int]],
    iou_threshold: float,
    notes: Sequence[str],
    colours: Mapping[str, str],
) -> str:
    """Return the page of one layer, as HTML.

    Parameters
    ----------
    template : str
        Text of workflow/report/units.html.
    title, layer : str
        The network's readable name, and its layer.
    units : DataFrame
        As `scoring.unit_table` makes it, best first, with ``cannot_fire`` and the columns of
        `scoring.mark_detections`; with ``p_value`` if permutations were asked for.
    pictures : str
        Name of the folder beside the page that `save_strips` wrote to.
    sizes : sequence of (width, height)
        As of `save_strips`.
    iou_threshold : float
        To be named: what a unit detects is said by the table.
    notes : sequence of str
        About chance, about units that cannot fire; those that are empty are left out.
    colours : mapping of category to colour
    """
    rows = []
    for row in units.to_dict("records"):
        width, height = sizes[row["unit"] - 1]
        concepts = [
            {
                "category": category,
                "label": concept_name(row[f"{category}-label"], category),
                "iou": row[f"{category}-iou"],
                "detects": row[f"{category}-detects"],
            }
            for category in CATEGORIES
            if row[f"{category}-label"]
        ]
        rows.append(
            {
                "number": row["unit"],
                "score": row["score"],
                "p": row.get("p_value"),
                "category": row["category"],
                "label": concept_name(row["label"], row["category"]),
                "detects": row["detects"],
                "cannot_fire": row["cannot_fire"],
                "search": " ".join(concept["label"] for concept in concepts if concept["detects"]),
                "concepts": sorted(concepts, key=lambda concept: -concept["iou"]),
                "width": width,
                "height": height,
            }
        )
    detecting = [row["category"] for row in rows if row["detects"]]
    return render(
        template,
        title=title,
        layer=layer,
        units=rows,
        pictures=pictures,
        address=quote(pictures, safe=""),
        detecting=len(detecting),
        counts={category: detecting.count(category) for category in CATEGORIES},
        iou_threshold=iou_threshold,
        notes=[note for note in notes if note],
        colours=dict(colours),
    )
