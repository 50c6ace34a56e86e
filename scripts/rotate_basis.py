"""Dissect a layer in bases that are rotated step by step towards random ones."""

import math

import pandas as pd
import torch

from dissection.activations.files import open_layer
from dissection.jobs.devices import best_device
from dissection.jobs.files import whole_file
from dissection.jobs.logs import log, logged, progress
from dissection.labels.store import LabelStore
from dissection.networks.load import open_network
from dissection.rotation.accuracy import (
    linear_probe,
    pooled_features,
    rotated_accuracy,
    scene_of_images,
)
from dissection.rotation.dissect import dissect_rotated
from dissection.rotation.matrices import RotationPath, random_rotation
from dissection.scoring.detectors import count_detectors
from dissection.scoring.iou import unit_table
from dissection.training.tasks import TASKS
from dissection.training.train import held_out_batches

RULE = "per_category"  # of the paper's published counts


def main() -> None:
    files, params = snakemake.input, snakemake.params
    layer = snakemake.wildcards.layer
    torch.set_num_threads(params.threads)
    opened = [open_layer(folder, layer) for folder in files.activations]
    shards, geometry = [shard for shard, _ in opened], opened[0][1]
    store = LabelStore(files.labels)

    cases, rotations = [], []
    for seed in params.seeds:
        path = RotationPath(random_rotation(shards[0].shape[1], seed))
        cases += [{"seed": seed, "alpha": alpha} for alpha in params.alphas]
        rotations += [path.power(alpha) for alpha in params.alphas]

    features, scenes = pooled_features(shards), scene_of_images(store)
    accuracies = [math.nan] * len(cases)
    if "trained" in params.network:
        network = open_network(params.network, files.files, snakemake.wildcards.network)
        task = TASKS[params.network["trained"]["task"]]
        model = network.model.to(best_device())
        batches = held_out_batches(files.held_out, task, network.input_size[0])
        accuracies = rotated_accuracy(model, layer, batches, rotations)
    tallies = dissect_rotated(
        shards, rotations, params.quantile, store, geometry, threads=snakemake.threads
    )

    tables = []
    measured = zip(cases, rotations, tallies, accuracies, strict=True)
    for case, R, tally, accuracy in progress(measured, "probes", total=len(cases)):
        probe, spread = linear_probe(features @ R.T, scenes, params.probe_splits, case["seed"])
        units = unit_table(tally, store.names, store.primary)
        counts = count_detectors(units, params.iou_threshold).query("rule == @RULE")
        tables.append(
            counts[["category", "units", "unique"]].assign(
                **case, accuracy=accuracy, probe_accuracy=probe, probe_spread=spread
            )
        )
        log.info(
            "seed %d, alpha %g: %d unique detectors, accuracy %.3f, probe %.3f",
            *(case["seed"], case["alpha"], counts["unique"].iloc[-1], accuracy, probe),
        )
    table = pd.concat(tables, ignore_index=True)
    order = ["seed", "alpha", "category", "units", "unique", "accuracy", "probe_accuracy"]
    with whole_file(snakemake.output.rotation) as path:
        table[[*order, "probe_spread"]].to_csv(path, index=False)


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        main()
