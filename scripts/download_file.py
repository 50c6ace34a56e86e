"""Fetch a file, or check the one that is there, and note where it is and what its hash is."""

from dissection.downloads.receipts import write_note
from dissection.downloads.registry import fetch_named
from dissection.jobs.logs import log, logged


def main() -> None:
    params = snakemake.params
    file = fetch_named(params.name, snakemake.input.registry, params.folder)
    log.info("%s: %s", file, write_note(snakemake.output[0], file))


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
