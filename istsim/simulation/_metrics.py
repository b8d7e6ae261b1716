from __future__ import annotations

from jaxtyping import Float

from istsim._types import Array
from istsim.problems._quadratic import Quadratic

METRICS = {
    "objective_gap": "f(x) - f(x*)",
    "gradient_norm_squared": "||grad f(x)||^2",
    "distance_squared": "||x - x*||^2",
}


def metrics(problem: Quadratic, x: Float[Array, "... d"]) -> dict[str, Float[Array, "..."]]:
    """All metrics at points of shape (..., d), by one matrix product for them all.

    From x - x*, because the difference of two values of f loses all digits near the optimum.
    """
    return metrics_of_errors(problem, x - problem.minimizer)


def metrics_of_errors(problem: Quadratic, error: Float[Array, "... d"]) -> dict[str, Float[Array, "..."]]:
    """All metrics at points of which `x - x*` is known."""
    gradient = problem.mean_hessian_times(error)
    return {
        "objective_gap": 0.5 * (error * gradient).sum(axis=-1),
        "gradient_norm_squared": (gradient**2).sum(axis=-1),
        "distance_squared": (error**2).sum(axis=-1),
    }
