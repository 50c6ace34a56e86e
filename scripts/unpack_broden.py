"""Unpack a downloaded archive of Broden, and compare its counts with the published ones."""

from pathlib import Path

from dissection.datasets.published import differences
from dissection.datasets.released import released_statistics
from dissection.downloads.receipts import noted_file, other_file_advice
from dissection.downloads.unpack import unpack
from dissection.jobs.logs import log, logged
from dissection.jobs.results import read_result


def main() -> None:
    note = snakemake.input.archive
    archive, advice = noted_file(note), other_file_advice(note)

    def compare(folder: Path) -> None:
        statistics = released_statistics(folder, archive, advice)
        log.info("The data set has\n%s", statistics.to_string(index=False))
        different = list(differences(statistics, read_result(snakemake.input.published)))
        for sentence in different:
            log.warning("Not as published: %s", sentence)
        if not different:
            log.info("All counts are as published.")

    unpack(archive, snakemake.output.dataset, check=compare, remedy=advice)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
