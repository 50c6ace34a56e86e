"""Read CSV tables that somebody else wrote, with errors that name file, line and column."""

import codecs
import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from dissection.errors import InputError, did_you_mean


def read_table(
    path: Path,
    columns: list[str],
    remedy: str,
    may_be_empty: bool = False,
    others: bool = False,
    optional: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read columns of a CSV file as text.

    Parameters
    ----------
    path : Path
        UTF-8, with column names in the first line. For one written by hand see ``optional``.
    columns : list of str
        Must be there.
    remedy : str
        What to do about a wrong file: the end of every message.
    may_be_empty : bool
        Whether a table without rows is allowed.
    others : bool
        Whether other columns are read too; otherwise they are left out.
    optional : sequence of str, optional
        Of a table written by hand: columns that may be there too. Any other is refused, and all
        are recognised in any case and with spaces around; their names are lower-case. Such a
        table is read as Excel, LibreOffice and pandas write it: in UTF-8, UTF-16 or cp1252,
        separated by commas, semicolons or tabs, with empty rows and columns, a column of row
        numbers, and no line break at the end.

    Returns
    -------
    DataFrame
        Of str; the index has the rows' line numbers, for messages.

    Raises
    ------
    InputError
        If the file is missing, is no such table or seems to be cut off.
    """
    try:
        text = path.read_text(encoding="utf-8-sig") if optional is None else _decoded(path)
        delimiter = "," if optional is None else _delimiter(text)
        reader = csv.reader(io.StringIO(text), strict=True, delimiter=delimiter)
        rows = [(reader.line_num, row) for row in reader if row]
    except FileNotFoundError:
        raise InputError(f"{path} is missing. {remedy}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a CSV table ({error}). {remedy}") from error
    if optional is not None:
        rows = _trimmed(rows)
    header = rows[0][1] if rows else []
    if optional is not None:
        header = _recognised(path, header, [*columns, *optional], remedy)
        columns = [*columns, *(name for name in optional if name in header)]
    for column in columns:
        if header.count(column) != 1:
            raise InputError(
                f"{path}, line 1: {'no' if column not in header else 'more than one'} column "
                f"'{column}'; the columns are {','.join(header) or 'none'}. {remedy}"
            )
    for line, row in rows:
        if len(row) != len(header):
            raise InputError(
                f"{path}, line {line}: {len(row)} fields, but line 1 has {len(header)}. The file "
                f"may have been cut off. {remedy}"
            )
    if optional is None and not text.endswith("\n"):
        raise InputError(
            f"{path}, line {rows[-1][0]}: no line break at the end of the last line, so the file "
            f"may have been cut off. Add one if the line is complete. {remedy}"
        )
    if len(rows) == 1 and not may_be_empty:
        raise InputError(f"{path} has no rows. {remedy}")
    lines = [line for line, _ in rows[1:]]
    table = pd.DataFrame([row for _, row in rows[1:]], lines, header, dtype=object)
    return table if others else table[columns]


def _decoded(path: Path) -> str:
    """The text of a table written by hand, with line breaks as here."""
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _delimiter(text: str) -> str:
    """The separator that the first line has most of; Excel's own note of it counts as such."""
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


def _trimmed(rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Rows without what spreadsheets and pandas add."""
    if rows and re.fullmatch(r"sep=.?", "".join(rows[0][1]).strip()):
        rows = rows[1:]
    rows = [(line, row) for line, row in rows if any(cell.strip() for cell in row)]
    if not rows:
        return rows
    width = max(len(row) for _, row in rows)
    empty = {k for k in range(width) if not any(row[k].strip() for _, row in rows if k < len(row))}
    # The numbers of its rows, as pandas writes them.
    if rows[0][1][0].strip() in ("", "Unnamed: 0") and all(
        row[0] == str(k) for k, (_, row) in enumerate(rows[1:])
    ):
        empty.add(0)
    return [(line, [c for k, c in enumerate(row) if k not in empty]) for line, row in rows]


def _recognised(path: Path, header: list[str], known: list[str], remedy: str) -> list[str]:
    plain = [name.strip().lower() for name in header]
    for name, found in zip(header, plain, strict=True):
        if found not in known:
            raise InputError(
                f"{path}, line 1: unknown column '{name}'.{did_you_mean(found, known)} The columns "
                f"can be {', '.join(known)}. {remedy}"
            )
    return plain


def whole_numbers(path: Path, cells: pd.Series, low: int, high: int, remedy: str) -> np.ndarray:
    """Return a column of `read_table` as int64; each must be a number from low to high."""
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(float)
    wrong = ~((numbers >= low) & (numbers <= high) & (numbers == np.floor(numbers)))
    if wrong.any():
        line = cells.index[wrong][0]
        raise InputError(
            f"{path}, line {line}: {cells.name} is '{cells[line]}', but must be a whole number "
            f"from {low} to {high}. {remedy}"
        )
    return numbers.astype(np.int64)
