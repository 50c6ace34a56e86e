"""Draw the mini-Broden data set."""

from dissection.datasets.drawn.dataset import draw_broden
from dissection.jobs.logs import logged


def main() -> None:
    draw_broden(
        snakemake.output.dataset,
        seed=snakemake.params.seed,
        scene_images=snakemake.params.scene_images,
        texture_images=snakemake.params.texture_images,
        processes=snakemake.threads,
    )


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
