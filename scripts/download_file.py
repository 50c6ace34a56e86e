"""Fetch a file, or check the one that is there, and note where it is and what its hash is."""

from dissection.downloads.receipts import write_note
from dissection.downloads.registry import fetch_download, read_registry, torchvision_download
from dissection.jobs.logs import log, logged


def main() -> None:
    name = snakemake.params.name
    if "_Weights." in name:
        download = torchvision_download(name)
    else:
        download = read_registry(snakemake.input.registry)[name]
    file = fetch_download(download, snakemake.params.folder)
    log.info("%s: %s", file, write_note(snakemake.output[0], file))


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
