"""Linear maps of symmetric matrices, known by what they do to several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import scipy
from jaxtyping import Float

from istsim.simulation._blas import one_thread_a_product

SymmetricMap = Callable[[Float[np.ndarray, "m d d"]], Float[np.ndarray, "m d d"]]

# Up to so many entries of symmetric matrices all eigenvalues are computed; beyond, the largest by Arnoldi's method,
# and from fewer on where there are many matrices.
_ALL_EIGENVALUES = 300
_FEW = 60


def count_entries(d: int) -> int:
    """The number of entries on and above the diagonal."""
    return d * (d + 1) // 2


def as_vectors(matrices: Float[np.ndarray, "*many d d"]) -> Float[np.ndarray, "*many entries"]:
    """Symmetric matrices as vectors with the same inner product: entries off the diagonal count twice."""
    rows, columns, weights = _entries(matrices.shape[-1])
    return matrices[..., rows, columns] * weights


def as_matrices(vectors: Float[np.ndarray, "*many entries"], d: int) -> Float[np.ndarray, "*many d d"]:
    """The symmetric (d, d) matrices of vectors."""
    rows, columns, weights = _entries(d)
    matrices = np.zeros((*vectors.shape[:-1], d, d))
    matrices[..., rows, columns] = matrices[..., columns, rows] = vectors / weights
    return matrices


def _entries(d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, columns = np.triu_indices(d)
    return rows, columns, np.where(rows == columns, 1.0, np.sqrt(2.0))


def basis(d: int) -> Float[np.ndarray, "entries d d"]:
    """The matrices of the unit vectors."""
    return as_matrices(np.eye(count_entries(d)), d)


def written_out(apply: SymmetricMap, d: int) -> Float[np.ndarray, "entries entries"]:
    """The matrix of the map, for vectors as `as_vectors` makes them."""
    images = apply(basis(d))
    return as_vectors((images + np.swapaxes(images, 1, 2)) / 2).T


def spectral_radius(apply: SymmetricMap, d: int) -> float:
    """The spectral radius of a linear map of symmetric (d, d) matrices that keeps semidefinite ones so.

    It is then itself an eigenvalue, with a semidefinite eigenvector (Krein and Rutman).
    """
    if count_entries(d) <= _ALL_EIGENVALUES:
        return spectral_radius_of(written_out(apply, d))

    def product(vector: np.ndarray) -> np.ndarray:
        (image,) = apply(as_matrices(np.real(vector).reshape(1, -1), d))
        return as_vectors((image + image.T) / 2)

    # The map takes semidefinite matrices to such: what it does to the identity it does to none more.
    image = product(as_vectors(np.eye(d)))
    if not image.any():
        return 0.0
    return _by_arnoldi(product, d) if np.isfinite(image).all() else np.inf


def spectral_radius_of(matrix: Float[np.ndarray, "entries entries"]) -> float:
    """The same for a map that is written out; inf for one that overflows."""
    if not np.isfinite(matrix).all():
        return np.inf
    if len(matrix) > _ALL_EIGENVALUES:
        return _largest_of(matrix)
    with one_thread_a_product():  # small steps, between which several threads wait longer than they compute
        return float(np.abs(np.linalg.eigvals(matrix)).max())


def spectral_radii_of(matrices: Iterable[Float[np.ndarray, "entries entries"]]) -> list[float]:
    """The same for several of one size: for large ones it pays to load what SciPy has for Arnoldi's method."""
    every = list(matrices)
    quicker = spectral_radius_of if len(every) == 1 or len(every[0]) <= _FEW else _largest_of
    return [quicker(matrix) for matrix in every]


def _largest_of(matrix: Float[np.ndarray, "entries entries"]) -> float:
    try:
        return _by_arnoldi(lambda vector: matrix @ np.real(vector).ravel(), int(np.sqrt(2 * len(matrix))))
    except scipy.sparse.linalg.ArpackError:  # such as for a matrix of zeros
        return float(np.abs(np.linalg.eigvals(matrix)).max())


def _by_arnoldi(product: Callable[[np.ndarray], np.ndarray], d: int) -> float:
    size = count_entries(d)
    operator = scipy.sparse.linalg.LinearOperator((size, size), matvec=product, dtype=float)
    values = scipy.sparse.linalg.eigs(
        operator, k=1, which="LM", v0=as_vectors(np.eye(d)), ncv=min(size, 40), tol=1e-12, return_eigenvectors=False
    )
    return float(np.abs(values[0]))
