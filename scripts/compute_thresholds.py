"""Find the threshold T_k of every unit of a layer, exactly, over all shards."""

import numpy as np

from dissection.activations.files import open_layer
from dissection.jobs.files import whole_file
from dissection.jobs.logs import log, logged
from dissection.scoring.thresholds import compute_thresholds


def main() -> None:
    layer = snakemake.wildcards.layer
    shards = [open_layer(folder, layer)[0] for folder in snakemake.input.activations]
    thresholds = compute_thresholds(shards, snakemake.params.quantile, threads=snakemake.threads)
    with whole_file(snakemake.output.thresholds) as path, path.open("wb") as file:
        np.save(file, thresholds, allow_pickle=False)
    log.info("%d units, %d of them with a threshold of 0", len(thresholds), (thresholds == 0).sum())


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
