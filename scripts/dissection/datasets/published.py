"""How a data set compares with the published counts of Broden (paper, Table 1)."""

import math
from collections.abc import Iterator

import pandas as pd

WORDS = {
    "labels": "{found:,.0f} labels",
    "mean_images": "{found:,.0f} images per label on average",
    "images": "{found:,.0f} images",
}


def differences(statistics: pd.DataFrame, published: pd.DataFrame) -> Iterator[str]:
    """Yield a sentence for every count that differs from the published one.

    Parameters
    ----------
    statistics : DataFrame
        As `broden.Broden.statistics` makes it.
    published : DataFrame
        Columns ``category``, ``labels``, ``mean_images``, ``images``; a count that was not
        published is NaN. Means were published as whole numbers. Where the released tables have
        another mean than the paper printed, ``released_mean_images``, it is right, too.
    """
    rows = statistics.set_index("category")
    for row in published.to_dict("records"):
        for quantity, words in WORDS.items():
            expected, found = row[quantity], rows.loc[row["category"], quantity]
            rounding = (quantity == "mean_images") + 0.5
            released = row.get(f"released_{quantity}", math.nan)
            if math.isnan(expected) or min(abs(found - expected), abs(found - released)) < rounding:
                continue
            yield f"{row['category']}: {words.format(found=found)}; published are {expected:,.0f}."
