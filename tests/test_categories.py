"""Names of concepts for people: only what Broden itself adds to a name is taken off."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mask_folder import labels, run, save_image, save_mask, write_table

from dissection.categories import (
    BRODENS_COLORS,
    CATEGORIES,
    CATEGORY_COLORS,
    concept_name,
    use_categories,
)
from dissection.datasets.broden import Broden
from dissection.errors import InputError
from dissection.labels.pack import pack_labels
from dissection.labels.store import LabelStore
from dissection.scoring.detectors import count_detectors
from dissection.scoring.iou import unit_table
from dissection.scoring.tally import Tally

NAMES = st.text("abc -", min_size=1)


@given(NAMES, st.sampled_from(CATEGORIES), st.sampled_from(["-c", "-s"]))
def test_an_ending_is_taken_off_in_its_own_category_once(name, category, ending):
    own = {"color": "-c", "scene": "-s"}.get(category) == ending
    assert concept_name(name + ending, category) == (name if own else name + ending)


@pytest.mark.parametrize("category", [*CATEGORIES, ""])
def test_other_names_keep_all_but_underscores(category):
    assert concept_name("t-shirt_rack-x", category) == "t-shirt rack-x"
    assert concept_name("", category) == ""


OWN = {"organ": "#332288", "part": "#123456"}


@pytest.fixture
def own():
    use_categories(OWN)
    yield
    use_categories({})


def test_own_categories_come_after_brodens(own):
    assert list(CATEGORIES) == [*BRODENS_COLORS, "organ"]
    assert CATEGORIES[-1] == "organ" and CATEGORIES.index("organ") == 6 and "organ" in CATEGORIES
    assert CATEGORY_COLORS["part"] == "#123456"
    use_categories({})
    assert list(CATEGORIES) == list(BRODENS_COLORS) and CATEGORY_COLORS == BRODENS_COLORS


def test_own_categories_from_masks_to_detectors(own, tmp_path):
    save_image(tmp_path / "images/a.png", (8, 8))
    mask = np.repeat([[0, 1, 2, 2]], 8, axis=0).repeat(2, axis=1)
    save_mask(tmp_path / "masks/a.png", mask)
    write_table(tmp_path / "labels.csv", [(1, "liver", "Organs"), (2, "vein", "part")])
    broden = run(tmp_path)
    assert labels(broden, "a.png")["organ"][0, 2] == {"liver"}
    pack_labels(broden, tmp_path / "packed")
    store = LabelStore(tmp_path / "packed")
    liver = store.names.index("liver")
    assert store.primary[liver] == CATEGORIES.index("organ")
    tally = Tally.zeros(1, 2, store.n_labels)
    where = (mask == 1).sum()
    tally.intersection[0, 1, liver] = tally.label_area[0, liver] = where
    tally.unit_area[0, 1] = where
    units = unit_table(tally, store.names, store.primary)
    assert units.loc[0, ["unit", "category", "label", "score"]].tolist() == [2, "organ", "liver", 1]
    counts = count_detectors(units, 0.04).set_index(["rule", "category"])["unique"]
    assert counts["per_category", "organ"] == counts["per_category", "total"] == 1
    use_categories({})
    with pytest.raises(InputError, match="another version"):
        LabelStore(tmp_path / "packed")
    with pytest.raises(InputError, match="category 'organ' is unknown"):
        Broden(tmp_path / "imported")
