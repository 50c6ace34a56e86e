"""Names of concepts for people: only what Broden itself adds to a name is taken off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dissection.categories import CATEGORIES, concept_name

NAMES = st.text("abc -", min_size=1)


@given(NAMES, st.sampled_from(CATEGORIES), st.sampled_from(["-c", "-s"]))
def test_an_ending_is_taken_off_in_its_own_category_once(name, category, ending):
    own = {"color": "-c", "scene": "-s"}.get(category) == ending
    assert concept_name(name + ending, category) == (name if own else name + ending)


@pytest.mark.parametrize("category", [*CATEGORIES, ""])
def test_other_names_keep_all_but_underscores(category):
    assert concept_name("t-shirt_rack-x", category) == "t-shirt rack-x"
    assert concept_name("", category) == ""
