"""The same labels in every form, and what they become."""

import pytest
from mask_forms import RENAMED, reference, save_images, save_rows


@pytest.fixture(scope="session")
def expected(tmp_path_factory):
    """The files of the data set that the numbered PNGs become."""
    return reference(tmp_path_factory.mktemp("reference"))


@pytest.fixture
def data(tmp_path):
    """Images, and a table that says what annotations mean."""
    save_images(tmp_path)
    save_rows(tmp_path / "labels.csv", RENAMED, ("label", "name", "category"))
    return tmp_path
