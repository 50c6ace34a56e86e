"""The best images of each unit: greatest maxima, ties to the lower number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dissection.activations.top_images import TopImages, find_top_images
from dissection.errors import InputError


def brute_force(activations: np.ndarray, unit: int, count: int) -> list[int]:
    maxima = {i: activations[i, unit].max() for i in range(len(activations))}
    return sorted(maxima, key=lambda image: (-maxima[image], image))[:count]


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.float16, np.float32]),
        hnp.array_shapes(min_dims=4, max_dims=4, min_side=1, max_side=6),
        elements=st.sampled_from([0.0, -0.0, 0.5, 1.0, 2.0, -1.0]),  # many ties
    ),
    st.integers(1, 8),
    st.lists(st.integers(0, 6), max_size=3).map(sorted),
)
def test_equals_a_sort_for_any_shards(activations, count, cuts):
    top = find_top_images(np.split(activations, cuts), count)
    images, units = activations.shape[:2]
    assert top.images.shape == top.maxima.shape == (units, min(count, images))
    assert (top.images.dtype, top.maxima.dtype, top.maps.dtype) == (np.int64, "f4", "f4")
    for unit in range(units):
        expected = brute_force(activations, unit, count)
        assert top.images[unit].tolist() == expected
        np.testing.assert_array_equal(top.maps[unit], activations[expected, unit])
        np.testing.assert_array_equal(top.maxima[unit], top.maps[unit].max(axis=(1, 2)))


def test_many_chunks(monkeypatch, tmp_path):
    activations = np.random.default_rng(0).normal(size=(500, 4, 6, 6)).astype(np.float16)
    np.save(tmp_path / "a.npy", activations)
    shard = np.load(tmp_path / "a.npy", mmap_mode="r")
    monkeypatch.setattr(
        "dissection.activations.shards.chunks.__defaults__", (20 * activations[0].nbytes,)
    )
    top = find_top_images([shard], 7)
    for unit in range(4):
        assert top.images[unit].tolist() == brute_force(activations, unit, 7)


def test_save_and_load(tmp_path):
    activations = np.random.default_rng(0).random((9, 2, 3, 3)).astype(np.float32)
    top = find_top_images([activations], 4)
    top.save(tmp_path / "top.npz")
    again = TopImages.load(tmp_path / "top.npz")
    for name in ("images", "maxima", "maps"):
        np.testing.assert_array_equal(getattr(top, name), getattr(again, name))
        assert getattr(top, name).dtype == getattr(again, name).dtype
    (tmp_path / "bad.npz").write_bytes(b"not an archive")
    content = (tmp_path / "top.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    for name in ("bad.npz", "cut.npz", "missing.npz"):
        with pytest.raises(InputError, match=name):
            TopImages.load(tmp_path / name)


def test_bad_input():
    activations = np.zeros((3, 2, 2, 2), np.float16)
    with pytest.raises(InputError, match="0 top images"):
        find_top_images([activations], 0)
    activations[1, 1, 0, 1] = np.nan
    with pytest.raises(InputError, match=r"Unit 2 .* image 1 "):
        find_top_images([activations], 1)
