"""Join converted data sets to one Broden, and compare its counts with the published ones."""

from pathlib import Path

from dissection.datasets.broden import Broden
from dissection.datasets.published import differences
from dissection.datasets.sources.combine import combine
from dissection.datasets.sources.names import read_synonyms
from dissection.datasets.sources.table import RELEASED_SIZES, SOURCES, missing
from dissection.jobs.logs import log, logged
from dissection.jobs.results import read_result


def main() -> None:
    files, params, output = snakemake.input, snakemake.params, snakemake.output
    for name, edition in params.editions.items():
        source = SOURCES[name]
        shown = name if edition is True else f"{name} ({edition})"
        log.info("%s: %s. Licence: %s", shown, source.title, source.licence)
    combine(
        dict(zip(params.editions, map(Path, files.sources), strict=True)),
        Path(output.dataset),
        params.size,
        RELEASED_SIZES[params.size],
        read_synonyms(Path(files.synonyms)),
        processes=snakemake.threads,
    )
    statistics = Broden(output.dataset).statistics()
    log.info("The data set has\n%s", statistics.to_string(index=False))
    for absent in missing(params.editions):
        log.warning("Missing of what the released Broden has: %s", absent)
    for sentence in differences(statistics, read_result(files.published)):
        log.info("Other than the released Broden: %s", sentence)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
