"""Unpack a downloaded archive of Broden."""

import json
from pathlib import Path

from dissection.broden import Broden
from dissection.logs import log, logged
from dissection.unpack import unpack


def main() -> None:
    archive = json.loads(Path(snakemake.input.archive).read_text(encoding="utf-8"))["file"]
    unpack(archive, snakemake.output.dataset)
    log.info("%d images", len(Broden(snakemake.output.dataset)))


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
