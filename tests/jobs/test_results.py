"""Tables come back with the types that they were written with, whatever concepts are called."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from repository import SCRIPTS

from dissection.jobs.results import read_result

ODD = ["1", "01", "1.0", "TRUE", "true", "no", "NA", "nan", "null", "None", "", "inf", "-", "a,b"]
NAMES = st.one_of(st.sampled_from(ODD), st.text(st.characters(exclude_categories=["C"])))


@pytest.mark.parametrize("names", [[name] for name in ODD] + [ODD])
def test_odd_names(tmp_path, names):
    check(tmp_path, names)


@given(st.lists(NAMES, max_size=5))
def test_any_name(tmp_path_factory, names):
    check(tmp_path_factory.mktemp("table"), names)


def check(folder, names):
    count = len(names)
    table = pd.DataFrame(
        {
            "unit": np.arange(1, count + 1),
            "label": names,
            "score": np.linspace(0, 1, count),
            "object-label": names[::-1],
            "object-iou": [np.nan, *np.linspace(0, 0.5, count)][:count],
        }
    )
    table.to_csv(folder / "units.csv", index=False)
    found = read_result(folder / "units.csv")
    for column in ("label", "object-label"):
        assert found[column].tolist() == table[column].tolist()
    for column in ("unit", "score", "object-iou"):
        np.testing.assert_array_equal(found[column].to_numpy(float), table[column].to_numpy(float))


@pytest.mark.parametrize("truth", [[], [True], [False, True], [False, False]])
def test_truth_values(tmp_path, truth):
    table = pd.DataFrame({"name": ["1"] * len(truth), "within_reach": np.array(truth, bool)})
    table.to_csv(tmp_path / "concepts.csv", index=False)
    found = read_result(tmp_path / "concepts.csv")
    assert found["within_reach"].dtype == bool
    assert found["within_reach"].tolist() == truth


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.py")))
def test_scripts_read_tables_with_their_types(script):
    assert "read_csv" not in (SCRIPTS / script).read_text()
