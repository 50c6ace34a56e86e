"""The memory that scoring takes, by units and labels: what grows with a layer, in bytes.

Without NumPy: the rules that ask for the memory reckon with the same functions.
"""

from dissection.categories import CATEGORIES

BOOTSTRAP_VALUES = 4_000_000  # IoUs held at a time while resampling: 32 MB an array
# While resampled detectors are counted, a unit and sample: best labels and IoUs (72 bytes), which
# are detected by either rule, and the sorted labels of these.
RESAMPLED_BYTES = 280
BOOTSTRAP_ARRAYS = 8  # of BOOTSTRAP_VALUES float64, while these are computed


def thresholds_bytes(units: int) -> int:
    """Return the size of a `thresholds.ThresholdCounter`; half of that where values are few."""
    return units * 256 * 2**10


def tally_bytes(blocks: int, units: int, labels: int) -> int:
    """Return the size of a `tally.Tally`.

    Examples
    --------
    >>> tally_bytes(32, 4096, 1197)
    1262792192
    """
    return 8 * blocks * (units * (labels + 1 + len(CATEGORIES)) + labels + 1)


def scoring_bytes(blocks: int, units: int, labels: int, samples: int) -> int:
    """Return what summing tallies, with two in memory, and resampling them takes."""
    values = max(BOOTSTRAP_VALUES, samples * (labels + 1))
    resampling = samples * (8 * 2 * blocks + RESAMPLED_BYTES * units)
    return 2 * tally_bytes(blocks, units, labels) + resampling + 8 * BOOTSTRAP_ARRAYS * values
