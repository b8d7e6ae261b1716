from __future__ import annotations

from collections.abc import Callable

import numpy as np

from istsim._types import Numbers
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.theory._exact_moments import ExactMoments, exact_moments
from istsim.theory._mean import mean_step_size_limit


def best_step_size(problem: Quadratic, method: Method, rounds: int, x0: Numbers | None = None) -> float:
    """The constant step size with the least exact objective gap after a number of rounds.

    The gap is evaluated on a grid over the three orders of magnitude below the step size at which
    even the mean diverges, then refined around the best grid point, to about one percent.

    Args:
        problem: the quadratic.
        method: the method.
        rounds: K, at least 1: the gap is that of x_K.
        x0: shape (d,), where the run starts; the vector of ones if None.

    Raises:
        ValueError: if no step size makes the expected iterate converge, or for arguments outside
            these ranges.

    Example:
        >>> import numpy as np, istsim
        >>> problem = istsim.Quadratic(L=np.diag([3.0, 1.0])[None], b=np.zeros((1, 2)))
        >>> best = istsim.theory.best_step_size(problem, istsim.GradientDescent(), rounds=200)
        >>> abs(best - 2 / (3 + 1)) < 0.01  # 2 / (lmin + lmax)
        True
    """
    return search_step_size(problem, method, rounds, x0, score=_log_final_gap)


def search_step_size(
    problem: Quadratic,
    method: Method,
    rounds: int,
    x0: Numbers | None,
    *,
    score: Callable[[ExactMoments], float],
) -> float:
    """The step size whose exact run has the least score; inf marks a run that is out of the question."""
    from scipy.optimize import minimize_scalar

    limit = mean_step_size_limit(problem, method)
    if limit <= 0:
        raise ValueError("no step size makes the expected iterate converge: E[B] has an eigenvalue with real part <= 0")

    def score_of(log_step_size: float) -> float:
        return score(exact_moments(problem, method, step_size=float(np.exp(log_step_size)), rounds=rounds, x0=x0))

    grid = np.log(limit) + np.linspace(np.log(1e-3), 0.0, 16)
    values = np.array([score_of(point) for point in grid])
    best = int(values.argmin())
    bounds = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
    refined = minimize_scalar(score_of, bounds=bounds, method="bounded", options={"xatol": 0.01})
    return float(np.exp(refined.x if refined.fun < values[best] else grid[best]))


def _log_final_gap(moments: ExactMoments) -> float:
    gap = float(moments.objective_gap[-1])
    return float(np.log(max(gap, np.finfo(float).tiny))) if np.isfinite(gap) else np.inf
