"""The names of layers that are known without torch are those of the networks that are built."""

import itertools

import pytest
import torch
import yaml
from repository import ROOT

from dissection.training.architectures import ARCHITECTURES, build
from dissection.training.layer_names import layer_names, layer_units
from dissection.training.tasks import TASKS

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
SMALL = [name for name in ARCHITECTURES if name != "caffenet"]
# The paper's AlexNet takes a second to build: each of its options once.
CASES = [
    *itertools.product(SMALL, ["scene", "colorization"], [0, 0.5], [False, True], ["fc", "gap"]),
    ("caffenet", "scene", 0.5, False, "fc"),
    ("caffenet", "scene", 0, True, "gap"),
]


def test_every_architecture_is_known():
    assert SCHEMA["$defs"]["trained"]["properties"]["architecture"]["enum"] == [
        *SMALL,
        "caffenet",
    ]


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_names_and_units_are_those_of_the_network(case, width):
    keys = ("architecture", "task", "dropout", "batch_norm", "head", "width")
    options = dict(zip(keys, (*case, width), strict=True))
    head = TASKS[options["task"]].head
    network = build({**options, **({"head": head} if head else {})}, 3).eval()
    assert layer_names(options) == [name for name, _ in network.named_modules() if name]
    found = {}
    for name, module in network.named_modules():
        module.register_forward_hook(
            lambda module, inputs, output, name=name: found.update({name: output.shape[1]})
        )
    with torch.inference_mode():
        network(torch.zeros(1, 3, *network.input_size))
    known = layer_units(options)
    assert known == {name: found[name] for name in known}
    # All that has maps, but for the insides of Inceptions and outputs for cells.
    maps = [name for name in layer_names(options) if not name.startswith(("f", "drop", "cells"))]
    assert [n for n in maps if not (n.startswith("inception") and "." in n)] == list(known)
