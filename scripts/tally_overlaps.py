"""Count the pixels that binary maps and labels share, in one shard of the images."""

from functools import partial

import numpy as np

from dissection.activations.files import open_layer
from dissection.activations.shards import shard_ranges
from dissection.categories import use_categories
from dissection.jobs.files import whole_folder
from dissection.jobs.logs import log, logged, progress
from dissection.labels.store import LabelStore
from dissection.scoring.counting import tally_overlaps
from dissection.scoring.permutations import permuted_images


def main() -> None:
    use_categories(snakemake.params.categories)
    activations, geometry = open_layer(snakemake.input.activations, snakemake.wildcards.layer)
    store = LabelStore(snakemake.input.labels)
    params = snakemake.params
    images = shard_ranges(len(store), params.shards, params.batch_size)[
        int(snakemake.wildcards.shard)
    ]
    tally = partial(
        tally_overlaps,
        activations,
        np.load(snakemake.input.thresholds),
        store,
        geometry,
        first_image=images.start,
        threads=snakemake.threads,
    )
    # The control: every image with the labels of another one, drawn once for the whole data set.
    shuffled = np.random.default_rng(params.seed).permutation(len(store))
    for labels, target in ((None, snakemake.output.tally), (shuffled, snakemake.output.chance)):
        tally(blocks=params.blocks, label_images=labels).save(target)
    for target in snakemake.output.permuted:
        with whole_folder(target) as folder:
            for number in progress(range(1, params.permutations + 1), "permutations"):
                labels = permuted_images(len(store), params.seed, number)
                tally(label_images=labels).save(folder / f"{number}.npz")
    log.info("%d images, %d units", len(images), activations.shape[1])


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
