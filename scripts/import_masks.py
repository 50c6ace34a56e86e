"""Turn images with masks into a data set in Broden format."""

from dissection.datasets.broden import Broden
from dissection.datasets.masks.convert import import_masks
from dissection.jobs.logs import log, logged


def main() -> None:
    files, output = snakemake.input, snakemake.output
    import_masks(
        files.images, files.masks, files.labels, output.dataset, snakemake.params.longest_side
    )
    for row in Broden(output.dataset).statistics().itertuples():
        log.info("%s: %d labels, %d images", row.category, row.labels, row.images)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
