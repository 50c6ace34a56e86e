"""The state of an unfinished training on disk, from which it goes on as if undisturbed."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from dissection.jobs.files import whole_file


class Stateful(Protocol):
    """A part of a training with a state of its own, such as a network or an optimizer."""

    def state_dict(self) -> dict: ...

    def load_state_dict(self, state_dict: dict) -> object: ...


class TrainingState:
    """What is kept of an unfinished training, and loaded again if there is something to load.

    Parameters
    ----------
    folder : path
        Emptied if it does not hold a state of the same fingerprint.
    fingerprint : str
        Of everything that the weights depend on.
    parts : sequence of Stateful
        Get the kept state.

    Attributes
    ----------
    iteration : int
        Finished iterations.
    rows : list of dict
        Of the table of accuracies so far.
    losses : list of float
        Of the iterations since the last row.
    """

    def __init__(self, folder: Path, fingerprint: str, parts: Sequence[Stateful]) -> None:
        self._file = folder / "state.pt"
        self._fingerprint = fingerprint
        self._parts = parts
        self._generators: dict | None = None
        self.iteration, self.rows, self.losses = 0, [], []
        # To the CPU: the state may have been kept on a machine with a GPU.
        state = (
            torch.load(self._file, map_location="cpu", weights_only=True)
            if self._file.is_file()
            else {}
        )
        if state.get("fingerprint") != fingerprint:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
            return
        for part, content in zip(parts, state["parts"], strict=True):
            if content:  # a gradient scaler that is not used has none
                part.load_state_dict(content)
        self.iteration, self.rows, self.losses = (
            state[key] for key in ("iteration", "rows", "losses")
        )
        self._generators = state["generators"]

    def keep(self, rng: np.random.Generator) -> None:
        """Keep the state, with those of torch's global generators and the given one."""
        content = {
            "fingerprint": self._fingerprint,
            "iteration": self.iteration,
            "rows": self.rows,
            "losses": self.losses,
            "parts": [part.state_dict() for part in self._parts],
            "generators": {
                "numpy": json.dumps(rng.bit_generator.state),
                "torch": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
            },
        }
        with whole_file(self._file) as partial:
            torch.save(content, partial)

    def restore_generators(self, rng: np.random.Generator) -> None:
        """Set torch's global generators and the given one to where they were."""
        if self._generators is None:
            return
        rng.bit_generator.state = json.loads(self._generators["numpy"])
        torch.set_rng_state(self._generators["torch"])
        if self._generators["cuda"] is not None and torch.cuda.is_available():
            torch.cuda.set_rng_state(self._generators["cuda"])
