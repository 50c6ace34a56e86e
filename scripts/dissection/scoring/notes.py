"""What people must know of units and concepts that nothing can be found for, in a sentence.

Logs, pages and figures take their sentences from here. Light: without compiled code.
"""

from collections import Counter
from collections.abc import Iterable

import pandas as pd

from dissection.scoring.detectors import exceeds

SIGNIFICANT = 0.05
CONSTANT, SATURATED, FEW = "constant", "saturated", "too few positions"
REMEDIES = {
    CONSTANT: "one activation everywhere, as of a dead unit",
    SATURATED: "the greatest activation at more than the quantile of the positions, as after a "
    "ReLU6 or a sigmoid: dissect the layer before the activation function",
    FEW: "the quantile of the positions is less than one: dissect more images, or a layer before "
    "its maps are pooled",
}


def firing_note(reasons: Iterable[str]) -> str:
    """Say how many units cannot fire, why, and what to do about it.

    Parameters
    ----------
    reasons : iterable of str
        Of every unit of a layer: the column ``cannot_fire`` of units.csv.

    Returns
    -------
    str
        Empty if all units can fire.

    Examples
    --------
    >>> firing_note(["", "constant", ""])
    '1 of 3 units cannot fire: 1 constant (one activation everywhere, as of a dead unit).'
    """
    reasons = list(reasons)
    counts = Counter(filter(None, reasons))
    if not counts:
        return ""
    causes = [f"{counts[r]} {r} ({remedy})" for r, remedy in REMEDIES.items() if r in counts]
    return f"{counts.total()} of {len(reasons)} units cannot fire: {'; '.join(causes)}."


def chance_note(units: pd.DataFrame, iou_threshold: float) -> str:
    """Say how many detectors have an IoU that chance seldom reaches.

    Parameters
    ----------
    units : DataFrame
        As units.csv, with ``p_value`` if permutations were asked for.
    iou_threshold : float

    Returns
    -------
    str
        Empty without permutations.

    Examples
    --------
    >>> chance_note(pd.DataFrame({"score": [0.2, 0.1, 0], "p_value": [0.01, 0.3, 1]}), 0.04)
    '1 of 2 units that detect a concept have p < 0.05.'
    """
    if "p_value" not in units:
        return ""
    p = units["p_value"][exceeds(units["score"], iou_threshold)]
    found = int((p < SIGNIFICANT).sum())
    return f"{found} of {len(p)} units that detect a concept have p < {SIGNIFICANT:g}."


def reach_note(concepts: pd.DataFrame, iou_threshold: float) -> str:
    """Say how many concepts are too large to be detected.

    Parameters
    ----------
    concepts : DataFrame
        As `reach.concept_table` makes it.
    iou_threshold : float

    Examples
    --------
    >>> reach_note(pd.DataFrame({"within_reach": [True, False, True]}), 0.04)[:54]
    '1 of 3 concepts are too large for an IoU above 0.04, w'
    """
    beyond = len(concepts) - int(concepts["within_reach"].sum())
    return (
        f"{beyond:,} of {len(concepts):,} concepts are too large for an IoU above "
        f"{iou_threshold:g}, where a unit fires at the quantile of all pixels"
    )
