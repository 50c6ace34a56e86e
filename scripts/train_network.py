"""Train one network, or go on with an interrupted training."""

from dissection.jobs.logs import logged
from dissection.training.processors import keep_to_avx2
from dissection.training.train import train


def main() -> None:
    keep_to_avx2()
    output = snakemake.output
    params = snakemake.params
    kept = {"checkpoint_iterations": params.checkpoint_iterations}
    trained = params.trained | {"training": params.trained["training"] | kept}
    train(
        trained,
        snakemake.input.training_set,
        weights=output.weights,
        table=output.training,
        snapshots=output.snapshots,
        unfinished=snakemake.params.unfinished,
        code=[snakemake.input.code],
        # What the training itself leaves of the rule's threads.
        workers=max(0, snakemake.threads - trained["training"]["threads"]),
    )


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
