"""What people must know of units and concepts that nothing can be found for, in a sentence.

Logs, pages and figures take their sentences from here. Light: without compiled code or pandas.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

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


def reach_note(concepts: pd.DataFrame, iou_threshold: float) -> str:
    """Say how many concepts are too large to be detected.

    Parameters
    ----------
    concepts : DataFrame
        As `reach.concept_table` makes it.
    iou_threshold : float

    Examples
    --------
    >>> import pandas as pd
    >>> reach_note(pd.DataFrame({"within_reach": [True, False, True]}), 0.04)[:54]
    '1 of 3 concepts are too large for an IoU above 0.04, w'
    """
    beyond = len(concepts) - int(concepts["within_reach"].sum())
    return (
        f"{beyond:,} of {len(concepts):,} concepts are too large for an IoU above "
        f"{iou_threshold:g}, where a unit fires at the quantile of all pixels"
    )
