"""Draw the best detectors of each category on the images that excite them most."""

import json
from pathlib import Path

import numpy as np

from dissection.activations.geometry import Geometry
from dissection.activations.top_images import TopImages
from dissection.categories import use_categories
from dissection.datasets.broden import Broden
from dissection.figures.style import save
from dissection.figures.units import choose_units, unit_detectors, unit_images
from dissection.jobs.logs import logged
from dissection.jobs.results import read_result
from dissection.scoring.detectors import mark_detections

PER_CATEGORY = 3
IMAGES = 6


def main() -> None:
    use_categories(snakemake.params.categories)
    files, params = snakemake.input, snakemake.params
    data = Broden(files.dataset)
    units = read_result(files.units)
    shown = unit_images(
        choose_units(
            mark_detections(units, params.iou_threshold), params.units, PER_CATEGORY, params.layer
        ),
        TopImages.load(files.top_images),
        np.load(files.thresholds),
        data.image_names,
        data.load_image,
        count=IMAGES,
    )
    figure, drawn = unit_detectors(
        shown,
        Geometry.from_json(json.loads(Path(files.geometry).read_text())),
        params.layer,
        title=params.title,
    )
    save(figure, snakemake.output.pdf, snakemake.output.png, drawn, snakemake.output.csv)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
