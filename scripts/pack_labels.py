"""Pack the label maps of a data set into a memory-mapped store."""

from dissection.categories import use_categories
from dissection.datasets.broden import Broden
from dissection.jobs.logs import logged
from dissection.labels.pack import pack_labels


def main() -> None:
    use_categories(snakemake.params.categories)
    pack_labels(
        Broden(snakemake.input.dataset), snakemake.output.labels, processes=snakemake.threads
    )


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
