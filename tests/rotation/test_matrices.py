"""Rotations are uniform, their paths are geodesics, and rotating is a matrix product."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from dissection.errors import InputError
from dissection.rotation.matrices import RotationPath, one_thread_each, random_rotation, rotate

ALPHAS = [0, 1e-9, 0.2, 0.5, 0.9, 1]


def turn(angle: float) -> np.ndarray:
    """The rotation of the plane by an angle, anticlockwise."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def blocks(*matrices: np.ndarray | float) -> np.ndarray:
    matrices = [np.atleast_2d(matrix) for matrix in matrices]
    n = sum(len(matrix) for matrix in matrices)
    whole, i = np.zeros((n, n)), 0
    for matrix in matrices:
        whole[i : i + len(matrix), i : i + len(matrix)] = matrix
        i += len(matrix)
    return whole


def assert_rotation(Q: np.ndarray) -> None:
    np.testing.assert_allclose(Q @ Q.T, np.eye(len(Q)), atol=1e-12)
    assert np.linalg.det(Q) == pytest.approx(1)


def distance(P: np.ndarray, Q: np.ndarray) -> float:
    """Length of the shortest path: the root of the sum of squared angles of P^T Q's planes."""
    angles = np.angle(np.linalg.eigvals(P.T @ Q))
    return float(np.sqrt((angles**2).sum() / 2))


@pytest.mark.parametrize("n", range(1, 41))
def test_random_rotations_and_their_paths(n):
    Q = random_rotation(n, seed=n)
    assert_rotation(Q)
    path = RotationPath(Q)
    np.testing.assert_array_equal(path.power(0), np.eye(n))
    np.testing.assert_allclose(path.power(1), Q, atol=1e-12)
    powers = {alpha: path.power(alpha) for alpha in ALPHAS}
    for alpha, power in powers.items():
        assert_rotation(power)
        assert distance(np.eye(n), power) == pytest.approx(alpha * distance(np.eye(n), Q), abs=1e-6)
    np.testing.assert_allclose(powers[0.2] @ path.power(0.7), powers[0.9], atol=1e-12)
    np.testing.assert_allclose(powers[0.5] @ powers[0.5], Q, atol=1e-12)
    np.testing.assert_allclose(RotationPath(Q.T).power(0.2), powers[0.2].T, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(0, 100), st.floats(0, 1), st.floats(0, 1))
def test_powers_add_up(n, seed, one, other):
    small, large = sorted((one, other))
    path = RotationPath(random_rotation(n, seed))
    product = path.power(small) @ path.power(large - small)
    np.testing.assert_allclose(product, path.power(large), atol=1e-12)


@pytest.mark.parametrize("angle", [0.3, -0.3, 2, -2, 3.1, -3.1, np.pi - 1e-9, 1e-9, -1e-7, 0])
def test_known_rotations_of_the_plane_and_of_space(angle):
    for alpha in ALPHAS:
        expected = turn(alpha * angle)
        np.testing.assert_allclose(RotationPath(turn(angle)).power(alpha), expected, atol=1e-8)
        around_an_axis = RotationPath(blocks(1, turn(angle))).power(alpha)
        np.testing.assert_allclose(around_an_axis, blocks(1, expected), atol=1e-8)


def test_planes_turn_by_their_own_signed_angles():
    Z = random_rotation(7, seed=3)
    angles = [0.5, -2.5, 1.2]
    Q = Z @ blocks(*(turn(angle) for angle in angles), 1) @ Z.T
    for alpha in ALPHAS:
        expected = Z @ blocks(*(turn(alpha * angle) for angle in angles), 1) @ Z.T
        np.testing.assert_allclose(RotationPath(Q).power(alpha), expected, atol=1e-12)


@pytest.mark.parametrize(
    "diagonal",
    [[-1, -1], [-1, -1, 1], [1, -1, -1], [-1, 1, -1], [-1] * 4, [-1, 1, -1, -1, 1, -1, 1]],
)
@pytest.mark.parametrize("mixed", [False, True])
def test_pairs_of_eigenvalues_minus_one_are_half_turns(diagonal, mixed):
    n = len(diagonal)
    Q = np.diag(np.array(diagonal, float))
    if mixed:
        Z = random_rotation(n, seed=1)
        Q = Z @ Q @ Z.T
    path = RotationPath(Q)
    np.testing.assert_allclose(path.power(1), Q, atol=1e-7)
    half = path.power(0.5)
    assert_rotation(half)
    np.testing.assert_allclose(half @ half, Q, atol=1e-7)
    expected = np.pi * np.sqrt(diagonal.count(-1) / 2)
    assert distance(np.eye(n), Q) == pytest.approx(expected, abs=1e-6)
    assert distance(np.eye(n), half) == pytest.approx(expected / 2, abs=1e-6)


def test_the_path_of_the_identity_stays():
    for alpha in ALPHAS:
        np.testing.assert_array_equal(RotationPath(np.eye(5)).power(alpha), np.eye(5))


@pytest.mark.parametrize("n", [2, 3, 6])
def test_random_rotations_are_uniform(n):
    """Moments of the uniform measure on SO(n), within five standard errors."""
    rotations = np.array([random_rotation(n, seed) for seed in range(2000)])
    root = np.sqrt(len(rotations))
    traces = np.trace(rotations, axis1=1, axis2=2)
    assert abs(traces.mean()) < 5 * 1 / root  # E tr = 0
    second = 2 if n == 2 else 1  # E tr^2: the square of 2 cos(angle) in the plane
    assert abs((traces**2).mean() - second) < 5 * (traces**2).std() / root
    entries = rotations.reshape(-1, n * n)
    assert np.abs(entries.mean(axis=0)).max() < 5 * np.sqrt(1 / n) / root  # E q = 0
    squares = (entries**2).mean(axis=0)  # E q^2 = 1 / n
    assert np.abs(squares - 1 / n).max() < 5 * (entries**2).std() / root
    # Multiplying by a fixed rotation changes nothing: another moment, tr(PQ) with tr Q.
    P = random_rotation(n, seed=10**6)
    moved = np.trace(P @ rotations, axis1=1, axis2=2)
    assert abs((moved**2).mean() - second) < 5 * (moved**2).std() / root


def test_angles_in_the_plane_are_uniform():
    angles = [np.arctan2(*random_rotation(2, seed)[::-1, 0]) for seed in range(2000)]
    counts = np.histogram(angles, 8, range=(-np.pi, np.pi))[0]
    assert ((counts - 250) ** 2 / 250).sum() < 24.3  # chi squared, 7 degrees: p = 0.001


def test_seeds():
    assert np.array_equal(random_rotation(8, 1), random_rotation(8, 1))
    assert not np.allclose(random_rotation(8, 1), random_rotation(8, 2))
    assert random_rotation(1, 5).tolist() == [[1.0]]


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.diag([1.0, -1.0]), "determinant -1"),
        (np.ones((2, 3)), "square"),
        (np.ones((2, 2)), "not orthogonal"),
        (np.full((2, 2), np.nan), "not orthogonal"),
        (np.zeros((0, 0)), "square"),
    ],
)
def test_what_is_not_a_rotation_is_refused(matrix, message):
    with pytest.raises(InputError, match=message):
        RotationPath(matrix)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_alpha_out_of_range(alpha):
    with pytest.raises(InputError, match="alpha"):
        RotationPath(np.eye(2)).power(alpha)
    with pytest.raises(InputError, match="0 units"):
        random_rotation(0, 1)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 20),
    st.integers(1, 9),
    st.integers(1, 4),
    st.sampled_from(["f2", "f4"]),
    st.sampled_from(["f2", "f4"]),
)
def test_rotating_is_a_matrix_product_at_every_position(images, units, side, dtype, rounded):
    generator = np.random.default_rng(images)
    activations = generator.normal(size=(images, units, side, side + 1)).astype(dtype)
    R = random_rotation(units, seed=side)
    rotated = rotate(activations, R)
    assert rotated.dtype == np.float32
    expected = np.einsum("jk,nkyx->njyx", R, activations.astype(float))
    np.testing.assert_allclose(rotated, expected, atol=1e-5)
    in_type = rotate(activations, R, rounded)
    assert in_type.dtype == rounded
    np.testing.assert_array_equal(in_type, rotated.astype(rounded))


def test_the_identity_changes_no_bit():
    activations = np.random.default_rng(0).normal(size=(9, 70, 5, 5)).astype(np.float16)
    np.testing.assert_array_equal(
        rotate(activations, RotationPath(np.eye(70)).power(0.5)), activations
    )


def test_too_large_for_float16_is_infinite():
    activations = np.array([60000, -60000, 1], np.float16).reshape(3, 1, 1, 1)
    rotated = rotate(activations, np.array([[1.5]]), np.float16)
    np.testing.assert_array_equal(rotated.ravel(), [np.inf, -np.inf, 1.5])


def test_rotated_values_do_not_depend_on_threads_or_chunks():
    # At this size BLAS rounds differently with one thread and with two.
    activations = np.random.default_rng(0).random((21, 256, 13, 13)).astype(np.float16)
    R = random_rotation(256, 0)
    expected = rotate(activations, R)
    np.testing.assert_array_equal(rotate(activations[5:9], R), expected[5:9])
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            np.testing.assert_array_equal(rotate(activations, R), expected)
            np.testing.assert_array_equal(random_rotation(256, 0), R)
            half = RotationPath(R).power(0.5)
        np.testing.assert_array_equal(half, RotationPath(R).power(0.5))


def test_one_thread_each_inside_and_as_before_afterwards():
    def threads():
        libraries = [info for info in threadpool_info() if info["user_api"] == "blas"]
        # Other tests load OpenCV, which brings a BLAS of its own.
        blas = {lib["num_threads"] for lib in libraries if "opencv" not in lib["filepath"]}
        return torch.get_num_threads(), *blas

    def nested():
        with one_thread_each():
            inside = threads()
        return inside, threads()

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threadpool_limits(2, "blas"):
            with one_thread_each(), ThreadPoolExecutor(1) as pool:
                assert threads() == (1, 1)
                # A new thread has its own number of torch's threads.
                assert pool.submit(nested).result() == ((1, 1), (1, 1))
            assert threads() == (2, 2)
    finally:
        torch.set_num_threads(before)


def test_a_matrix_of_another_size_is_refused():
    with pytest.raises(InputError, match="3 units"):
        rotate(np.zeros((1, 3, 2, 2), np.float16), np.eye(4))
