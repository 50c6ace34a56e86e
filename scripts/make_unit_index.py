"""Write the page to search a concept among the units of all dissected layers."""

from pathlib import Path

from dissection.categories import CATEGORY_COLORS, use_categories
from dissection.jobs.files import whole_file
from dissection.jobs.logs import log, logged
from dissection.jobs.results import read_result
from dissection.report.unit_index import IndexedLayer, unit_index
from dissection.scoring.detectors import mark_detections


def main() -> None:
    use_categories(snakemake.params.categories)
    files, params = snakemake.input, snakemake.params
    layers = [
        IndexedLayer(*place, mark_detections(read_result(file), params.iou_threshold))
        for place, file in zip(params.layers, files.units, strict=True)
    ]
    template = Path(files.template).read_text(encoding="utf-8")
    page = unit_index(template, params.run, layers, params.iou_threshold, CATEGORY_COLORS)
    with whole_file(snakemake.output.page) as path:
        path.write_text(page, encoding="utf-8")
    log.info("%d layers, %.1f MB without pictures", len(layers), len(page) / 1e6)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
