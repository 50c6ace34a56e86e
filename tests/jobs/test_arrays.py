"""Arrays in files: written piece by piece, read in bounded memory."""

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissection.jobs.arrays import GrowingArray, release


@given(
    dtype=st.sampled_from(["bool", "uint8", "uint16", "float16", "int64"]),
    row=st.lists(st.integers(0, 3), max_size=3).map(tuple),
    cuts=st.lists(st.integers(0, 9), max_size=4).map(sorted),
)
@settings(deadline=None)
def test_the_file_is_the_one_of_numpy(tmp_path_factory, dtype, row, cuts):
    whole = np.arange(9 * int(np.prod(row))).reshape(9, *row).astype(dtype)
    path = tmp_path_factory.getbasetemp() / "growing.npy"
    with GrowingArray(path, dtype, row) as file:
        for first, end in pairwise([0, *cuts, 9]):
            file.append(whole[first:end])
        assert file.shape == whole.shape
    expected = io.BytesIO()
    np.save(expected, whole)
    assert path.read_bytes() == expected.getvalue()


def test_a_transposed_piece_is_written_row_by_row(tmp_path):
    piece = np.arange(6, dtype=np.int32).reshape(2, 3).T
    with GrowingArray(tmp_path / "a.npy", np.int32, (2,)) as file:
        file.append(piece)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), piece)


@pytest.mark.parametrize("piece", [np.zeros((1, 3), np.int32), np.zeros((1, 2), np.int64)])
def test_a_piece_that_does_not_fit_is_refused(tmp_path, piece):
    with (
        pytest.raises(TypeError, match="does not fit"),
        GrowingArray(tmp_path / "a.npy", np.int32, (2,)) as file,
    ):
        file.append(piece)


def resident(path):
    """Resident memory of this process's mappings of a file, kB."""
    found = 0
    with Path("/proc/self/smaps").open() as lines:
        for line in lines:
            if line.split()[0].count("-"):
                mine = str(path) in line
            elif mine and line.startswith("Rss:"):
                found += int(line.split()[1])
    return found


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs Linux")
def test_pages_of_a_read_only_map_are_handed_back(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.ones(2**20))
    array = np.load(path, mmap_mode="r")
    assert array.sum() == 2**20
    assert resident(path) > 4000
    release(array)
    assert resident(path) < 1000
    assert array.sum() == 2**20


def test_nothing_that_was_written_is_lost(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(10))
    array = np.load(tmp_path / "a.npy", mmap_mode="c")
    array[:] = 1
    release(array)
    assert array.sum() == 10
    release(np.zeros(3))
