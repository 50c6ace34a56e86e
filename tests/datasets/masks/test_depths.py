"""Masks hold the values that their files store, whatever the depth and the colour type."""

import numpy as np
import pytest
from mask_folder import labels, run, small_data, write_table
from png_files import GREY, PALETTE, png_of_values

from dissection.datasets.masks.mask_files import read_mask

DEPTHS = [(GREY, bits) for bits in (1, 2, 4, 8, 16)] + [(PALETTE, bits) for bits in (1, 2, 4, 8)]


@pytest.mark.parametrize(("colour_type", "bits"), DEPTHS)
def test_every_value_of_every_depth(tmp_path, colour_type, bits):
    values = np.arange(2**bits).reshape(2 ** (bits // 2), -1)
    (tmp_path / "mask.png").write_bytes(png_of_values(values, bits, colour_type))
    mask = read_mask(tmp_path / "mask.png")
    assert mask.dtype == np.uint16
    np.testing.assert_array_equal(mask, values)


@pytest.mark.parametrize(("colour_type", "bits"), [d for d in DEPTHS if d[1] > 1])
def test_a_mask_saved_anew_with_other_bits_gives_the_same_labels(tmp_path, colour_type, bits):
    data = small_data(tmp_path)
    write_table(
        data / "labels.csv", [(1, "car", "object"), (2, "wheel", "part"), (3, "bus", "object")]
    )
    values = np.array([[1, 3, 2]] * 5)
    (data / "masks/b.png").write_bytes(png_of_values(values, bits, colour_type))
    found = labels(run(data), "b.png")
    assert found["object"][4].tolist() == [{"car"}, {"bus"}, set()]
    assert found["part"][4].tolist() == [set(), set(), {"wheel"}]


@pytest.mark.parametrize(("bits", "value"), [(1, 1), (2, 3), (4, 15), (8, 255)])
def test_white_is_the_number_that_is_stored(tmp_path, bits, value):
    (tmp_path / "mask.png").write_bytes(png_of_values([[0, value]], bits))
    assert read_mask(tmp_path / "mask.png").tolist() == [[0, value]]
