"""Random rotations of a layer's basis, and the path from no rotation to a full one.

A rotated representation r = Q^alpha f(x) carries the same information as f(x), but its units
are other directions of the same space (paper, section 3.2).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import scipy.linalg
import torch
from threadpoolctl import ThreadpoolController

from dissection.errors import InputError

TOLERANCE = 1e-6  # of Q^T Q = I
IMAGES_AT_ONCE = 8  # converted, multiplied and rounded while in the processor's cache
CPU = torch.device("cpu")

# Of NumPy and SciPy, both loaded by now; of BLAS alone, because at its end a limit sets back all
# libraries of its controller.
_BLAS = ThreadpoolController().select(user_api="blas")


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Keep BLAS and torch at one thread for each thread that calls them.

    With more of them BLAS rounds differently, and the same seed would give other last bits on
    another number of cores; torch's would wait for work while keeping their cores busy. Enter it
    before starting threads that enter it again.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _BLAS.limit(limits=1):
            yield
    finally:
        torch.set_num_threads(before)


def random_rotation(n: int, seed: int) -> np.ndarray:
    """Draw a rotation, uniform on SO(n), the orthogonal matrices of determinant +1.

    QR decomposition of a matrix of independent normal numbers, with the signs of R's diagonal
    moved into Q, is uniform (Haar) on O(n). If the determinant is -1 the first column changes its
    sign: this maps the one half of O(n) onto the other and keeps the uniform measure, because
    that is invariant under multiplication by any fixed orthogonal matrix.

    Parameters
    ----------
    n : int
        Units of the layer, at least 1.
    seed : int

    Returns
    -------
    float64 (n, n)

    Examples
    --------
    >>> Q = random_rotation(3, seed=1)
    >>> np.allclose(Q @ Q.T, np.eye(3)), np.isclose(np.linalg.det(Q), 1)
    (True, np.True_)
    """
    if n < 1:
        raise InputError(f"A rotation of {n} units: give at least 1.")
    normal = np.random.default_rng(seed).standard_normal((n, n))
    with one_thread_each():
        Q, R = np.linalg.qr(normal)
        Q *= np.where(np.diag(R) < 0, -1.0, 1.0)
        if np.linalg.slogdet(Q)[0] < 0:
            Q[:, 0] *= -1
    return Q


class RotationPath:
    """The geodesic Q^alpha of SO(n) from the identity (alpha = 0) to Q (alpha = 1).

    The real Schur form Q = Z B Z^T of a rotation splits the space into planes, each turned by an
    angle between -pi and pi, and directions that stay. Q^alpha turns the same planes by
    alpha times the angle. An eigenvalue -1 occurs an even number of times; two such directions
    are a plane turned by pi (either sense is a shortest path: the Schur form's order decides).

    Parameters
    ----------
    Q : float64 (n, n)
        Orthogonal, of determinant +1.

    Raises
    ------
    InputError
        If Q is not a rotation.

    Examples
    --------
    >>> quarter_turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    >>> RotationPath(quarter_turn).power(0.5).round(3)
    array([[ 0.707, -0.707],
           [ 0.707,  0.707]])
    """

    def __init__(self, Q: np.ndarray) -> None:
        Q = np.asarray(Q, np.float64)
        n = len(Q)
        with one_thread_each():
            _check_rotation(Q)
            B, self._Z = scipy.linalg.schur(Q, output="real")
        planes: list[tuple[int, int, float]] = []
        flipped: list[int] = []  # directions of eigenvalue -1
        i = 0
        while i < n:
            if i + 1 < n and B[i + 1, i] != 0:
                # Mean over the block's two sines and cosines, which agree but for rounding.
                angle = np.arctan2(B[i + 1, i] - B[i, i + 1], B[i, i] + B[i + 1, i + 1])
                planes.append((i, i + 1, angle))
                i += 2
            else:
                if B[i, i] < 0:
                    flipped.append(i)
                i += 1
        planes += [(i, j, np.pi) for i, j in zip(flipped[::2], flipped[1::2], strict=True)]
        self._first = np.array([plane[0] for plane in planes], int)
        self._second = np.array([plane[1] for plane in planes], int)
        self._angles = np.array([plane[2] for plane in planes], float)

    def power(self, alpha: float) -> np.ndarray:
        """Return Q^alpha, float64 (n, n): orthogonal, of determinant +1.

        Parameters
        ----------
        alpha : float
            0 to 1. At 0 the result is the identity exactly, so that a unit that never fires
            keeps its zeros.

        Raises
        ------
        InputError
            If alpha is outside 0 to 1.
        """
        if not 0 <= alpha <= 1:
            raise InputError(f"alpha is {alpha}: give a number from 0 to 1.")
        if alpha == 0:
            return np.eye(len(self._Z))
        cosine, sine = np.cos(alpha * self._angles), np.sin(alpha * self._angles)
        turned = self._Z.copy()
        first, second = self._Z[:, self._first], self._Z[:, self._second]
        turned[:, self._first] = first * cosine + second * sine
        turned[:, self._second] = second * cosine - first * sine
        with one_thread_each():
            return turned @ self._Z.T


def rotate(
    activations: np.ndarray,
    R: np.ndarray,
    dtype: np.typing.DTypeLike = np.float32,
    device: torch.device = CPU,
) -> np.ndarray:
    """Return the activations in a rotated basis, r = R a at every image and position.

    Parameters
    ----------
    activations : float16 or float32 (images, units, height, width)
    R : float (units, units)
    dtype : numpy float16 or float32
    device : torch.device
        That computes: the CPU, or a GPU, whose float32 differs in the last bits.

    Returns
    -------
    array of dtype (images, units, height, width)
        Computed in float32, then rounded to the nearest (infinite, if too large for float16). An
        image's result does not depend on the other images.

    Raises
    ------
    InputError
        If R does not fit the activations.

    Examples
    --------
    >>> activations = np.array([1, 2], np.float16).reshape(1, 2, 1, 1)
    >>> rotate(activations, np.array([[0.0, -1.0], [1.0, 0.0]])).ravel()
    array([-2.,  1.], dtype=float32)
    """
    images, units, height, width = activations.shape
    if R.shape != (units, units):
        raise InputError(f"A matrix {R.shape} does not rotate {units} units.")
    matrix = R.astype(np.float32)
    columns = activations.reshape(images, units, height * width)
    rotated = torch.empty(columns.shape, dtype=getattr(torch, np.dtype(dtype).name))
    if device.type == "cpu":
        _rotate_on_cpu(columns, matrix, rotated)
    else:
        _rotate_on_gpu(columns, matrix, rotated, device)
    return rotated.numpy().reshape(activations.shape)


def _rotate_on_cpu(columns: np.ndarray, matrix: np.ndarray, rotated: torch.Tensor) -> None:
    product = np.empty((IMAGES_AT_ONCE, *columns.shape[1:]), np.float32)
    # What is too large is found, and said, by those who count the values.
    with one_thread_each(), np.errstate(over="ignore", invalid="ignore"):
        for first in range(0, len(columns), IMAGES_AT_ONCE):
            some = slice(first, first + IMAGES_AT_ONCE)
            # torch converts several times as fast as NumPy. It warns of memory that cannot be
            # written, as that of a file: hence the copy.
            wide = torch.from_numpy(np.array(columns[some])).float().numpy()
            # One product an image: as its shape is always the same, so is its rounding.
            np.matmul(matrix, wide, out=product[: len(wide)])
            rotated[some] = torch.from_numpy(product[: len(wide)])


def _rotate_on_gpu(
    columns: np.ndarray, matrix: np.ndarray, rotated: torch.Tensor, device: torch.device
) -> None:
    there = torch.from_numpy(matrix).to(device)
    wide = torch.from_numpy(np.array(columns)).to(device).float()
    product = torch.empty_like(wide)
    for i in range(len(columns)):  # one product an image, as on the CPU
        product[i] = there @ wide[i]
    rotated.copy_(product.to(rotated.dtype).cpu())


class Basis(NamedTuple):
    """A basis on the way from a layer's own to a random one.

    seed : int
        Of the random rotation Q.
    alpha : float
        Share of the way, 0 to 1.
    R : float64 (units, units)
        Q^alpha.
    """

    seed: int
    alpha: float
    R: np.ndarray


def rotated_bases(units: int, seeds: Sequence[int], alphas: Sequence[float]) -> Iterator[Basis]:
    """Yield the bases of all steps towards all random rotations, seed by seed."""
    for seed in seeds:
        path = RotationPath(random_rotation(units, seed))
        for alpha in alphas:
            yield Basis(seed, alpha, path.power(alpha))


def _check_rotation(Q: np.ndarray) -> None:
    if Q.ndim != 2 or Q.shape[0] != Q.shape[1] or len(Q) == 0:
        raise InputError(f"A rotation is a square matrix; this one has shape {Q.shape}.")
    error = np.abs(Q.T @ Q - np.eye(len(Q))).max()
    if not error <= TOLERANCE:  # also if it is not a number
        raise InputError(f"The matrix is not orthogonal: Q^T Q differs from I by {error:.2g}.")
    if np.linalg.slogdet(Q)[0] < 0:
        raise InputError(
            "The matrix is orthogonal with determinant -1, a reflection: no path of rotations "
            "leads from the identity to it. Change the sign of one column."
        )
