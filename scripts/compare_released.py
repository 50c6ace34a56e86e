"""Compare a layer's units with a released table of the same units."""

from pathlib import Path

import numpy as np

from dissection.downloads.receipts import noted_file
from dissection.jobs.files import whole_file
from dissection.jobs.logs import log, logged
from dissection.jobs.results import read_result
from dissection.scoring.agreement import (
    agreement_note,
    compare_categories,
    compare_labels,
    compare_units,
    read_released,
)


def main() -> None:
    files, threshold = snakemake.input, snakemake.params.iou_threshold
    released = Path(files.released)
    table = read_released(noted_file(released) if released.suffix == ".json" else released)
    agreement = compare_units(read_result(files.units), table, np.load(files.thresholds))
    categories = compare_categories(agreement, threshold)
    for result, target in (
        (agreement, snakemake.output.agreement),
        (compare_labels(agreement, threshold), snakemake.output.labels),
        (categories, snakemake.output.categories),
    ):
        with whole_file(target) as path:
            result.to_csv(path, index=False)
    log.info("%s", agreement_note(agreement, categories))


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
