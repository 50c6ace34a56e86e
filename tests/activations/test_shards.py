"""Shards are read in order, in small pieces, from memory or from files."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dissection.activations.shards import check_shards, chunks, count_chunks
from dissection.errors import InputError
from dissection.scoring.thresholds import compute_thresholds


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=4), st.integers(1, 100))
def test_chunks_are_all_images_in_order(sizes, chunk_bytes):
    whole = np.arange(sum(sizes) * 6, dtype=np.float16).reshape(-1, 2, 3, 1)
    shards = np.split(whole, np.cumsum(sizes)[:-1])
    pieces = list(chunks(shards, chunk_bytes))
    assert len(pieces) == count_chunks(shards, chunk_bytes)
    read = 0
    for first, chunk in pieces:
        assert first == read
        assert chunk.nbytes <= max(chunk_bytes, 12)  # an image at least
        np.testing.assert_array_equal(chunk, whole[first : first + len(chunk)])
        read += len(chunk)
    assert read == len(whole)


def test_memory_maps(tmp_path):
    whole = np.random.default_rng(0).normal(size=(30, 3, 20, 20)).astype(np.float32)
    np.save(tmp_path / "a.npy", whole[:10])
    np.save(tmp_path / "b.npy", whole[10:])
    maps = [np.load(tmp_path / name, mmap_mode="r") for name in ("a.npy", "b.npy")]
    joined = np.concatenate([chunk.copy() for _, chunk in chunks(maps, chunk_bytes=20_000)])
    np.testing.assert_array_equal(joined, whole)
    np.testing.assert_array_equal(compute_thresholds(maps, 0.01), compute_thresholds([whole], 0.01))


def test_pages_are_handed_back(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((64, 64, 64, 64), np.float16))  # 32 MiB
    shard = np.load(tmp_path / "a.npy", mmap_mode="r")

    def resident() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssFile"))

    before = resident()
    most = 0
    for _, chunk in chunks([shard], chunk_bytes=2**20):
        assert chunk.min() == 1
        most = max(most, resident() - before)
    assert most < 8 * 1024  # KiB, of 32 * 1024 that were read


def test_changes_to_a_private_map_survive(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 1, 2, 2), np.float16))
    shard = np.load(tmp_path / "a.npy", mmap_mode="c")
    shard[:] = 7
    assert all((chunk == 7).all() for _, chunk in chunks([shard], chunk_bytes=8))
    assert (shard == 7).all()


def test_shards_that_do_not_belong_together():
    good = np.zeros((2, 3, 4, 4), np.float16)
    with pytest.raises(InputError, match="no activation file"):
        check_shards([])
    with pytest.raises(InputError, match="no values"):
        check_shards([good[:0]])
    with pytest.raises(InputError, match="shard 1: maps"):
        check_shards([good, good[:, :2]])
    with pytest.raises(InputError, match="shard 1: maps"):
        check_shards([good, good.astype(np.float32)])
    with pytest.raises(InputError, match="float64"):
        check_shards([good.astype(np.float64)])
    with pytest.raises(InputError, match=r"\(2, 3\)"):
        check_shards([good[:, :, 0, 0]])
    assert check_shards([good, good[:1]]) == (3, (3, 4, 4))
