"""Whatever a configuration says, it is completed or refused with a message for people."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_configurations import CASES, REFUSED, SCHEMA, VALUES, changed, leaves

from dissection.config.validation import complete
from dissection.errors import InputError

PATHS = sorted(set(leaves()))
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(VALUES),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text() | st.integers() | st.none(), inner, max_size=3)
    ),
    max_leaves=6,
)


def check(config):
    """Complete a configuration twice, or return the message."""
    try:
        completed = complete(config, SCHEMA, "a.yaml")
    except InputError as error:
        assert str(error).startswith("The configuration in a.yaml has a mistake:\n  ")
        return str(error)
    assert complete(completed, SCHEMA, "a.yaml") == completed
    return None


@pytest.mark.parametrize("path", PATHS)
def test_every_key_with_every_odd_value(path):
    for value in VALUES:
        check(changed((path, value)))


@given(path=st.sampled_from(PATHS), value=ANY)
@settings(max_examples=200, deadline=None)
def test_any_value(path, value):
    check(changed((path, value)))


@given(ANY)
@settings(max_examples=100, deadline=None)
def test_anything(value):
    check(value)


ACCEPTED = [name for name, (_, verdict) in CASES.items() if verdict != REFUSED]


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_only_looks_odd_is_accepted(name):
    assert check(CASES[name][0]) is None
