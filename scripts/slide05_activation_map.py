"""Draw how a unit's activation map becomes a binary map."""

import json
from pathlib import Path

import numpy as np

from dissection.activations.geometry import Geometry
from dissection.activations.top_images import TopImages
from dissection.categories import use_categories
from dissection.datasets.broden import Broden
from dissection.figures.activation import activation_maps
from dissection.figures.style import save
from dissection.figures.units import best_unit, named_units, unit_images
from dissection.jobs.logs import logged
from dissection.jobs.results import read_result


def main() -> None:
    use_categories(snakemake.params.categories)
    files, params = snakemake.input, snakemake.params
    data = Broden(files.dataset)
    units = read_result(files.units)
    chosen = named_units(units, params.units or best_unit(units), params.layer)
    shown = unit_images(
        chosen,
        TopImages.load(files.top_images),
        np.load(files.thresholds),
        data.image_names,
        data.load_image,
        count=1,
    )
    with np.load(files.histograms) as histograms:
        counts = histograms["counts"][chosen["unit"] - 1]
        edges = histograms["edges"][chosen["unit"] - 1]

    figure, drawn = activation_maps(
        shown,
        counts,
        edges,
        Geometry.from_json(json.loads(Path(files.geometry).read_text())),
        params.layer,
        params.quantile,
        title=params.title,
    )
    save(figure, snakemake.output.pdf, snakemake.output.png, drawn, snakemake.output.csv)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
