"""Join the raw labels of several sources to the labels of one Broden.

The rules are those by which the released Broden was made: names are claimed by falling frequency;
who comes too late for all of its names is merged with who has them; what is rare is cut.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dissection.errors import InputError

LEAST_FREQUENCY = 10  # images
LEAST_COVERAGE = 0.5  # images' worth of pixels
MOST_LABELS = 65_535  # two channels of a PNG hold a number


@dataclass(frozen=True, slots=True)
class RawLabel:
    """A label of one source, in one category.

    Attributes
    ----------
    source, category : str
    code : int
        By which the source's label maps call it.
    names : tuple of str
        What it may be called, the best first.
    frequency : int
        Images that have it.
    coverage : float
        Its share of their pixels, summed.
    """

    source: str
    category: str
    code: int
    names: tuple[str, ...]
    frequency: int
    coverage: float


@dataclass(slots=True)
class Label:
    """A label of the joined data set.

    Attributes
    ----------
    name : str
    names : list of str
        All that it claims, its own first.
    members : list of RawLabel
    """

    name: str
    names: list[str]
    members: list[RawLabel] = field(default_factory=list)


def claim_names(raw: Sequence[RawLabel], preferred: frozenset[str] = frozenset()) -> list[Label]:
    """Give every raw label its label.

    By falling frequency, a raw label claims those of its names that nobody has claimed yet, and is
    called the first of them. If its best name is a preferred one that somebody has, it is merged
    with that label, to which its other names go, too. If no name is left, it is merged into the
    label that it conflicts with; of several, into the one of nearest mean size (coverage /
    frequency).

    Returns
    -------
    list of Label
        In the order in which they claimed their names.
    """
    owner: dict[str, Label] = {}
    labels: list[Label] = []
    for label in sorted(raw, key=_by_frequency):
        if not label.names or not label.frequency:
            continue
        free = [name for name in label.names if name not in owner]
        best = label.names[0]
        if free and not (best in preferred and best in owner):
            own = Label(free[0], free)
            labels.append(own)
            owner |= dict.fromkeys(free, own)
        elif best in preferred:
            own = owner[best]
            own.names += free
            owner |= dict.fromkeys(free, own)
        else:
            size = label.coverage / label.frequency
            rivals = list({id(owner[name]): owner[name] for name in label.names}.values())
            own = min(rivals, key=lambda rival: abs(_mean_size(rival) - size))
        own.members.append(label)
    return labels


def _by_frequency(label: RawLabel) -> tuple:
    # The rest only makes the order a fixed one.
    return -label.frequency, -label.coverage, label.category, label.names, label.source, label.code


def _mean_size(label: Label) -> float:
    return sum(m.coverage for m in label.members) / sum(m.frequency for m in label.members)


@dataclass(frozen=True, slots=True)
class Totals:
    """Of a label in one category: images that have it, and the sum of its shares of them."""

    frequency: int
    coverage: float


def number_labels(
    totals: Mapping[str, Mapping[str, Totals]],
    least_frequency: int = LEAST_FREQUENCY,
    least_coverage: float = LEAST_COVERAGE,
) -> dict[str, int]:
    """Number the labels that are frequent and large enough, from 1.

    Parameters
    ----------
    totals : mapping of label to mapping of category to Totals
    least_frequency, least_coverage
        Over all categories.

    Returns
    -------
    dict of label to int
        By falling frequency, then coverage, then name.

    Raises
    ------
    InputError
        If no label is left, or more than the format has numbers for.
    """
    overall = {
        name: (sum(t.frequency for t in of.values()), sum(t.coverage for t in of.values()))
        for name, of in totals.items()
    }
    kept = [
        name
        for name, (frequency, coverage) in overall.items()
        if frequency >= least_frequency and coverage >= least_coverage
    ]
    if not 0 < len(kept) <= MOST_LABELS:
        raise InputError(
            f"{len(kept)} labels are left of {len(overall)} after those below "
            f"{least_frequency} images or a coverage of {least_coverage} have been cut; the format "
            f"holds 1 to {MOST_LABELS}. Take other sources."
        )
    kept.sort(key=lambda name: (-overall[name][0], -overall[name][1], name))
    return {name: number for number, name in enumerate(kept, start=1)}
