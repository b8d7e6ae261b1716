from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from istsim._types import Numbers
from istsim._validation import finite_number, positive_int
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.simulation._rounds import checked_step_size, starting_point
from istsim.theory._dynamics import Dynamics
from istsim.theory._law_of import dynamics_of
from istsim.theory._mean import mean_step_size_limit_of

# The step sizes tried: evenly spread, by ratio, over three orders of magnitude below the limit, and three more where
# the shortest is the best; then as many between the neighbours of the best, and once more.
_RANGE, _GRID, _ZOOMS = 1e-3, 16, 3
_WITHIN = 1 - 1e-6
# Times the limit: shorter ones are not looked at.
_SHORTEST = 1e-12
_TINY = np.finfo(float).tiny

# From objective gaps of shape (step_size, iterates), one number for each step size.
Score = Callable[[Float[np.ndarray, "step_size iterates"]], Float[np.ndarray, " step_size"]]


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
    even the mean diverges, then on finer grids around the best point, to about one percent.

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
    rounds = positive_int("rounds", rounds)
    return search_step_size(dynamics_of(problem, method, route), rounds, x0, score=log_final_gaps)


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
    if not isinstance(problem, Quadratic):
        raise ValueError(f"problem must be an istsim.Quadratic, got {problem!r}")
    if (candidates is None) == (bounds is None):
        raise ValueError("pass either candidates or bounds")
    if not callable(family):
        raise ValueError(f"family must be a function that gives the method for a value, got {family!r}")
    start = starting_point(problem.astype(np.float64), x0)
    scores_of = _scores_of(goal, start)
    if step_size is not None:
        step_size = float(checked_step_size(step_size, np.float64))

    def member(value: Any) -> Best:
        method = family(value)
        dynamics = dynamics_of(problem, method)
        size = step_size
        if size is None:
            rated = isinstance(goal, str)
            limit = dynamics.max_stable_step_size() if rated else mean_step_size_limit_of(dynamics.law)
            # At its end nothing settles. At stationarity the shortest are the best, of any range.
            limit *= _WITHIN if rated else 1.0
            size = _least_step_size(lambda sizes: scores_of(dynamics, sizes), limit, shorter=goal != "stationary")
        (score,) = scores_of(dynamics, np.array([size]))
        return Best(value, method, size, float(np.exp(score)))

    if candidates is not None:
        if not isinstance(candidates, Iterable) or isinstance(candidates, str) or not (candidates := list(candidates)):
            raise ValueError(f"candidates must be a sequence of values, at least one, got {candidates!r}")
        return min((member(value) for value in candidates), key=lambda found: found.score)
    pair = bounds if isinstance(bounds, Sequence | np.ndarray) and len(bounds) == 2 else (0.0, 0.0)
    low, high = (finite_number("bounds", bound) for bound in pair)
    if not 0 < low < high:
        raise ValueError(f"bounds must be two positive numbers, the lower first, got {bounds}")

    def scores(values: np.ndarray) -> np.ndarray:
        return np.array([np.log(max(member(float(value)).score, _TINY)) for value in values])

    return member(least_of_grids(scores, low, high, _GRID, _ZOOMS))


def search_step_size(dynamics: Dynamics, rounds: int, x0: Numbers | None, *, score: Score) -> float:
    """The step size whose exact gaps have the least score; inf marks a run that is out of the question."""
    limit = mean_step_size_limit_of(dynamics.law)
    if limit <= 0:
        raise ValueError("no step size makes the expected iterate converge: E[B] has an eigenvalue with real part <= 0")
    start = starting_point(dynamics.law.problem, x0)
    return _least_step_size(lambda sizes: score(dynamics.gaps(sizes, rounds, start)), limit)


def log_final_gaps(gaps: Float[np.ndarray, "step_size iterates"]) -> Float[np.ndarray, " step_size"]:
    """The logarithms of the last objective gaps, inf where they are not finite."""
    last = gaps[:, -1]
    return np.log(np.where(np.isfinite(last), np.maximum(last, _TINY), np.inf))


def _scores_of(
    goal: int | str, start: Float[np.ndarray, " d"]
) -> Callable[[Dynamics, np.ndarray], Float[np.ndarray, " step_size"]]:
    if goal == "rate":
        return lambda dynamics, sizes: np.log(np.maximum(dynamics.rates(sizes), _TINY))
    if goal == "stationary":

        def stationary_gaps(dynamics: Dynamics, sizes: np.ndarray) -> np.ndarray:
            gaps = [np.inf if found is None else found.metrics[0] for found in dynamics.all_settled(sizes)]
            return np.log(np.maximum(gaps, _TINY))

        return stationary_gaps
    if isinstance(goal, str):
        raise ValueError(f"goal must be a number of rounds, 'rate' or 'stationary', got {goal!r}")
    rounds = positive_int("goal", goal)
    return lambda dynamics, sizes: log_final_gaps(dynamics.gaps(sizes, rounds, start))


def _least_step_size(scores: Callable[[np.ndarray], np.ndarray], limit: float, *, shorter: bool = True) -> float:
    """The best up to a limit, below the three orders of magnitude under it only if shorter ones are looked at.

    Raises:
        ValueError: if they are the better the shorter they are.
    """
    if limit <= 0:
        return 1.0  # no step size is stable: they are all equally bad
    return least_of_grids(scores, _RANGE * limit, limit, _GRID, _ZOOMS, lowest=_SHORTEST * limit if shorter else None)


def least_of_grids(
    scores: Callable[[Float[np.ndarray, " point"]], Float[np.ndarray, " point"]],
    low: float,
    high: float,
    count: int,
    zooms: int,
    lowest: float | None = None,
) -> float:
    """Where a function of a positive number is least: the best point of a grid, then of finer ones around it.

    Args:
        scores: The function at many points.
        low, high: The ends of the first grid, whose points are evenly spread by ratio.
        count: The number of points of each grid.
        zooms: The number of grids; each lies between the neighbours of the best point of the one before.
        lowest: Down to where it is looked for where the lower end of the first grid is the best; None for not at all.

    Raises:
        ValueError: if the best is still the lower end there.
    """
    grid = np.geomspace(low, high, count)
    values = scores(grid)
    while lowest is not None and values[0] < values[1:].min():
        if grid[0] <= lowest:
            raise ValueError(
                f"there is no best step size: down to {grid[0]:.3g}, the shorter the better, as where a run starts at "
                "what is looked for"
            )
        grid = np.geomspace(grid[0] * low / high, grid[1], count)
        values = scores(grid)
    best, least = low, np.inf
    for zoom in range(zooms):
        if zoom > 0:
            grid = np.geomspace(low, high, count)
            values = scores(grid)
        at = int(values.argmin())
        if values[at] < least:
            best, least = float(grid[at]), values[at]
        low, high = grid[max(at - 1, 0)], grid[min(at + 1, count - 1)]
    return best
