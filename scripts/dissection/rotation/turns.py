"""How many rotated bases are dissected at a time, and the memory that this takes.

Without NumPy: the rule that asks for the memory reckons with the same functions.
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from dissection.scoring.memory import tally_bytes, thresholds_bytes

T = TypeVar("T")

BUDGET = 4_000_000_000  # bytes for the bases of a turn; a single one may take more
# Of float64, while a path of rotations is found or a step of it: the path itself and temporaries.
PATH_MATRICES = 7
# Of float64 values: the features, the rotated ones, and copies of those in a linear probe.
PROBE_COPIES = 6


def basis_bytes(units: int, labels: int) -> int:
    """Return what a basis takes: R in float64 and float32, a threshold counter, a tally."""
    return 12 * units**2 + thresholds_bytes(units) + tally_bytes(1, units, labels)


def path_bytes(units: int, threads: int) -> int:
    """Return what is needed beside the bases: for their path, and R in float32 for a thread."""
    return (8 * PATH_MATRICES + 4 * threads) * units**2


def bases_at_once(units: int, labels: int, threads: int) -> int:
    """Return how many bases the budget has room for, at least 1.

    Examples
    --------
    >>> bases_at_once(256, 1197, threads=4), bases_at_once(4096, 1197, threads=4)
    (56, 2)
    """
    return max(1, (BUDGET - path_bytes(units, threads)) // basis_bytes(units, labels))


def rotation_bytes(images: int, units: int, labels: int, bases: int, threads: int) -> int:
    """Return what grows with the layer, the labels and the bases: for a turn, and for probes."""
    at_once = min(bases, bases_at_once(units, labels, threads))
    turn = path_bytes(units, threads) + at_once * basis_bytes(units, labels)
    return turn + 8 * PROBE_COPIES * images * units


def in_turns(items: Iterable[T], at_once: int) -> Iterator[list[T]]:
    """Yield the items by so many. Each list is emptied when the next one is asked for.

    Otherwise a turn would still be in memory while the next one is made.

    Examples
    --------
    >>> [list(turn) for turn in in_turns("abcde", 2)]
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    turn: list[T] = []
    for item in items:
        turn.append(item)
        del item
        if len(turn) == at_once:
            yield turn
            turn.clear()
    if turn:
        yield turn
