"""Real tables of published data sets, which the project does not ship."""

import os
from pathlib import Path

import pytest
from repository import ROOT

# Beside the checkout, or beside a folder that it lies in; a variable says where else.
PLACES = [Path(os.environ["REAL_TABLES"])] if "REAL_TABLES" in os.environ else [
    parent / "shared/real" for parent in ROOT.parents
]  # fmt: skip


def real(path: str) -> Path:
    """Return where a real table is; skip the test if it is nowhere."""
    for place in PLACES:
        if (place / path).exists():
            return place / path
    pytest.skip(f"there is no {path} in shared/real beside the checkout, nor in $REAL_TABLES")
