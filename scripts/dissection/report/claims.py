"""The slides' claims as tests on tables, with criteria that were fixed beforehand.

A measure turns tables into an `Effect`: how far the run points the claimed way, the standard error
of that, and what else differs between the networks compared; or into None if the run has no
networks, rotation or snapshots for the claim. A criterion turns an effect into a verdict, the same
way for every claim.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from dissection.categories import BRODENS_COLORS
from dissection.errors import InputError
from dissection.jobs.schemas import read_yaml, schema_problems
from dissection.report.groups import TIMES_SPREAD, Accuracy, confounding, difference_of_means
from dissection.scoring.detectors import PUBLISHED_RULE, TOP_LABEL

COLUMNS = (
    *("id", "slide", "statement", "published", "measured"),
    *("effect", "spread", "criterion", "verdict", "confounded"),
    *("measured_top_label", "verdict_top_label", "figure"),
)


@dataclass(frozen=True)
class Effect:
    """What a measure found.

    Attributes
    ----------
    size : float
        Positive if the run points the claimed way; not a number if the run lacks what it takes.
    spread : float
        Standard error of `size`; not a number if the run has nothing to estimate it from.
    measured : str
        The numbers behind it, for a person.
    confounded : str
        What differs besides, and may be the reason; empty if nothing is known to.
    """

    size: float
    spread: float
    measured: str
    confounded: str = ""


NOT_ROTATED_FULLY = Effect(
    math.nan, math.nan, "rotation.alphas lacks 0 or 1, none and a full rotation"
)
NO_PROBE = Effect(math.nan, math.nan, "no linear probe: too few images of the data set have scenes")


@dataclass(frozen=True)
class Evidence:
    """The tables that claims are judged by.

    Attributes
    ----------
    detectors : mapping of (network, layer) to rows of detectors.csv
        Of one rule of counting: ``category``, ``unique``, ``unique_se``.
    layers : mapping of network to its dissected layers, from input to output
    groups : mapping of a group's name to its networks; the group "baseline" holds networks that
        differ in nothing but their seed
    rotations : mapping of (network, layer) to rows of rotation.csv
        Of the same rule.
    iterations : sequence of (iteration, network), ascending
    accuracies : mapping of network to its accuracy, of those that were trained here
    """

    detectors: Mapping[tuple[str, str], pd.DataFrame]
    layers: Mapping[str, Sequence[str]]
    groups: Mapping[str, Sequence[str]]
    rotations: Mapping[tuple[str, str], pd.DataFrame] = field(default_factory=dict)
    iterations: Sequence[tuple[int, str]] = ()
    accuracies: Mapping[str, Accuracy] = field(default_factory=dict)

    def count(
        self, network: str, layer: str | None = None, categories: Sequence[str] | None = None
    ) -> tuple[float, float]:
        """Return unique detectors of a layer (the last one), and their bootstrap standard error.

        The standard error of several categories' sum takes them as independent.
        """
        table = self.detectors[network, layer or self.layers[network][-1]]
        rows = table.set_index("category").loc[list(categories) if categories else ["total"]]
        return float(rows["unique"].sum()), float(np.sqrt((rows["unique_se"] ** 2).sum()))


def difference(evidence: Evidence, claim: Mapping) -> Effect | None:
    """Compare the mean unique detectors of two groups of networks.

    Spread: of both groups' seeds, or else of the baseline's, and of the bootstrap over images (see
    `groups.difference_of_means`).
    """
    categories = claim.get("categories")
    groups = [evidence.groups.get(claim[key], ()) for key in ("more", "fewer")]
    if not all(groups):
        return None
    baseline = evidence.groups.get("baseline", ())
    counts = [[evidence.count(name, None, categories) for name in group] for group in groups]
    unique = [[count for count, _ in group] for group in counts]
    images = [float(np.mean([error**2 for _, error in group])) for group in counts]
    seeds = [evidence.count(name, None, categories)[0] for name in baseline]
    size, spread = difference_of_means(unique, images, seeds)
    text = f"{np.mean(unique[0]):.1f} against {np.mean(unique[1]):.1f}"
    return Effect(size, spread, text, confounding(groups, baseline, evidence.accuracies))


def emergence(evidence: Evidence, claim: Mapping) -> Effect | None:
    """Compare the last layer's unique detectors with the most of the first two layers'.

    Spread: bootstrap over images.
    """
    if not evidence.groups.get("baseline"):
        return None
    network = evidence.groups["baseline"][0]
    layers = evidence.layers[network]
    if len(layers) < 3:
        return Effect(math.nan, math.nan, "fewer than three layers were dissected")
    last, last_error = evidence.count(network, layers[-1], claim["categories"])
    early = [evidence.count(network, layer, claim["categories"]) for layer in layers[:2]]
    most, error = max(early)
    text = f"{last:.0f} in {layers[-1]}, at most {most:.0f} in {layers[0]} and {layers[1]}"
    return Effect(last - most, math.hypot(last_error, error), text)


def rotation_fall(evidence: Evidence, claim: Mapping) -> Effect | None:
    """Return the share of unique detectors that a full rotation removes.

    Spread: between random rotations, or else between networks if several are rotated; and by the
    bootstrap for the unrotated count.
    """
    if not evidence.rotations:
        return None
    if not all(map(_rotated_fully, evidence.rotations.values())):
        return NOT_ROTATED_FULLY
    starts, ends, between, images = [], [], [], []
    for key, table in evidence.rotations.items():
        before, after = _rotated(table, "unique")
        start, end = before.mean(), after.mean()
        if start == 0:
            return Effect(math.nan, math.nan, "no detectors before the rotation")
        starts.append(start)
        ends.append(end)
        between.append(_standard_error(after))
        images.append(end / start * evidence.count(*key)[1])
    if len(starts) == 1:
        (start,), (end,) = starts, ends
        spread = math.hypot(between[0], images[0]) / start
        return Effect(1 - end / start, spread, f"{start:.0f} to {end:.1f} ({end / start - 1:+.0%})")
    falls = 1 - np.divide(ends, starts)
    # All are dissected with the same images: more networks do not average that part away.
    error = np.sqrt(np.mean(np.divide(images, starts) ** 2))
    text = f"{np.mean(starts):.1f} to {np.mean(ends):.1f} ({-falls.mean():+.0%}), mean of networks"
    return Effect(float(falls.mean()), math.hypot(_standard_error(falls), error), text)


def rotation_accuracy(evidence: Evidence, claim: Mapping) -> Effect | None:
    """Return the change of the linear probe's accuracy by a full rotation.

    Spread: between random rotations, or else between networks if several are rotated. The network's
    own accuracy does not change by construction and is no evidence.
    """
    if not evidence.rotations:
        return None
    if not all(map(_rotated_fully, evidence.rotations.values())):
        return NOT_ROTATED_FULLY
    pairs = [_rotated(table, "probe_accuracy") for table in evidence.rotations.values()]
    if any(np.isnan(pair).any() for pair in pairs):
        return NO_PROBE
    changes = [after - before for before, after in pairs]
    spread = changes[0] if len(changes) == 1 else np.array([one.mean() for one in changes])
    first, last = (np.mean([pair[i].mean() for pair in pairs]) for i in (0, 1))
    text = f"linear probe {first:.3f} to {last:.3f}"
    return Effect(float(spread.mean()), _standard_error(spread), text)


def growth(evidence: Evidence, claim: Mapping) -> Effect | None:
    """Return Spearman's rank correlation of iteration and unique detectors.

    Spread: the standard error of a rank correlation between unrelated quantities, 1/sqrt(n - 1).
    """
    if not evidence.iterations:
        return None
    if len(evidence.iterations) < 3:
        return Effect(math.nan, math.nan, "fewer than three snapshots in this run")
    table = pd.DataFrame(
        [(iteration, evidence.count(name)[0]) for iteration, name in evidence.iterations],
        columns=["iteration", "unique"],
    )
    correlation = table["iteration"].rank().corr(table["unique"].rank())
    first, last = table.iloc[0], table.iloc[-1]
    text = (
        f"{first['unique']:.0f} at iteration {first['iteration']:.0f}, "
        f"{last['unique']:.0f} at {last['iteration']:.0f}; rank correlation {correlation:.2f}"
    )
    return Effect(float(correlation), 1 / math.sqrt(len(table) - 1), text)


def variation(evidence: Evidence, claim: Mapping) -> Effect | None:
    """Return the standard deviation of unique detectors between seeds, relative to their mean.

    Spread: the standard error of a standard deviation of n normal values, sd / sqrt(2 (n - 1)).
    """
    if not evidence.groups.get("baseline"):
        return None
    counts = [evidence.count(name)[0] for name in evidence.groups["baseline"]]
    if len(counts) < 2 or np.mean(counts) == 0:
        return Effect(math.nan, math.nan, "fewer than two seeds in this run")
    relative = float(np.std(counts, ddof=1) / np.mean(counts))
    listed = ", ".join(f"{count:.0f}" for count in counts)
    text = f"{listed}: standard deviation {relative:.0%} of the mean"
    return Effect(relative, relative / math.sqrt(2 * (len(counts) - 1)), text)


MEASURES: dict[str, Callable[[Evidence, Mapping], Effect | None]] = {
    measure.__name__: measure
    for measure in (difference, emergence, rotation_fall, rotation_accuracy, growth, variation)
}


# Of workflow/claims.yaml.
SCHEMA = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "additionalProperties": False,
        "required": ["figure", "statement", "published", "measure", "criterion"],
        "properties": {
            "figure": {"type": "string", "pattern": r"^slide\d\d_\w+\Z"},
            "statement": {"type": "string"},
            "published": {"type": "string"},
            "measure": {"enum": list(MEASURES)},
            "more": {"type": "string"},
            "fewer": {"type": "string"},
            "categories": {"type": "array", "items": {"enum": list(BRODENS_COLORS)}},
            "criterion": {
                "if": {"type": "object"},
                "then": {
                    "additionalProperties": False,
                    "required": ["margin"],
                    "properties": {"margin": {"type": "number", "exclusiveMinimum": 0}},
                },
                "else": {"enum": ["direction"]},
            },
        },
    },
}


def read_claims(file: str | Path) -> list[dict]:
    """Read the claims and their criteria, each with its name as ``id``.

    Parameters
    ----------
    file : path
        workflow/claims.yaml, which explains its keys.

    Raises
    ------
    InputError
        With every mistake found: the claim, the key, what is allowed.
    """
    claims = read_yaml(file)
    problems = schema_problems(claims, SCHEMA)
    if problems:
        raise InputError(f"{file} has mistakes:\n  " + "\n  ".join(problems))
    return [{"id": name, **claim} for name, claim in claims.items()]


def verdict(effect: Effect, criterion: str | Mapping) -> str:
    """Return ``replicated``, ``not replicated`` or ``inconclusive``.

    Examples
    --------
    >>> verdict(Effect(5, 2, ""), "direction"), verdict(Effect(-5, 2, ""), "direction")
    ('replicated', 'not replicated')
    >>> verdict(Effect(3, 2, ""), "direction")
    'inconclusive'
    >>> verdict(Effect(0.001, 0.004, ""), {"margin": 0.02})
    'replicated'
    """
    noise = TIMES_SPREAD * effect.spread
    if math.isnan(effect.size) or math.isnan(noise):
        return "inconclusive"
    if criterion == "direction":
        holds, fails = effect.size > noise, effect.size < -noise
    else:
        margin = criterion["margin"]
        holds, fails = abs(effect.size) + noise <= margin, abs(effect.size) - noise > margin
    return "replicated" if holds else "not replicated" if fails else "inconclusive"


def judge(claims: Sequence[Mapping], evidence: Mapping[str, Evidence]) -> pd.DataFrame:
    """Return one row a claim that the run has something for, with the columns `COLUMNS`.

    Claims are judged by the counts that the published ones follow; what was measured and the
    verdict if every unit counts once, for its best concept, stand beside it.

    Parameters
    ----------
    claims : sequence of mappings
        As `read_claims` returns them.
    evidence : mapping of a rule of counting (`detectors.RULES`) to Evidence
    """
    table, other = (_judged(claims, evidence[rule]) for rule in (PUBLISHED_RULE, TOP_LABEL))
    for column in ("measured", "verdict"):
        table[f"{column}_{TOP_LABEL}"] = other[column]
    return table[list(COLUMNS)]


def _judged(claims: Sequence[Mapping], evidence: Evidence) -> pd.DataFrame:
    rows = []
    for claim in claims:
        criterion = claim["criterion"]
        effect = MEASURES[claim["measure"]](evidence, claim)
        if effect is None:
            continue
        words = (
            f"effect > {TIMES_SPREAD:g} spread"
            if criterion == "direction"
            else f"|effect| + {TIMES_SPREAD:g} spread <= {criterion['margin']:g}"
        )
        rows.append(
            {
                **{key: claim[key] for key in ("id", "figure", "statement", "published")},
                "slide": int(claim["figure"].removeprefix("slide")[:2]),
                "measured": effect.measured,
                "effect": effect.size,
                "spread": effect.spread,
                "criterion": words,
                "verdict": verdict(effect, criterion),
                "confounded": effect.confounded,
            }
        )
    return pd.DataFrame(rows, columns=[name for name in COLUMNS if TOP_LABEL not in name])


def _rotated_fully(rotation: pd.DataFrame) -> bool:
    return {0, 1} <= set(rotation["alpha"])


def _rotated(rotation: pd.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    """A column's totals without a rotation and at a full one, by seed."""
    table = rotation[rotation["category"] == "total"].pivot(
        index="seed", columns="alpha", values=column
    )
    return table[0].to_numpy(float), table[1].to_numpy(float)


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan
