"""Write down which labelled images a folder has."""

from dissection.jobs.logs import logged
from dissection.training.image_folder import index_images


def main() -> None:
    index_images(snakemake.params.folder, snakemake.output.index)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
