"""Draw the labelled images that networks are trained on."""

from dissection.datasets.drawn.dataset import draw_training_set
from dissection.jobs.logs import logged


def main() -> None:
    draw_training_set(
        snakemake.output.training_set,
        content=snakemake.wildcards.content,
        seed=snakemake.params.seed,
        images=snakemake.params.images,
        held_out=snakemake.params.held_out,
        processes=snakemake.threads,
    )


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
