"""Keep what figures and pages show of a layer's activations, which are not kept themselves."""

import json

import numpy as np

from dissection.activations.files import open_layer
from dissection.activations.histograms import activation_histograms
from dissection.activations.top_images import find_top_images
from dissection.jobs.files import whole_file
from dissection.jobs.logs import log, logged

BINS = 100


def main() -> None:
    layer = snakemake.wildcards.layer
    opened = [open_layer(folder, layer) for folder in snakemake.input.activations]
    shards, geometry = [shard for shard, _ in opened], opened[0][1]

    top_images = find_top_images(shards, snakemake.params.top_images)
    top_images.save(snakemake.output.top_images)
    counts, edges = activation_histograms(shards, top_images.maxima[:, 0], BINS)
    with whole_file(snakemake.output.histograms) as path, path.open("wb") as file:
        np.savez_compressed(file, counts=counts, edges=edges)
    with whole_file(snakemake.output.geometry) as path:
        path.write_text(json.dumps(geometry.to_json(), indent=1) + "\n", encoding="utf-8")
    log.info("%d units, maps of %d x %d", len(counts), geometry.height, geometry.width)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
