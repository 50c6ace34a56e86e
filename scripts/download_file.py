"""Fetch a file, or check the one that is there, and note where it is and what its hash is."""

from dissection.downloads.hub import HUB, fetch_from_hub
from dissection.downloads.receipts import write_note
from dissection.downloads.registry import fetch_download, read_registry, torchvision_download
from dissection.jobs.logs import log, logged


def main() -> None:
    name, folder = snakemake.params.name, snakemake.params.folder
    if name.startswith(HUB):
        file = fetch_from_hub(name, folder)
    elif "_Weights." in name:
        file = fetch_download(torchvision_download(name), folder)
    else:
        file = fetch_download(read_registry(snakemake.input.registry)[name], folder)
    log.info("%s: %s", file, write_note(snakemake.output[0], file))


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
