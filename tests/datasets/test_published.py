"""A data set's counts beside the published ones."""

import numpy as np
import pandas as pd
from repository import ROOT

from dissection.datasets.published import differences

PUBLISHED = pd.read_csv(ROOT / "workflow/published/broden.csv")


def test_the_published_counts_agree_with_themselves():
    assert list(differences(PUBLISHED, PUBLISHED)) == []


def test_every_difference_is_named():
    found = PUBLISHED.set_index("category")
    found.loc["object", "labels"] -= 1
    found.loc["scene", "mean_images"] += 2
    found.loc["total", "images"] = 5
    assert list(differences(found.reset_index(), PUBLISHED)) == [
        "object: 583 labels; published are 584.",
        "scene: 40 images per label on average; published are 38.",
        "total: 5 images; published are 63,305.",
    ]


def test_what_was_not_published_and_what_rounding_explains_is_no_difference():
    found = PUBLISHED.set_index("category")
    found.loc[found["images"].isna(), "images"] = 7
    found["mean_images"] = np.where(found["mean_images"].isna(), 3, found["mean_images"] + 0.4)
    assert list(differences(found.reset_index(), PUBLISHED)) == []


def test_means_of_the_released_tables_are_right_where_the_printed_ones_differ():
    found = PUBLISHED.set_index("category")
    assert found.loc[["object", "part"], "released_mean_images"].tolist() == [464.1, 565.9]
    found["mean_images"] = found["released_mean_images"]
    assert list(differences(found.reset_index(), PUBLISHED)) == []
