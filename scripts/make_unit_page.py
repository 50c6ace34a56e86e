"""Write the page that shows every unit of one layer."""

import functools
import json
from pathlib import Path

import numpy as np

from dissection.activations.geometry import Geometry
from dissection.activations.top_images import TopImages
from dissection.categories import CATEGORY_COLORS, use_categories
from dissection.datasets.broden import Broden
from dissection.jobs.files import whole_file, whole_folder
from dissection.jobs.logs import log, logged
from dissection.jobs.results import read_result
from dissection.report.unit_page import save_strips, units_page
from dissection.scoring.detectors import chance_note, mark_detections
from dissection.scoring.notes import firing_note


def main() -> None:
    use_categories(snakemake.params.categories)
    files, params = snakemake.input, snakemake.params
    units = read_result(files.units)
    with whole_folder(snakemake.output.pictures) as folder:
        sizes = save_strips(
            folder,
            np.load(files.thresholds),
            TopImages.load(files.top_images),
            Geometry.from_json(json.loads(Path(files.geometry).read_text(encoding="utf-8"))),
            # The images that excite one unit often excite others too.
            functools.lru_cache(maxsize=4096)(Broden(files.dataset).load_image),
        )
    page = units_page(
        Path(files.template).read_text(encoding="utf-8"),
        params.title,
        params.layer,
        mark_detections(units, params.iou_threshold),
        Path(snakemake.output.pictures).name,
        sizes,
        params.iou_threshold,
        [chance_note(units, params.iou_threshold), firing_note(units["cannot_fire"])],
        CATEGORY_COLORS,
    )
    with whole_file(snakemake.output.page) as path:
        path.write_text(page, encoding="utf-8")
    log.info("%d units, %.1f MB without pictures", len(units), len(page) / 1e6)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
