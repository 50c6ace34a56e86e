"""Dissect a layer in bases that are rotated step by step towards random ones."""

import math

import torch

from dissection.activations.files import open_layer
from dissection.jobs.devices import best_device
from dissection.jobs.files import whole_file
from dissection.jobs.logs import logged
from dissection.labels.store import LabelStore
from dissection.networks.load import open_network
from dissection.rotation.accuracy import pooled_features, rotated_accuracy, scene_of_images
from dissection.rotation.dissect import dissect_rotated
from dissection.rotation.table import rotated_bases, rotation_table
from dissection.training.tasks import TASKS
from dissection.training.train import held_out_batches


def main() -> None:
    files, params = snakemake.input, snakemake.params
    layer = snakemake.wildcards.layer
    torch.set_num_threads(params.threads)
    opened = [open_layer(folder, layer) for folder in files.activations]
    shards, geometry = [shard for shard, _ in opened], opened[0][1]
    store = LabelStore(files.labels)
    bases = rotated_bases(shards[0].shape[1], params.seeds, params.alphas)
    rotations = [basis.R for basis in bases]

    accuracies = [math.nan] * len(bases)
    if "trained" in params.network:
        network = open_network(params.network, files.files, snakemake.wildcards.network)
        task = TASKS[params.network["trained"]["task"]]
        model = network.model.to(best_device())
        batches = held_out_batches(files.held_out, task, network.input_size[0])
        accuracies = rotated_accuracy(model, layer, batches, rotations)
    tallies = dissect_rotated(
        shards, rotations, params.quantile, store, geometry, threads=snakemake.threads
    )
    table = rotation_table(
        bases,
        tallies,
        accuracies,
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
