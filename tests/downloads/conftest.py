"""Fetching without waits."""

import pytest

from dissection.downloads.fetch import fetch


@pytest.fixture
def waits():
    """The waits between tries, of which no test waits for any."""
    return []


@pytest.fixture
def get(tmp_path, waits):
    """Fetch into the test's folder without waiting."""

    def get(*urls, target="data/a.bin", **options):
        options = {"sleep": waits.append, "timeout": 5.0} | options
        return fetch(urls, tmp_path / target, **options)

    return get
