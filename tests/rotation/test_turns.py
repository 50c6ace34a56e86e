"""The memory of a rotated layer keeps to what the rule asks for, however many bases there are."""

import json
import os
import subprocess
import sys

import pytest
from repository import ROOT, SCRIPTS

from dissection.rotation.turns import (
    BUDGET,
    bases_at_once,
    basis_bytes,
    in_turns,
    path_bytes,
    rotation_bytes,
)

UNITS, LABELS, IMAGES, SCENES = 640, 300, 200, 4
TURNS = (2, 6)
# In processes of their own: a peak is a process's. `turns` says how many bases at a time.
PROGRAM = """
import json, os, sys
from pathlib import Path
import numpy as np
from dissection.activations.geometry import Geometry
from dissection.datasets.broden import Broden
from dissection.labels.pack import pack_labels
from dissection.labels.store import LabelStore
from dissection.rotation.accuracy import pooled_features
from dissection.rotation.dissect import dissect_rotated
from dissection.rotation.matrices import rotated_bases
from dissection.rotation.table import rotation_table
from broden_folder import random_broden

folder, units, images, seeds, *turns = sys.argv[1], *map(int, sys.argv[2:])
rng = np.random.default_rng(0)
broden = Broden(random_broden(Path(folder) / "data", rng, n_images=images))
pack_labels(broden, f"{folder}/labels")
store = LabelStore(f"{folder}/labels")
maps = rng.random((images, units, 2, 2)).astype(np.float16)
geometry = Geometry(2, 2, 8, 8, centre=(1.0, 1.0), stride=(4.0, 4.0), size=(2, 2))
scenes = np.arange(images) % 4

def table(seeds, at_once, units=units):
    own = maps[:, :units]
    def measure(bases):
        return dissect_rotated([own], bases, 0.01, store, geometry, 2), [0.5] * len(bases)
    return rotation_table(
        rotated_bases(units, seeds, [0, 0.5, 1]), at_once, measure, pooled_features([own]),
        scenes, store.names, store.primary, 0.04, 3,
    )

def peak():  # not of getrusage, which begins with that of the process that started this one
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])

table([1], 1, units=8)  # compiled, and libraries loaded
for at_once in turns:
    if os.fork() == 0:
        before = peak()
        found = table(range(seeds), at_once)
        print(json.dumps({"bytes": 1024 * (peak() - before), "labels": store.n_labels,
                          "table": found.to_csv(index=False)}), flush=True)
        os._exit(0)
    if os.wait()[1]:
        sys.exit(1)
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Peak memory and the table, by the number of bases at a time."""
    arguments = [str(n) for n in (tmp_path_factory.mktemp("turns"), UNITS, IMAGES, 2, *TURNS)]
    path = os.pathsep.join([str(SCRIPTS), str(ROOT / "tests/helpers")])
    program = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert program.returncode == 0, program.stderr
    return dict(zip(TURNS, map(json.loads, program.stdout.splitlines()), strict=True))


def test_the_table_does_not_depend_on_the_turns(measured):
    assert measured[2]["table"] == measured[6]["table"]


@pytest.mark.parametrize("at_once", TURNS)
def test_peak_memory_is_what_the_formula_says(measured, monkeypatch, at_once):
    labels = measured[at_once]["labels"]
    room = path_bytes(UNITS, 2) + at_once * basis_bytes(UNITS, labels)
    monkeypatch.setattr("dissection.rotation.turns.BUDGET", room)
    asked = rotation_bytes(IMAGES, UNITS, labels, 6, 2)
    assert bases_at_once(UNITS, labels, 2) == at_once
    # The formula takes the larger of two sizes of a counter: half of it may not be needed.
    assert 0.3 * asked < measured[at_once]["bytes"] < asked + 60e6


def test_many_units_stay_within_the_budget_but_for_features():
    for units in (64, 256, 1000, 4096):
        for bases in (1, 18, 5000):
            assert rotation_bytes(0, units, 1200, bases, 2) <= BUDGET
    assert bases_at_once(30_000, 1200, 2) == 1


def test_a_turn_is_empty_once_the_next_is_asked_for():
    turns = in_turns(range(5), 2)
    first = next(turns)
    assert first == [0, 1]
    next(turns)
    assert first != [0, 1]
