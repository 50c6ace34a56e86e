"""Trainings compute with AVX2, whatever else the processor has."""

import os
import re
import subprocess
import sys

import pytest
import torch
from repository import SCRIPTS
from workflow_runs import snakemake

from dissection.training.processors import VARIABLES

NETWORK = "results/smoke/networks/gap"
# As train_network.py: everything is imported before.
COMPUTE = """
import sys
sys.path.insert(0, sys.argv[1])
import torch
import dissection.training.train
from dissection.training.processors import keep_to_avx2
keep_to_avx2()
torch.nn.Conv2d(16, 16, 3)(torch.randn(2, 16, 8, 8)).sum().backward()
print("ATen:", torch.backends.cpu.get_cpu_capability())
"""

pytestmark = pytest.mark.skipif(
    not torch.cpu._is_avx2_supported(), reason="the processor has no AVX2"
)


def compute(**environment):
    """Compute in a fresh process; return the instructions that ATen and oneDNN use there."""
    clean = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    output = subprocess.run(
        [sys.executable, "-c", COMPUTE, str(SCRIPTS)],
        **{"check": True, "capture_output": True, "text": True},
        env=clean | {"ONEDNN_VERBOSE": "1"} | environment,
    ).stdout
    return re.search("ATen: (.+)", output)[1], re.search("cpu,isa:(.+)", output)[1]


def test_avx2_and_nothing_wider():
    assert compute() == ("AVX2", "Intel AVX2")


def test_what_the_user_says_counts():
    found = compute(ATEN_CPU_CAPABILITY="default", ONEDNN_MAX_CPU_ISA="SSE41")
    assert found == ("DEFAULT", "Intel SSE4.1")


@pytest.mark.workflow
def test_jobs_that_train_keep_to_it(copy, monkeypatch):
    monkeypatch.setenv("ONEDNN_VERBOSE", "1")
    result = snakemake(copy, f"{NETWORK}/weights.pt", "--forcerun", "train_network")
    assert result.returncode == 0, result.stdout
    assert set(re.findall(r"cpu,isa:(.+)", result.stdout)) == {"Intel AVX2"}
