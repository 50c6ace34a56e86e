"""Show on one page what is in the data set, and where it comes from."""

import json
from pathlib import Path

import yaml

from dissection.categories import CATEGORY_COLORS, use_categories
from dissection.datasets.broden import Broden
from dissection.figures.samples import Sample, choose_images
from dissection.jobs.files import whole_file
from dissection.jobs.logs import log, logged
from dissection.jobs.results import read_result
from dissection.report.dataset_page import dataset_page
from dissection.scoring.notes import reach_note

SAMPLES = 12


def main() -> None:
    use_categories(snakemake.params.categories)
    files, params = snakemake.input, snakemake.params
    data = Broden(files.dataset)
    samples = [
        Sample(data.image_names[i], data.load_image(i), *data.load_labels(i))
        for i in choose_images(data.load_labels, len(data), SAMPLES)
    ]
    concepts = read_result(files.concepts)
    origin = json.loads(Path(files.origin).read_text(encoding="utf-8")) if files.origin else None
    page = dataset_page(
        Path(files.template).read_text(encoding="utf-8"),
        params.run,
        data.statistics(),
        concepts,
        samples,
        data.names,
        params.iou_threshold,
        f"{reach_note(concepts.within_reach, params.iou_threshold)}.",
        origin,
        yaml.safe_dump(dict(params.configuration), sort_keys=False, allow_unicode=True),
        params.missing,
        CATEGORY_COLORS,
    )
    with whole_file(snakemake.output.page) as path:
        path.write_text(page, encoding="utf-8")
    log.info("%d concepts, %.1f MB", len(concepts), len(page) / 1e6)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
