from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.simulation._rounds import checked_step_size
from istsim.theory._law_of import dynamics_of


@dataclasses.dataclass(frozen=True, eq=False)
class Stationary:
    """Where a method settles with a constant step size: the limit of the law of x_k, as far as two moments.

    Attributes:
        mean: `E x`, shape (d,).
        objective_gap: `E f(x) - f(x*)`, of bias and covariance together.
        gradient_norm_squared: `E ||grad f(x)||^2`.
        distance_squared: `E ||x - x*||^2`.
    """

    mean: Float[np.ndarray, " d"] = dataclasses.field(repr=False)
    objective_gap: float
    gradient_norm_squared: float
    distance_squared: float
    _covariance: Callable[[], Float[np.ndarray, "d d"]] = dataclasses.field(repr=False)

    @functools.cached_property
    def covariance(self) -> Float[np.ndarray, "d d"]:
        """The covariance, shape (d, d); where the L_i are diagonal it is computed when first asked for."""
        return self._covariance()


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
    dynamics = dynamics_of(problem, method, route)
    size = float(checked_step_size(step_size, np.float64))
    if (settled := dynamics.settled(size)) is not None:
        return Stationary(settled.mean, *settled.metrics, settled.covariance)
    limit, rate = dynamics.max_stable_step_size(), dynamics.rate(size)
    raise ValueError(
        f"step_size must be below {limit:.6g}, the largest at which the mean-square error stays bounded, got "
        f"{size:.6g}, at which it grows by {rate:.6g} a round"
        if limit > 0
        else f"no step size keeps the mean-square error bounded here; at {size:.6g} it grows by {rate:.6g} a round"
    )
