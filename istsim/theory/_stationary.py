from __future__ import annotations

import dataclasses

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
from istsim.theory._exact_moments import metrics_of
from istsim.theory._law_of import law_of
from istsim.theory._mean import fixed_point_of
from istsim.theory._rates import linear_parts, max_stable_step_size, rate_of


@dataclasses.dataclass(frozen=True, eq=False)
class Stationary:
    """Where a method settles with a constant step size: the limit of the law of x_k, as far as two moments.

    Attributes:
        mean: `E x`, shape (d,).
        covariance: shape (d, d).
        objective_gap: `E f(x) - f(x*)`, of bias and covariance together.
        gradient_norm_squared: `E ||grad f(x)||^2`.
        distance_squared: `E ||x - x*||^2`.
    """

    mean: Float[np.ndarray, " d"] = dataclasses.field(repr=False)
    covariance: Float[np.ndarray, "d d"] = dataclasses.field(repr=False)
    objective_gap: float
    gradient_norm_squared: float
    distance_squared: float


def stationary(problem: Quadratic, method: Method, step_size: float, *, route: str = "formula") -> Stationary:
    """The stationary mean and covariance, from the linear equation they solve, by products with its map alone.

    Args:
        problem: the quadratic.
        method: the method.
        step_size: a positive number, below `max_stable_step_size`.
        route: "formula", or "enumeration" of all outcomes at small d, for any number of local steps.

    Raises:
        ValueError: for a step size at which the mean-square error diverges; the message gives the limit.
        NotCoveredError: for what the route does not cover, with the reason.

    Example:
        >>> import istsim
        >>> problem = istsim.random_quadratic(0, 4, 8, condition_number=5.0,
        ...                                   matrix_heterogeneity=0.2, vector_heterogeneity=0.5)
        >>> method = istsim.IST(istsim.Permutation(4, 8))
        >>> settled = istsim.theory.stationary(problem, method, 0.1)
        >>> late = istsim.theory.exact_moments(problem, method, step_size=0.1, rounds=2000)
        >>> abs(settled.objective_gap - float(late.objective_gap[-1])) < 1e-9
        True
    """
    law, size = law_of(problem, method, route), float(checked_step_size(step_size, jnp.float64))
    law.check_second_moments()
    if (settled := settle(law, size)) is not None:
        return settled
    limit, rate = max_stable_step_size(problem, method, route=route), rate_of(law, size)
    raise ValueError(
        f"step_size must be below {limit:.6g}, the largest at which the mean-square error stays bounded, got "
        f"{size:.6g}, at which it grows by {rate:.6g} a round"
        if limit > 0
        else f"no step size keeps the mean-square error bounded here; at {size:.6g} it grows by {rate:.6g} a round"
    )


def settle(law: AffineLaw, size: float) -> Stationary | None:
    """The stationary law, or None where the mean-square error diverges."""
    rate = rate_of(law, size)
    if rate >= 1:
        return None
    mean = fixed_point_of(law, size)
    # Centred at the fixed point the mean vanishes, and what drives the covariance is one constant matrix.
    centred, d = law.centred_at(mean), law.problem.dim
    driven = np.asarray(_driven(centred, size))

    def unsettled(vector: np.ndarray) -> np.ndarray:
        M = vector.reshape(1, d, d)
        return (M - np.asarray(linear_parts(centred, size, M))).ravel()

    operator = scipy.sparse.linalg.LinearOperator((d * d, d * d), matvec=unsettled, dtype=float)
    enough = 1e-9 * max(np.abs(driven).max(), np.finfo(float).tiny)
    solution, residual = driven.ravel(), np.inf
    for _ in range(200):
        solution, failed = scipy.sparse.linalg.gmres(
            operator, driven.ravel(), x0=solution, rtol=1e-13, atol=0.0, restart=80, maxiter=1
        )
        before, residual = residual, np.abs(unsettled(solution) - driven.ravel()).max()
        if not failed or before / 2 < residual <= enough:  # no nearer: the products' own rounding
            break
    if residual > enough:
        raise ValueError(
            f"the stationary covariance could not be solved for at step_size = {size:.6g}, where the mean-square error "
            f"shrinks by only {rate:.9g} a round"
        )
    covariance = solution.reshape(d, d)
    covariance = (covariance + covariance.T) / 2
    bias = np.asarray(mean - law.problem.minimizer)
    gap, gradient, distance = metrics_of(law.problem)(jnp.asarray(covariance + np.outer(bias, bias)))
    return Stationary(np.asarray(mean), covariance, float(gap), float(gradient), float(distance))


@jax.jit
def _driven(law: AffineLaw, step_size: Float[Array, ""]) -> Float[Array, "d d"]:
    """What a round adds to the covariance around the fixed point."""
    d = law.problem.dim
    return law.recursion()(step_size, jnp.zeros((d, d)), jnp.zeros(d))
