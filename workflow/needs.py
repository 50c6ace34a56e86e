"""What a job needs: memory, from the shapes of its inputs, and time."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dissection.activations.top_images import top_images_bytes
from dissection.jobs.arrays import ARRAY_FILE_ERRORS, array_shape
from dissection.rotation.turns import rotation_bytes
from dissection.scoring.memory import scoring_bytes, tally_bytes, thresholds_bytes

# Bytes that a job's data take, from its wildcards and inputs.
Size = Callable[[Any, Any], int]


def minutes(limit: int) -> Callable[..., int]:
    """Return the time for a job; a second attempt gets twice that."""
    return lambda wildcards, attempt: attempt * limit


def memory(least: int, size: Size | None = None) -> Callable[..., int]:
    """Return MB for a job: the least, and what its data take; a second attempt gets twice that."""

    def mem_mb(wildcards: Any, input: Any, attempt: int) -> int:
        try:
            data = size(wildcards, input) if size else 0
        except ARRAY_FILE_ERRORS:
            # Inputs that another job makes, of the same group or earlier: they count nothing yet.
            # A damaged one is a matter of the job.
            data = 0
        return attempt * (least + math.ceil(data / 1e6))

    return mem_mb


class Sizes:
    """What the data of jobs take, as the library's own formulas tell it.

    Parameters
    ----------
    config : mapping
        As `dissection.config.validation.complete` returns it.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._dissection, self._rotation = config["dissection"], config["rotation"]

    def thresholds(self, wildcards: Any, input: Any) -> int:
        """Return the bytes of `compute_thresholds`."""
        return thresholds_bytes(_maps_shape(wildcards, input)[1])

    def top_images(self, wildcards: Any, input: Any) -> int:
        """Return the bytes of `summarize_activations`."""
        images, units, height, width = _maps_shape(wildcards, input)
        kept = min(images, self._dissection["top_images"])
        return top_images_bytes(units, kept, height * width)

    def tally(self, wildcards: Any, input: Any) -> int:
        """Return the bytes of `tally_overlaps`."""
        units = _maps_shape(wildcards, input)[1]
        return tally_bytes(self._dissection["bootstrap_blocks"], units, _labels(input))

    def scoring(self, wildcards: Any, input: Any) -> int:
        """Return the bytes of `score_units`."""
        blocks, units, labels = array_shape(input.tallies[0], "intersection")
        return scoring_bytes(blocks, units, labels - 1, self._dissection["bootstrap_samples"])

    def rotation(self, wildcards: Any, input: Any) -> int:
        """Return the bytes of `rotate_basis`."""
        images, units = _maps_shape(wildcards, input)[:2]
        bases = len(self._rotation["seeds"]) * len(self._rotation["alphas"])
        threads = self._dissection["threads"]
        return rotation_bytes(images, units, _labels(input), bases, threads)


def _maps_shape(wildcards: Any, input: Any) -> tuple[int, ...]:
    """Images, units, height and width of the activations of a job's layer."""
    folders = [input.activations] if isinstance(input.activations, str) else input.activations
    shapes = [array_shape(f"{folder}/{wildcards.layer}.npy") for folder in folders]
    return sum(shape[0] for shape in shapes), *shapes[0][1:]


def _labels(input: Any) -> int:
    """How many labels a job's data set has."""
    return len(json.loads(Path(input.labels, "store.json").read_text())["names"]) - 1
