"""Fetch a file, or check the one that is there, and note where it is and what its hash is."""

import hashlib
import json

from dissection.files import whole_file
from dissection.logs import log, logged
from dissection.registry import fetch_download, read_registry, torchvision_download


def main() -> None:
    name = snakemake.params.name
    if "_Weights." in name:
        download = torchvision_download(name)
    else:
        download = read_registry(snakemake.input.registry)[name]
    file = fetch_download(download, snakemake.params.folder)
    with file.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    with whole_file(snakemake.output[0]) as path:
        path.write_text(json.dumps({"file": str(file), "sha256": sha256}) + "\n")
    log.info("%s: %s", file, sha256)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
