"""Read the tables that the workflow itself has written."""

import csv
from pathlib import Path

import pandas as pd

# Columns of text and of truth values; all others are numbers. A concept may be called "1", "01",
# "TRUE" or "NA".
TEXT = {
    *("rule", "category", "label", "name", "network", "layer", "title", "source", "cannot_fire"),
    *("released_category", "released_label"),
    *("id", "figure", "statement", "published", "measured", "criterion", "verdict", "confounded"),
}
TRUTH = {"within_reach", "same_label"}
TEXT_ENDING = "-label"


def read_result(file: str | Path) -> pd.DataFrame:
    """Read a CSV table with the types that its columns were written with.

    Parameters
    ----------
    file : path
        A table of the workflow: the columns `TEXT`, and those that end in ``-label``, hold text
        and are read as it stands; `TRUTH` holds True and False; all others hold numbers, missing
        where a cell is empty.

    Examples
    --------
    >>> import io, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "units.csv"
    >>> _ = path.write_text("unit,label,score\\n1,007,0.5\\n2,,\\n")
    >>> read_result(path).to_dict("list")
    {'unit': [1, 2], 'label': ['007', ''], 'score': [0.5, nan]}
    """
    with Path(file).open(encoding="utf-8", newline="") as stream:
        columns = next(csv.reader(stream), [])
    text = [name for name in columns if name in TEXT or name.endswith(TEXT_ENDING)]
    truth = TRUTH.intersection(columns)
    numbers = {name: [""] for name in columns if name not in text and name not in truth}
    return pd.read_csv(
        file,
        dtype=dict.fromkeys(text, str) | dict.fromkeys(truth, bool),
        keep_default_na=False,
        na_values=numbers,
        encoding="utf-8",
    )
