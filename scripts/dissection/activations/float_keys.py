"""Floating-point numbers as integer keys of the same order, and the loops that work on them.

The key of a number is its magnitude's bits, negated for a negative number, so that keys order
like the numbers and -0.0 and 0.0 share the key 0. Integers can be counted in buckets, and the
processor compares sixteen halves at once where NumPy converts each float16 by itself.

All compiled loops are in this one file, because the cache of compiled code notices a change of
the loop's own file only.
"""

import numba
import numpy as np

from dissection.errors import InputError

BUCKETS = 65_536  # of a histogram: 16 bits of the key
BLOCK = 512  # values whose greatest key is found before looking at a single one


def key_dtype(dtype: np.typing.DTypeLike) -> np.dtype:
    """Return the signed integer type as wide as a floating-point type."""
    return np.dtype(f"i{np.dtype(dtype).itemsize}")


def key_bits(activations: np.ndarray) -> np.ndarray:
    """View activations (images, units, height, width) as their bits (images, units, positions)."""
    images, units, height, width = activations.shape
    contiguous = np.ascontiguousarray(activations)
    return contiguous.view(key_dtype(activations.dtype)).reshape(images, units, height * width)


def key_values(keys: np.ndarray, dtype: np.typing.DTypeLike) -> np.ndarray:
    """Return the numbers that keys stand for, as float32.

    Examples
    --------
    >>> key_values(np.array([0, 0x3C00, -0x3C00]), np.float16)
    array([ 0.,  1., -1.], dtype=float32)
    """
    magnitude = np.abs(keys).astype(key_dtype(dtype)).view(dtype)
    return np.where(keys < 0, -magnitude, magnitude).astype(np.float32)


def infinity_key(dtype: np.typing.DTypeLike) -> int:
    """Return infinity's key: the magnitude of a finite number's key is below it."""
    return int(np.array(np.inf, dtype).view(key_dtype(dtype)))


class NotFiniteError(InputError):
    """An activation that is infinite or not a number.

    Attributes
    ----------
    unit, image : int
        From 0.
    """

    def __init__(self, message: str, unit: int, image: int) -> None:
        super().__init__(message)
        self.unit, self.image = unit, image


def not_finite(unit: int, image: int) -> NotFiniteError:
    """Return the error about a value that is infinite or not a number; unit, image from 0."""
    return NotFiniteError(
        f"Unit {unit + 1} has an activation that is infinite or not a number, at image {image} "
        "(counted from 0). If the activations are stored as float16, whose largest value is "
        "65504, store them as float32; otherwise check the network's weights and its input.",
        *(int(unit), int(image)),
    )


def greatest_activations(activations: np.ndarray, first_image: int = 0) -> np.ndarray:
    """Return each unit's greatest activation in each image.

    Parameters
    ----------
    activations : float16 or float32 (images, units, height, width)
    first_image : int
        Number of the first image, for the message about a bad value.

    Returns
    -------
    float32 (images, units)

    Raises
    ------
    InputError
        If a value is not finite.

    Examples
    --------
    >>> greatest_activations(np.array([-3, -1, 4, 2], np.float16).reshape(2, 1, 1, 2))
    array([[-1.],
           [ 4.]], dtype=float32)
    """
    keys, magnitudes = _largest_of_maps(key_bits(activations))
    bad = np.argwhere(magnitudes >= infinity_key(activations.dtype))
    if len(bad):
        raise not_finite(bad[0, 1], first_image + bad[0, 0])
    return key_values(keys, activations.dtype)


@numba.njit(cache=True, nogil=True)
def _largest_of_maps(bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    images, units, _ = bits.shape
    keys = np.empty((images, units), np.int64)
    magnitudes = np.empty((images, units), np.int64)
    for image in range(images):
        for unit in range(units):
            keys[image, unit], magnitudes[image, unit] = largest(bits[image, unit])
    return keys, magnitudes


@numba.njit(cache=True, nogil=True)
def largest(bits: np.ndarray) -> tuple[int, int]:
    """Return the largest key, and the largest magnitude, of some values' bits.

    The key of a value has the order of the value: its magnitude's bits, negated for a negative
    value, so that -0.0 and 0.0 are both 0. The casts keep the arithmetic as narrow as the values,
    which makes this loop run on as many of them at once as the processor can.
    """
    narrow = bits.dtype.type
    sign_shift = 8 * bits.itemsize - 1
    magnitude_mask = narrow((1 << sign_shift) - 1)
    largest_key = narrow(-(1 << sign_shift))
    largest_magnitude = narrow(0)
    for i in range(len(bits)):
        sign = narrow(bits[i] >> sign_shift)  # 0 or -1
        magnitude = narrow(bits[i] & magnitude_mask)
        key = narrow(narrow(magnitude ^ sign) - sign)
        largest_key = max(largest_key, key)
        largest_magnitude = max(largest_magnitude, magnitude)
    return np.int64(largest_key), np.int64(largest_magnitude)


@numba.njit(cache=True, nogil=True)
def count_keys(
    bits: np.ndarray,
    first_unit: int,
    end_unit: int,
    shift: int,
    infinity: int,
    rank: int,
    histogram: np.ndarray,
    base: np.ndarray,
    bound: np.ndarray,
    above: np.ndarray,
) -> int:
    """Count some units' values (images, units, positions) and raise their bounds.

    Returns image * units + unit of the first value that is not finite, or -1.
    """
    images, units, positions = bits.shape
    sign_bit = np.int64(1) << (8 * bits.itemsize - 1)
    for image in range(images):
        for unit in range(first_unit, end_unit):
            counts = histogram[unit]
            start, candidate, count_above = base[unit], bound[unit], above[unit]
            for begin in range(0, positions, BLOCK):
                block = bits[image, unit, begin : begin + BLOCK]
                largest_key, largest_magnitude = largest(block)
                if largest_magnitude >= infinity:
                    return image * units + unit
                floor = start + ((candidate + 1) << shift)  # keys below it are decided
                if largest_key < floor:
                    continue
                for i in range(len(block)):
                    key = np.int64(block[i])
                    if key < 0:
                        key = -(key + sign_bit)
                    if key < floor:
                        continue
                    bucket = (key - start) >> shift
                    if bucket >= BUCKETS:
                        continue  # above the range searched in this pass: counted before
                    counts[bucket] += 1
                    count_above += 1
                    if count_above > rank:
                        while count_above > rank:
                            candidate += 1
                            count_above -= counts[candidate]
                        floor = start + ((candidate + 1) << shift)
            bound[unit], above[unit] = candidate, count_above
    return -1
