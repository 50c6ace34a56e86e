"""Run a network over one shard of the images and keep the activation maps of its layers."""

from pathlib import Path

from dissection.activations import cache_activations, shard_ranges
from dissection.broden import Broden
from dissection.logs import logged
from dissection.networks import load_network


def main() -> None:
    params = snakemake.params
    broden = Broden(snakemake.input.dataset)
    weights = Path(snakemake.input.weights)
    if weights.is_dir():  # snapshots: the iteration stands behind the network's name
        weights /= f"{snakemake.wildcards.network.rpartition('@')[2]}.pt"
    shards = shard_ranges(len(broden), params.shards, params.batch_size)
    cache_activations(
        load_network(params.network, weights),
        params.network["layers"],
        broden.load_image,
        shards[int(snakemake.wildcards.shard)],
        snakemake.output.activations,
        dtype=params.precision,
        batch_size=params.batch_size,
        threads=params.threads,
        image_names=broden.image_names,
    )


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
