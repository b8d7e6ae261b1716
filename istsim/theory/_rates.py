from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jaxtyping import Float

from istsim._types import Array
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.simulation._rounds import checked_step_size
from istsim.theory._affine import AffineLaw
from istsim.theory._fixed_law import FixedLaw
from istsim.theory._law_of import law_of

# Up to this dimension an operator on symmetric matrices is written out as a matrix.
_DENSE = 120


def mean_square_rate(problem: Quadratic, method: Method, step_size: float, *, route: str = "formula") -> float:
    """The factor of the squared error a round, asymptotically: its expectation converges if and only if it is below 1.

    The spectral radius of `M -> E[(I - step_size B) M (I - step_size B)']` on symmetric matrices. The covariance
    around the fixed point shrinks by it, down to its stationary value.

    Args:
        problem: the quadratic.
        method: the method.
        step_size: a positive number.
        route: "formula", or "enumeration" of all outcomes at small d, for any number of local steps.

    Raises:
        ValueError: for arguments outside these ranges, or a sketch for another n or d.
        NotCoveredError: for what the route does not cover, with the reason.

    Example:
        >>> import numpy as np, istsim
        >>> problem = istsim.Quadratic(L=np.diag([4.0, 1.0])[None], b=np.zeros((1, 2)))
        >>> istsim.theory.mean_square_rate(problem, istsim.GradientDescent(), 0.25)  # (1 - 0.25)^2
        0.5625
    """
    law, size = law_of(problem, method, route), float(checked_step_size(step_size, jnp.float64))
    law.check_second_moments()
    return rate_of(law, size)


def max_stable_step_size(problem: Quadratic, method: Method, *, route: str = "formula") -> float:
    """The largest step size whose mean-square error stays bounded: the supremum of those with a rate below 1.

    Where B does not depend on the step size s, the stable ones are an interval from 0. At its end the
    linear part of the second moment's recursion, `M - s S(M) + s^2 T(M)` with `S(M) = E[B] M + M E[B]'`
    and `T(M) = E[B M B']`, has the eigenvalue 1. So 1/s is the spectral radius of `S^-1 T`: one
    eigenproblem, no search. Where B depends on s (the merge "literal" where it loses part of the
    model; several local steps) the end is searched for.

    Args:
        problem: the quadratic.
        method: the method.
        route: "formula", or "enumeration" of all outcomes at small d, for any number of local steps.

    Returns:
        The step size; 0 if none is stable.

    Raises:
        ValueError: for a sketch for another n or d.
        NotCoveredError: for what the route does not cover, with the reason.

    Example:
        >>> import numpy as np, istsim
        >>> problem = istsim.Quadratic(L=np.diag([4.0, 1.0])[None], b=np.zeros((1, 2)))
        >>> round(istsim.theory.max_stable_step_size(problem, istsim.GradientDescent()), 9)  # 2 / lmax
        0.5
    """
    law = law_of(problem, method, route)
    law.check_second_moments()
    if law.depends_on_step_size:
        return _searched_limit(law)
    operator = np.asarray(law.mean_operator())
    triangular, basis = scipy.linalg.schur(operator, output="complex")
    diagonal = np.diagonal(triangular)
    if np.real(diagonal).min() <= 1e-14 * np.abs(diagonal).max():
        return 0.0  # not even the mean converges, at any step size
    if isinstance(law, FixedLaw):
        return float((2 * np.real(diagonal) / np.abs(diagonal) ** 2).min())  # of gamma, until |1 - gamma lambda| = 1

    def solved(Q: np.ndarray) -> np.ndarray:
        """M with `E[B] M + M E[B]' = Q`, in the basis in which E[B] is triangular."""
        right = basis.conj().T @ Q @ basis
        found, scale, _ = scipy.linalg.lapack.ztrsyl(triangular, triangular, right, tranb="C")
        return (basis @ (found / scale) @ basis.conj().T).real

    def scaled(matrices: np.ndarray) -> np.ndarray:
        return np.stack([solved(Q) for Q in np.asarray(_seconds(law, matrices))])

    return 1 / _spectral_radius(scaled, problem.dim)


def rate_of(law: AffineLaw, step_size: float) -> float:
    """The spectral radius of the linear part of the second moment's recursion."""
    if isinstance(law, FixedLaw):  # which is (I - gamma B) M (I - gamma B)'
        one_round = np.eye(law.problem.dim) - step_size * np.asarray(law.mean_operator())
        return float(np.abs(np.linalg.eigvals(one_round)).max() ** 2)
    return _spectral_radius(lambda matrices: np.asarray(linear_parts(law, step_size, matrices)), law.problem.dim)


@jax.jit
def linear_parts(law: AffineLaw, step_size: Any, matrices: Any) -> Float[Array, "m d d"]:
    """`E[(I - step_size B) M (I - step_size B)']` for each of the symmetric matrices M."""
    one_round = law.recursion()
    return jax.vmap(lambda M: one_round(step_size, M, None))(jnp.asarray(matrices))


@jax.jit
def _seconds(law: AffineLaw, matrices: Any) -> Float[Array, "m d d"]:
    """`E[B M B']` for each of the matrices M."""
    return jax.vmap(law.second)(jnp.asarray(matrices))


def _searched_limit(law: AffineLaw) -> float:
    largest = 4 / float(np.linalg.eigvalsh(np.asarray(law.problem.mean_hessian))[-1])
    grid = np.geomspace(1e-3 * largest, 4 * largest, 40)
    stable = np.array([rate_of(law, size) < 1 for size in grid])
    if not stable.any():
        return 0.0
    last = int(np.flatnonzero(stable)[-1])
    while last == len(grid) - 1:
        grid = np.append(grid, 2 * grid[-1])
        last += rate_of(law, grid[-1]) < 1
    root = scipy.optimize.brentq(lambda size: rate_of(law, size) - 1, grid[last], grid[last + 1], rtol=1e-10)
    return float(np.real(root))


def _spectral_radius(apply: Callable[[np.ndarray], np.ndarray], d: int) -> float:
    """Of a linear map on symmetric (d, d) matrices, applied to several at once, that keeps semidefinite ones so.

    Then the spectral radius is itself an eigenvalue, with a semidefinite eigenvector (Krein and Rutman).
    """
    rows, columns = np.triu_indices(d)
    weights = np.where(rows == columns, 1.0, np.sqrt(2.0))

    def matrices(vectors: np.ndarray) -> np.ndarray:
        M = np.zeros((len(vectors), d, d))
        M[:, rows, columns] = M[:, columns, rows] = vectors / weights
        return M

    def vectors(M: np.ndarray) -> np.ndarray:
        return (M + M.transpose(0, 2, 1))[:, rows, columns] / 2 * weights

    size = len(rows)
    if size <= _DENSE:
        written_out = vectors(apply(matrices(np.eye(size))))  # transposed, with the same eigenvalues
        return float(np.abs(np.linalg.eigvals(written_out)).max())

    def product(vector: np.ndarray) -> np.ndarray:
        return vectors(apply(matrices(np.real(vector).reshape(1, -1))))[0]

    operator = scipy.sparse.linalg.LinearOperator((size, size), matvec=product, dtype=float)
    start = vectors(np.eye(d)[None])[0]
    values = scipy.sparse.linalg.eigs(
        operator, k=1, which="LM", v0=start, ncv=min(size, 40), tol=1e-12, return_eigenvectors=False
    )
    return float(np.abs(values[0]))
