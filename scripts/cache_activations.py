"""Run a network over one shard of the images and keep the activation maps of its layers."""

from dissection.activations.cache import cache_activations
from dissection.activations.shards import shard_ranges
from dissection.categories import use_categories
from dissection.datasets.broden import Broden
from dissection.jobs.logs import logged
from dissection.networks.load import open_network


def main() -> None:
    use_categories(snakemake.params.categories)
    params = snakemake.params
    broden = Broden(snakemake.input.dataset)
    shards = shard_ranges(len(broden), params.shards, params.batch_size)
    cache_activations(
        open_network(
            params.network, snakemake.input.files, snakemake.wildcards.network, params.layers
        ),
        params.layers,
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
