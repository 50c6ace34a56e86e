"""Rotations and probes have the same bits, whatever the number of threads that BLAS may use.

Snakemake tells BLAS in the environment of each job how many threads the job has, and --cores can
lower that.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from repository import SCRIPTS

THREADS = (1, 2)
SIZES = [(350, 100), (500, 72), (650, 256)]  # images and units that BLAS shares among threads
PROGRAM = """
import json, sys
from test_threads import computed
print(json.dumps(computed()))
"""


def computed():
    """What each function returns, by name and size, as a hash of its bits."""
    from sklearn.svm import LinearSVC

    from dissection.rotation.accuracy import linear_probe, rotated_features
    from dissection.rotation.matrices import RotationPath, random_rotation, rotate

    decided = []
    decide = LinearSVC.decision_function

    def note(machine, features):
        decided.append(decide(machine, features))
        return decided[-1]

    LinearSVC.decision_function = note
    found = {}
    for images, units in SIZES:
        rng = np.random.default_rng(images)
        features = rng.random((images, units))
        Q = random_rotation(units, seed=1)
        R = RotationPath(Q).power(0.5)
        maps = rng.random((16, units, 13, 13), np.float32)
        linear_probe(features, np.arange(images) % 40 + 1, splits=2, seed=0)
        results = {
            "random_rotation": Q,
            "power": R,
            "rotate": rotate(maps, R),
            "rotated_features": rotated_features(features, R),
            "linear_probe": np.concatenate(decided),
            "a product without the guard": features @ R.T,
        }
        for name, array in results.items():
            found[f"{name}, {images} x {units}"] = hashlib.sha256(array.tobytes()).hexdigest()
    return found


@pytest.fixture(scope="module")
def bits():
    """What `computed` finds in a process of its own, by number of threads."""
    here = Path(__file__).parent
    path = os.pathsep.join(map(str, (SCRIPTS, here, here.parent / "helpers")))
    found = {}
    for threads in THREADS:
        numbers = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
        program = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=os.environ | numbers | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        )
        found[threads] = json.loads(program.stdout)
    return found


def test_bits_do_not_depend_on_the_number_of_threads(bits):
    one, two = (bits[threads] for threads in THREADS)
    differing = [name for name in one if one[name] != two[name]]
    assert [name for name in differing if "without the guard" not in name] == []
    if not differing:
        pytest.skip("BLAS gives these products the same bits with one thread and two, unguarded")
