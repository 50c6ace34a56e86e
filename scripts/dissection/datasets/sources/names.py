"""Names of concepts: from what a source writes to what a label may be called."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dissection.categories import ENDINGS
from dissection.errors import InputError
from dissection.jobs.tables import read_table

RULES = ("prefer", "confusing", "same")
SIDES = ("left", "right", "front", "back", "upper", "lower", "side")
# Of a part's name these are taken off only before a name that is a part without them, too: a
# "back pillow" is no pillow, and a sash knows an upper and a lower one.
PAIRED = ("arm", "ear", "eye", "eyebrow", "foot", "hand", "leg", "shoulder", "wheel", "wing")


@dataclass(frozen=True)
class Synonyms:
    """What a table of synonyms says.

    Attributes
    ----------
    preferred : set of str
        A label that may be called so is called so.
    confusing : mapping of str to set of str
        Names that are left out, by another name of the same label.
    same : mapping of str to str
        Names that stand for another one.
    """

    preferred: frozenset[str] = frozenset()
    confusing: Mapping[str, frozenset[str]] = field(default_factory=dict)
    same: Mapping[str, str] = field(default_factory=dict)


def read_synonyms(path: Path) -> Synonyms:
    """Read a CSV table with the columns rule, name, of, why.

    ``prefer`` has nothing in ``of``; a name is ``confusing`` for labels that may also be called
    what stands in ``of``; a name is the ``same`` as that in ``of``.

    Raises
    ------
    InputError
        If a rule is unknown, contradicts another one, or says no why.
    """
    remedy = "Correct the table."
    table = read_table(path, ["rule", "name", "of", "why"], remedy)
    preferred: set[str] = set()
    confusing: dict[str, frozenset[str]] = {}
    same: dict[str, str] = {}
    for row in table.itertuples():
        problem = None
        if row.rule not in RULES:
            problem = f"the rule '{row.rule}' is none of {', '.join(RULES)}"
        elif not row.name or bool(row.of) == (row.rule == "prefer"):
            problem = "a name is missing, or one too many"
        elif not row.why:
            problem = "why is empty"
        elif row.name in same or (row.rule == "same" and row.of in same):
            problem = f"'{row.name}' or '{row.of}' stands for another name already"
        if problem:
            raise InputError(f"{path}, line {row.Index}: {problem}. {remedy}")
        if row.rule == "prefer":
            preferred.add(row.name)
        elif row.rule == "same":
            same[row.name] = row.of
        else:
            confusing[row.of] = confusing.get(row.of, frozenset()) | {row.name}
    return Synonyms(frozenset(preferred), confusing, same)


def label_names(raw: str, category: str, synonyms: Synonyms) -> tuple[str, ...]:
    """Return what a raw label may be called, the best name first; nothing if it is no label.

    Examples
    --------
    >>> label_names("car, auto", "object", Synonyms()), label_names("airport/airport", "scene",
    ...     Synonyms()), label_names("Plastic - clear", "material", Synonyms())
    (('car', 'auto'), ('airport-s',), ('plastic-clear',))
    >>> label_names("left arm", "part", Synonyms()), label_names("-", "object", Synonyms())
    (('arm',), ())
    """
    names = [
        synonyms.same.get(name, name) for name in _split(raw, category) if name not in ("", "-")
    ]
    left_out = frozenset().union(*(synonyms.confusing.get(name, frozenset()) for name in names))
    names = [name for name in dict.fromkeys(names) if name not in left_out]
    names.sort(key=lambda name: name not in synonyms.preferred)  # stable
    ending = ENDINGS.get(category, "")
    return tuple(name + ending for name in names)


def _split(raw: str, category: str) -> list[str]:
    raw = " ".join(raw.lower().split())
    if category == "scene":
        steps = list(dict.fromkeys(raw.replace(" - ", "/").split("/")))
        return [] if raw.startswith("~") else ["-".join(steps)]
    if category == "material":
        return [name.strip().replace(" - ", "-") for name in raw.split("/")]
    names = [name.strip() for name in raw.split(",")]
    return [without_side(name) for name in names] if category == "part" else names


def without_side(part: str) -> str:
    """Take left, right, and the like off the name of a part that comes in pairs, and persons.

    Examples
    --------
    >>> [without_side(name) for name in ("left front leg", "person head", "back pillow", "back")]
    ['leg', 'head', 'back pillow', 'back']
    """
    words = [word for word in part.split() if word != "person"] or [part]
    kept = [word for word in words if word not in SIDES]
    if not kept:
        return words[-1]
    one_of_two = kept[-1] in PAIRED or not {"left", "right"}.isdisjoint(words)
    return " ".join(kept if one_of_two else words)
