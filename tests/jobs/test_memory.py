"""Memory that a process keeps."""

import platform
import subprocess
import sys

from repository import SCRIPTS

FAULTS = """
import resource, sys
sys.path.insert(0, sys.argv[2])
import numpy as np
from dissection.jobs.memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
np.ones(5_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(5_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how):
    command = [sys.executable, "-c", FAULTS, how, str(SCRIPTS)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_freed_memory_is_used_again():
    kept = faults("keep")
    assert kept < faults("give back") / 10 or platform.libc_ver()[0] != "glibc"
