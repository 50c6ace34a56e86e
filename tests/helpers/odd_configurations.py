"""Configurations that nobody should write, and some that look odd but are right.

Each has a verdict: REFUSED, or in words why it is accepted.
"""

import copy
import math
from collections.abc import Iterator
from typing import Any

import yaml
from repository import ROOT

REFUSED = "refused"
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
SMOKE = yaml.safe_load((ROOT / "config/smoke.yaml").read_text())

# Values of every type and some edges; what is right for one key is wrong for another.
VALUES: list[Any] = [
    *(None, True, -1, 0, 1.5, 2.0, 10**12, -(10**12), 1e-300, math.nan, math.inf, -math.inf),
    *("", " ", "x", "7", "1e999", "{x}", "../x", "a/b", "\N{SNOWMAN}", "x" * 300, "no"),
    *([], [1], ["x"], [None], [[]], {}, {"x": 1}, {7: 1}, {None: 1}),
]


def changed(*changes: tuple[str, Any], base: dict | None = None) -> dict:
    """Return the smoke configuration with some keys set; DELETE takes one out."""
    config = copy.deepcopy(SMOKE if base is None else base)
    for path, value in changes:
        *parents, last = path.split("/")
        place = config
        for key in parents:
            place = place.setdefault(key, {})
        if value is DELETE:
            del place[last]
        else:
            place[last] = value
    return config


DELETE = object()


def resolved(schema: dict) -> dict:
    if "$ref" not in schema:
        return schema
    name = schema["$ref"].rpartition("/")[2]
    return SCHEMA["$defs"][name] | {k: v for k, v in schema.items() if k != "$ref"}


def leaves(schema: dict = SCHEMA, path: str = "") -> Iterator[tuple[str, dict]]:
    """Yield the path and the schema of every key that may stand in a configuration."""
    schema = resolved(schema)
    if path:
        yield path, schema
    for key, entry in schema.get("properties", {}).items():
        yield from leaves(entry, f"{path}/{key}" if path else key)
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        yield from leaves(others, f"{path}/alexnet")
