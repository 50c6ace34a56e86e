"""Unpack a downloaded archive of images and labels; a table alone is copied."""

import shutil

from dissection.downloads.receipts import noted_file, other_file_advice
from dissection.downloads.unpack import unpack
from dissection.jobs.files import whole_folder
from dissection.jobs.logs import logged


def main() -> None:
    note, folder = snakemake.input.archive, snakemake.output.folder
    file = noted_file(note)
    if file.suffix == ".txt":
        with whole_folder(folder) as partial:
            shutil.copyfile(file, partial / file.name)
    else:
        unpack(file, folder, remedy=other_file_advice(note))


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
