"""Turn labelled images into a data set in Broden format, and note where it comes from."""

from dissection.categories import use_categories
from dissection.datasets.broden import Broden
from dissection.datasets.masks.forms import import_form
from dissection.datasets.masks.origin import write_origin
from dissection.jobs.logs import log, logged


def main() -> None:
    use_categories(snakemake.params.categories)
    files, output, params = snakemake.input, snakemake.output, snakemake.params
    left_out = import_form(params.form, params.options, output.dataset, snakemake.threads)
    broden = Broden(output.dataset)
    statistics = broden.statistics()
    log.info("%d images, %d left out", len(broden), len(left_out))
    for row in statistics[statistics["labels"] > 0].itertuples():
        log.info("%s: %d labels, %d images", row.category, row.labels, row.images)
    write_origin(
        output.origin, params.form, params.options, files.files, files.archive, statistics, left_out
    )


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
