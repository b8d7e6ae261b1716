from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from istsim._types import Numbers
from istsim._validation import finite_number, positive_int
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.theory._exact_moments import ExactMoments, exact_moments
from istsim.theory._law_of import law_of
from istsim.theory._mean import mean_step_size_limit
from istsim.theory._rates import max_stable_step_size, mean_square_rate
from istsim.theory._stationary import settle

# The step sizes tried: evenly spread, by ratio, over three orders of magnitude below the limit.
_RANGE, _GRID = 1e-3, 16
_TINY = np.finfo(float).tiny


@dataclasses.dataclass(frozen=True, eq=False)
class Best:
    """The best member of a family of methods.

    Attributes:
        value: the parameter's.
        method: the member.
        step_size: the one given, or the best for this member.
        score: its objective gap, or its rate.
    """

    value: Any
    method: Method
    step_size: float
    score: float


def best_step_size(
    problem: Quadratic, method: Method, rounds: int, x0: Numbers | None = None, *, route: str = "formula"
) -> float:
    """The constant step size with the least exact objective gap after a number of rounds.

    The gap is evaluated on a grid over the three orders of magnitude below the step size at which
    even the mean diverges, then refined around the best grid point, to about one percent.

    Args:
        problem: the quadratic.
        method: the method.
        rounds: K, at least 1: the gap is that of x_K.
        x0: shape (d,), where the run starts; the vector of ones if None.
        route: "formula", or "enumeration" of all outcomes at small d.

    Raises:
        ValueError: if no step size makes the expected iterate converge, or for arguments outside
            these ranges.
        NotCoveredError: for what the route does not cover.

    Example:
        >>> import numpy as np, istsim
        >>> problem = istsim.Quadratic(L=np.diag([3.0, 1.0])[None], b=np.zeros((1, 2)))
        >>> best = istsim.theory.best_step_size(problem, istsim.GradientDescent(), rounds=200)
        >>> abs(best - 2 / (3 + 1)) < 0.01  # 2 / (lmin + lmax)
        True
    """
    return search_step_size(problem, method, rounds, x0, score=log_final_gap, route=route)


def best(
    problem: Quadratic,
    family: Callable[[Any], Method],
    *,
    goal: int | str,
    candidates: Sequence[Any] | None = None,
    bounds: tuple[float, float] | None = None,
    step_size: float | None = None,
    x0: Numbers | None = None,
) -> Best:
    """The best value of any parameter of a method: its scales, p, q, copies, ...

    Args:
        problem: the quadratic.
        family: gives the method for a value of the parameter.
        goal: what is least: after how many rounds the objective gap ("after 100 rounds": 100), or "rate" for the factor
            of the squared error a round, asymptotically, or "stationary" for the objective gap at stationarity.
        candidates: the values to choose from, such as numbers of coordinates; or else
        bounds: a lowest and a highest value, both positive: the best between them, to about one percent.
        step_size: of all members; if None, each has the best for the goal within the three orders of
            magnitude below the largest stable one. At stationarity that is often the least of them.
        x0: shape (d,), where runs start; the vector of ones if None.

    Returns:
        A `Best`; its score is infinite where no member is stable.

    Raises:
        ValueError: unless one of candidates and bounds is given, or for an unknown goal.
        NotCoveredError: for a member without exact second moments.

    Example:
        >>> import istsim
        >>> problem = istsim.random_quadratic(0, 4, 8, condition_number=5.0,
        ...                                   matrix_heterogeneity=0.2, vector_heterogeneity=0.5)
        >>> def with_k(k):
        ...     return istsim.IST(istsim.RandK(4, 8, k), forward_scale=1.0)
        >>> istsim.theory.best(problem, with_k, candidates=[2, 4, 8], goal=50, step_size=0.2).value
        8
    """
    score = _score_of(problem, goal, x0)

    def member(value: Any) -> Best:
        method = family(value)
        size = step_size
        if size is None:
            limit = max_stable_step_size if isinstance(goal, str) else mean_step_size_limit
            size = _least_step_size(lambda tried: score(method, tried), limit(problem, method))
        return Best(value, method, size, float(np.exp(score(method, size))))

    if (candidates is None) == (bounds is None):
        raise ValueError("pass either candidates or bounds")
    if candidates is not None:
        return min((member(value) for value in candidates), key=lambda found: found.score)
    low, high = (finite_number("bounds", bound) for bound in bounds or ())
    if not 0 < low < high:
        raise ValueError(f"bounds must be two positive numbers, the lower first, got {bounds}")
    log_value = _least(lambda log_tried: np.log(max(member(np.exp(log_tried)).score, _TINY)), np.log([low, high]), 12)
    return member(float(np.exp(log_value)))


def search_step_size(
    problem: Quadratic,
    method: Method,
    rounds: int,
    x0: Numbers | None,
    *,
    score: Callable[[ExactMoments], float],
    route: str = "formula",
) -> float:
    """The step size whose exact run has the least score; inf marks a run that is out of the question."""
    limit = mean_step_size_limit(problem, method, route=route)
    if limit <= 0:
        raise ValueError("no step size makes the expected iterate converge: E[B] has an eigenvalue with real part <= 0")
    return _least_step_size(
        lambda size: score(exact_moments(problem, method, step_size=size, rounds=rounds, x0=x0, route=route)), limit
    )


def log_final_gap(moments: ExactMoments) -> float:
    """The logarithm of the last objective gap, inf where it is not finite."""
    gap = float(moments.objective_gap[-1])
    return float(np.log(max(gap, _TINY))) if np.isfinite(gap) else np.inf


def _score_of(problem: Quadratic, goal: int | str, x0: Numbers | None) -> Callable[[Method, float], float]:
    if goal == "rate":
        return lambda method, size: float(np.log(max(mean_square_rate(problem, method, size), _TINY)))
    if goal == "stationary":

        def stationary_gap(method: Method, size: float) -> float:
            law = law_of(problem, method)
            law.check_second_moments()
            settled = settle(law, size)
            return np.inf if settled is None else float(np.log(max(settled.objective_gap, _TINY)))

        return stationary_gap
    if isinstance(goal, str):
        raise ValueError(f"goal must be a number of rounds, 'rate' or 'stationary', got {goal!r}")
    rounds = positive_int("goal", goal)
    return lambda method, size: log_final_gap(exact_moments(problem, method, step_size=size, rounds=rounds, x0=x0))


def _least_step_size(score: Callable[[float], float], limit: float) -> float:
    if limit <= 0:
        return 1.0  # no step size is stable: they are all equally bad
    ends = np.log(limit) + np.log([_RANGE, 1.0])
    return float(np.exp(_least(lambda log_size: score(float(np.exp(log_size))), ends, _GRID)))


def _least(score: Callable[[float], float], ends: Any, count: int) -> float:
    """Where a function of one variable is least: the best of a grid, refined between its neighbours."""
    from scipy.optimize import minimize_scalar

    grid = np.linspace(ends[0], ends[1], count)
    values = np.array([score(float(point)) for point in grid])
    at = int(values.argmin())
    bounds = (grid[max(at - 1, 0)], grid[min(at + 1, count - 1)])
    refined = minimize_scalar(score, bounds=bounds, method="bounded", options={"xatol": 0.01})
    return float(refined.x if refined.fun < values[at] else grid[at])
