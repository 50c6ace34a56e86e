"""Networks trained here: their heads, their snapshots, and the preprocessing of their training."""

import numpy as np
import pytest
import torch
from small_networks import same_weights

from dissection.networks.load import load_network, open_network
from dissection.training.architectures import PUBLISHED, build

torch.set_num_threads(1)


@pytest.mark.parametrize(
    "options", [{"task": "scene"}, {"task": "colorization"}, {"task": "scene", "head": "gap"}]
)
def test_a_network_trained_here(tmp_path, options):
    torch.manual_seed(4)
    head = {"head": "cells"} if options["task"] == "colorization" else {}
    model = build({**PUBLISHED, "architecture": "alexnet", **options, **head}, 6).eval()
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    trained = PUBLISHED | {"architecture": "alexnet"} | options
    spec = {"title": "A", "layers": ["conv5"], "trained": trained}
    network = load_network(spec, [tmp_path / "weights.pt"])
    assert same_weights(network.model, model)
    assert network.input_size == (64, 64)
    image = np.full((64, 64, 3), 179, np.uint8)
    assert network.preprocess(image).unique().tolist() == [1.0]  # (179 - 115) / 64


def test_a_snapshot_is_named_by_its_iteration(tmp_path):
    options = PUBLISHED | {"architecture": "alexnet"}
    models = {iteration: build(options, 6).eval() for iteration in (0, 20)}
    for iteration, model in models.items():
        torch.save(model.state_dict(), tmp_path / f"{iteration}.pt")
    spec = {"trained": options | {"task": "scene"}}
    for iteration, model in models.items():
        network = open_network(spec, [tmp_path, "scripts/some_code.py"], f"alexnet@{iteration}")
        assert same_weights(network.model, model)
