"""Find the threshold T_k of every unit of a layer, exactly, and the units that never exceed it."""

import json

import numpy as np

from dissection.activations.files import open_layer
from dissection.jobs.files import whole_file
from dissection.jobs.logs import log, logged
from dissection.scoring.thresholds import compute_thresholds, find_silent_units


def main() -> None:
    layer = snakemake.wildcards.layer
    shards = [open_layer(folder, layer)[0] for folder in snakemake.input.activations]
    quantile = snakemake.params.quantile
    thresholds = compute_thresholds(shards, quantile, threads=snakemake.threads)
    silent = find_silent_units(shards, thresholds, quantile)
    with whole_file(snakemake.output.thresholds) as path, path.open("wb") as file:
        np.save(file, thresholds, allow_pickle=False)
    with whole_file(snakemake.output.cannot_fire) as path:
        path.write_text(json.dumps(silent, indent=1) + "\n", encoding="utf-8")
    log.info("%d units, %d of them with a threshold of 0", len(thresholds), (thresholds == 0).sum())


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
