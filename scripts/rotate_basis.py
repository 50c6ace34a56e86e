"""Dissect a layer in bases that are rotated step by step towards random ones."""

import math
from collections.abc import Sequence

import torch

from dissection.activations.files import open_layer
from dissection.categories import use_categories
from dissection.jobs.devices import best_device, device_name
from dissection.jobs.files import whole_file
from dissection.jobs.logs import log, logged
from dissection.labels.store import LabelStore
from dissection.networks.load import open_network
from dissection.rotation.accuracy import pooled_features, rotated_accuracy, scene_of_images
from dissection.rotation.dissect import dissect_rotated
from dissection.rotation.matrices import Basis, rotated_bases
from dissection.rotation.table import rotation_table
from dissection.rotation.turns import bases_at_once
from dissection.scoring.tally import Tally
from dissection.training.tasks import TASKS
from dissection.training.train import held_out_batches


def main() -> None:
    use_categories(snakemake.params.categories)
    files, params = snakemake.input, snakemake.params
    layer = snakemake.wildcards.layer
    torch.set_num_threads(params.threads)
    opened = [open_layer(folder, layer) for folder in files.activations]
    shards, geometry = [shard for shard, _ in opened], opened[0][1]
    store = LabelStore(files.labels)
    units, threads, device = shards[0].shape[1], snakemake.threads, best_device()
    log.info("Rotating %d units; on: %s", units, device_name(device))
    trained = params.network.get("trained")
    if trained:
        network = open_network(params.network, files.files, snakemake.wildcards.network)
        model = network.model.to(device)

    def measure(bases: Sequence[Basis]) -> tuple[list[Tally], list[float]]:
        accuracies = [math.nan] * len(bases)
        if trained:
            task, size = TASKS[trained["task"]], network.input_size[0]
            batches = held_out_batches(files.held_out, task, size)
            accuracies = rotated_accuracy(model, layer, batches, [basis.R for basis in bases])
        tallies = dissect_rotated(shards, bases, params.quantile, store, geometry, threads, device)
        return tallies, accuracies

    table = rotation_table(
        rotated_bases(units, params.seeds, params.alphas),
        bases_at_once(units, store.n_labels, threads),
        measure,
        pooled_features(shards),
        scene_of_images(store),
        store.names,
        store.primary,
        params.iou_threshold,
        params.probe_splits,
    )
    with whole_file(snakemake.output.rotation) as path:
        table.to_csv(path, index=False)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
