"""Trainings that end with the same weights on different processors."""

import os

import torch

# AVX2 is what nearly all x86 processors have. Of ATen, oneDNN and MKL, in their words.
VARIABLES = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2"}


def keep_to_avx2() -> None:
    """Let this process compute with AVX2, where the processor has it, and with nothing wider.

    Sums are rounded otherwise with AVX-512, and a training makes such differences grow until its
    network is another one, as with another seed. With AVX2 the default run's trainings take at most
    a tenth longer (benchmarks/README.md). A forward pass amplifies nothing and keeps to what is
    fastest.

    The libraries look at these variables when they first compute, so that it is too late for a
    process that has computed. What the environment says already is left as it is.
    """
    if torch.cpu._is_avx2_supported():  # the public `get_capabilities` is newer
        for name, value in VARIABLES.items():
            os.environ.setdefault(name, value)
