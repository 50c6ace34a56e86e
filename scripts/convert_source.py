"""Read a published data set's images and labels, once, at their full size."""

from pathlib import Path

from dissection.datasets.sources.color_table import own_table, paper_table
from dissection.datasets.sources.convert import convert_source
from dissection.datasets.sources.table import RELEASED_SIZES, SOURCES
from dissection.downloads.receipts import noted_file, other_file_advice
from dissection.jobs.logs import log, logged


def main() -> None:
    files, params = snakemake.input, snakemake.params
    source = SOURCES[snakemake.wildcards.source]
    log.info("%s. %s", source.title, source.licence)
    (note,) = files.colors or [None]
    colors = paper_table(noted_file(note), other_file_advice(note)) if note else own_table()
    folders = dict(zip(params.roles, map(Path, files.archives), strict=True))
    convert_source(
        source.open(params.edition, folders),
        Path(snakemake.output.converted),
        params.size,
        RELEASED_SIZES[params.size],
        colors,
        processes=snakemake.threads,
    )


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
