"""Unpack a downloaded archive of Broden, and compare its counts with the published ones."""

import pandas as pd

from dissection.datasets.broden import Broden
from dissection.datasets.published import differences
from dissection.downloads.receipts import noted_file
from dissection.downloads.unzip import unpack
from dissection.jobs.logs import log, logged


def main() -> None:
    unpack(noted_file(snakemake.input.archive), snakemake.output.dataset)
    statistics = Broden(snakemake.output.dataset).statistics()
    log.info("The data set has\n%s", statistics.to_string(index=False))
    different = list(differences(statistics, pd.read_csv(snakemake.input.published)))
    for sentence in different:
        log.warning("Not as published: %s", sentence)
    if not different:
        log.info("All counts are as published.")


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
