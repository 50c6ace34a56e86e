"""Tables of somebody else: what is written comes back, what is wrong is named."""

import csv
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissection.errors import InputError
from dissection.jobs.tables import read_table, whole_numbers

REMEDY = "Get the table again."
# Whatever UTF-8 holds but carriage returns, which reading a text file turns into line breaks.
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=5)


@st.composite
def tables(draw):
    columns = draw(st.lists(TEXT, min_size=2, max_size=4, unique=True))
    row = st.lists(TEXT, min_size=len(columns), max_size=len(columns))
    return columns, draw(st.lists(row, min_size=1, max_size=4))


@given(tables(), st.booleans(), st.randoms())
@settings(max_examples=150, deadline=None)
def test_what_is_written_comes_back(table, byte_order_mark, random):
    columns, rows = table
    wanted = random.sample(columns, random.randint(1, len(columns)))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        encoding = "utf-8-sig" if byte_order_mark or columns[0].startswith("\ufeff") else "utf-8"
        with path.open("w", newline="", encoding=encoding) as file:
            csv.writer(file, lineterminator="\n").writerows([columns, *rows])
        frame = read_table(path, wanted, REMEDY)
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    assert frame.columns.tolist() == wanted
    expected = [[row[columns.index(column)] for column in wanted] for row in rows]
    assert frame.to_numpy().tolist() == expected
    # The index is the line on which a row ends.
    assert frame.index[-1] == len(lines) - 1
    assert frame.index.is_monotonic_increasing


def test_line_numbers_and_blank_lines(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('x,y\n1,2\n\n3,"a\nb"\n\n5,6\n')
    frame = read_table(path, ["y", "x"], REMEDY)
    assert frame.to_dict("index") == {
        2: {"y": "2", "x": "1"},
        5: {"y": "a\nb", "x": "3"},
        7: {"y": "6", "x": "5"},
    }


def test_windows_line_ends(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"x,y\r\n1,2\r\n")
    assert read_table(tmp_path / "a.csv", ["x", "y"], REMEDY).to_numpy().tolist() == [["1", "2"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: no column 'x'; the columns are none"),
        (b"y,z\n1,2\n", "line 1: no column 'x'; the columns are y,z"),
        (b" x,y\n1,2\n", "no column 'x'"),
        (b"x,y,x\n1,2,3\n", "line 1: more than one column 'x'"),
        (b"x,y\n", "has no rows"),
        (b"x,y\n1,2\n3\n", "line 3: 1 fields, but line 1 has 2"),
        (b"x,y\n1,2,3\n", "line 2: 3 fields, but line 1 has 2"),
        (b"x,y\n1,2\n3,4", "line 3: no line break at the end"),
        (b"x,y", "line 1: no line break at the end"),
        (b'x,y\n1,"2\n', "cannot be read as a CSV table"),
        (b'x,y\n1,"2"3\n', "cannot be read as a CSV table"),
        (b"x,y\n1,\xff\n", "cannot be read as a CSV table"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_table(path, ["x"], REMEDY)
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)
    assert str(error.value).endswith(REMEDY)


@pytest.mark.parametrize("header", ["x,y,z", "Z,X,Y", " x , y\t,Z ", "\ufeffX,y,z", '" X","Y ",z'])
def test_columns_written_by_hand(tmp_path, header):
    (tmp_path / "a.csv").write_text(f"{header}\n1,2,3\n", encoding="utf-8")
    frame = read_table(tmp_path / "a.csv", ["x", "y"], REMEDY, optional=["z", "w"])
    assert frame.columns.tolist() == ["x", "y", "z"]
    assert sorted(frame.loc[2]) == ["1", "2", "3"]
    names = [name.strip(' "\t\ufeff').lower() for name in header.split(",")]
    assert frame.loc[2, names].tolist() == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("value,foldr", "unknown column 'foldr'. Did you mean 'folder'? The columns can be value,"),
        ("value,Folders", "unknown column 'Folders'. Did you mean 'folder'?"),
        ("value,note", "unknown column 'note'. The columns can be value, folder. Get the table"),
        ("Valeu,folder", "unknown column 'Valeu'. Did you mean 'value'?"),
        ("value,", "unknown column ''. The columns can be value, folder."),
        ("value,Value", "more than one column 'value'"),
        ("value,FOLDER,folder", "more than one column 'folder'"),
        ("folder", "no column 'value'"),
        ("", "no column 'value'; the columns are none"),
    ],
)
def test_columns_that_are_not_known(tmp_path, header, message):
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\n{','.join('1' for _ in header.split(','))}\n")
    if not header:
        path.write_text("")
    with pytest.raises(InputError) as error:
        read_table(path, ["value"], REMEDY, optional=["folder"])
    assert str(error.value).startswith(f"{path}, line 1: ")
    assert message in str(error.value)
    assert str(error.value).endswith(REMEDY)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(InputError, match=f"no.csv is missing. {REMEDY}"):
        read_table(tmp_path / "no.csv", ["x"], REMEDY)
    with pytest.raises(InputError, match="cannot be read as a CSV table"):
        read_table(tmp_path, ["x"], REMEDY)


def test_a_table_may_be_empty_where_that_is_said(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n")
    assert read_table(tmp_path / "a.csv", ["y"], REMEDY, may_be_empty=True).shape == (0, 1)
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(InputError, match="no column 'y'"):
        read_table(tmp_path / "a.csv", ["y"], REMEDY, may_be_empty=True)


def test_table_cut_off_anywhere(tmp_path):
    path = tmp_path / "a.csv"
    lines = ["x,y\n", '12,"a ""b"", c"\n', "34,d\n"]
    whole = "".join(lines)
    # Lengths at which only other tables could object.
    complete = {len(whole) - len(lines[-1]): 1, len(whole): 2}
    for length in range(len(whole) + 1):
        path.write_text(whole[:length])
        if length in complete:
            assert len(read_table(path, ["x", "y"], REMEDY)) == complete[length]
        else:
            with pytest.raises(InputError, match=REMEDY):
                read_table(path, ["x", "y"], REMEDY)


@given(
    st.integers(-5, 5).flatmap(
        lambda low: st.tuples(st.just(low), st.integers(low, low + 70_000), st.data())
    )
)
def test_numbers_in_range_are_read_and_others_named(range_and_data):
    low, high, data = range_and_data
    numbers = data.draw(st.lists(st.integers(low, high), min_size=1, max_size=5))
    cells = pd.Series([str(n) for n in numbers], np.arange(2, len(numbers) + 2), name="x")
    read = whole_numbers(Path("a.csv"), cells, low, high, REMEDY)
    assert read.dtype == np.int64
    assert read.tolist() == numbers
    place = data.draw(st.integers(0, len(numbers) - 1))
    cells.iloc[place] = data.draw(
        st.sampled_from(["", "one", "nan", "inf", "1.5", "1,0", "0x1", str(low - 1), str(high + 1)])
    )
    with pytest.raises(InputError) as error:
        whole_numbers(Path("a.csv"), cells, low, high, REMEDY)
    assert str(error.value) == (
        f"a.csv, line {place + 2}: x is '{cells.iloc[place]}', but must be a whole number from "
        f"{low} to {high}. {REMEDY}"
    )
