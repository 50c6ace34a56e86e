"""Unpack a downloaded archive of labelled images."""

from dissection.downloads.receipts import noted_file, other_file_advice
from dissection.downloads.unpack import unpack
from dissection.jobs.logs import logged


def main() -> None:
    note = snakemake.input.archive
    unpack(noted_file(note), snakemake.output.folder, remedy=other_file_advice(note))


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
