"""Counts of detectors as the tables that bar plots take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from dissection.categories import CATEGORIES

COLUMNS = ["bar", "category", "value", "low", "high", "chance"]


@dataclass(frozen=True)
class Panel:
    """One set of axes of a bar plot.

    Attributes
    ----------
    table : DataFrame
        Columns ``bar`` (a name; the order of first appearance is kept), ``category`` (one of the
        six, or "total"), ``value``, and ``low``, ``high``, ``chance``, which may be NaN. A
        category that a bar lacks counts as 0; a bar without a total has the sum as its total; a
        bar without any value is unknown.
    label : str
        What is counted. Panels with the same label share one scale.
    heading : str
    unknown : str
        What stands in the place of an unknown bar.
    """

    table: pd.DataFrame
    label: str
    heading: str = ""
    unknown: str = "–"


def detector_table(counts: Mapping[str, pd.DataFrame], rule: str, value: str) -> pd.DataFrame:
    """Take one count of several dissected layers, as the table of a `Panel`.

    Parameters
    ----------
    counts : mapping from a bar's name to a DataFrame
        Columns ``rule``, ``category``, the value's own, and its ``_low``, ``_high`` and
        ``chance_`` columns.
    rule : str
        One of the tables' rules.
    value : {"unique", "units"}
    """
    rows = [
        pd.DataFrame(
            {
                "bar": name,
                "category": table["category"],
                "value": table[value],
                "low": table[f"{value}_low"],
                "high": table[f"{value}_high"],
                "chance": table[f"chance_{value}"],
            }
        )[(table["rule"] == rule).to_numpy()]
        for name, table in counts.items()
    ]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=COLUMNS)


def mean_counts(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the mean counts of networks that differ in their seed alone, for `detector_table`.

    Parameters
    ----------
    tables : sequence of DataFrame
        Of each network, with rows alike. A single one is returned as it is.

    Returns
    -------
    DataFrame
        The means of ``units`` and ``unique``, and of their ``chance_`` columns; ``_low`` and
        ``_high`` are the 95 % interval of the mean by Student's t over the networks, which ends
        at 0.
    """
    if len(tables) == 1:
        return tables[0]
    mean = tables[0][["rule", "category"]].copy()
    for value in ("units", "unique"):
        values = np.array([table[value] for table in tables], float)
        error = values.std(axis=0, ddof=1) / np.sqrt(len(tables))
        reach = stdtrit(len(tables) - 1, 0.975) * error
        mean[value] = values.mean(axis=0)
        mean[f"{value}_low"] = np.maximum(mean[value] - reach, 0)
        mean[f"{value}_high"] = mean[value] + reach
        chance = f"chance_{value}"
        mean[chance] = np.mean([table[chance] for table in tables], axis=0)
    return mean


def with_bars(table: pd.DataFrame, bars: Sequence[str]) -> pd.DataFrame:
    """Return the table of a `Panel` with these bars, in their order; new ones are unknown."""
    known = set(table["bar"])
    new = [{"bar": bar, "category": "total"} for bar in bars if bar not in known]
    table = pd.concat([table, pd.DataFrame(new, columns=COLUMNS)]) if new else table
    order = {bar: place for place, bar in enumerate(bars)}
    return table.sort_values("bar", key=lambda names: names.map(order), kind="stable")


def published_table(published: pd.DataFrame) -> pd.DataFrame:
    """Turn the unique detectors of the paper's released counts into the table of a `Panel`.

    Parameters
    ----------
    published : DataFrame
        One row a network: ``title``, ``unique_<category>``; NaN where a network has no published
        counts.
    """
    rows = []
    for _, network in published.iterrows():
        counts = {c: network[f"unique_{c}"] for c in CATEGORIES if f"unique_{c}" in network}
        for category, count in [*counts.items(), ("total", sum(counts.values()))]:
            rows.append((network["title"], category, count, np.nan, np.nan, np.nan))
    return pd.DataFrame(rows, columns=COLUMNS)


def complete(table: pd.DataFrame) -> pd.DataFrame:
    """Return a panel's table with all categories and a total for every bar, in their order.

    Raises
    ------
    ValueError
        For a category of another name, or a bar whose categories do not add up to its total.
    """
    unknown = set(table["category"]) - {*CATEGORIES, "total"}
    if unknown:
        raise ValueError(f"unknown categories: {sorted(unknown)}")
    rows = []
    for bar in dict.fromkeys(table["bar"]):
        own = table[table["bar"] == bar].set_index("category")
        own = own.reindex([*CATEGORIES, "total"], columns=COLUMNS[2:])
        own["value"] = own["value"].astype(float)
        if own["value"].isna().all():
            rows.append(own.rename_axis("category").reset_index().assign(bar=bar))
            continue
        parts = own.loc[list(CATEGORIES), "value"].fillna(0)
        own.loc[list(CATEGORIES), "value"] = parts
        if np.isnan(own.loc["total", "value"]):
            own.loc["total", "value"] = parts.sum()
        if not np.isclose(parts.sum(), own.loc["total", "value"]):
            raise ValueError(
                f"the categories of {bar!r} add up to {parts.sum():g}, its total is "
                f"{own.loc['total', 'value']:g}: these cannot be stacked"
            )
        rows.append(own.rename_axis("category").reset_index().assign(bar=bar))
    if not rows:
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat(rows, ignore_index=True)[COLUMNS]
