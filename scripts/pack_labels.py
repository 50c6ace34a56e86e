"""Pack the label maps of a data set into a memory-mapped store."""

from dissection.broden import Broden
from dissection.labels import pack_labels
from dissection.logs import logged


def main() -> None:
    pack_labels(
        Broden(snakemake.input.dataset), snakemake.output.labels, processes=snakemake.threads
    )


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
