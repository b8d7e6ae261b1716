from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from istsim._types import Numbers
from istsim._validation import positive_int
from istsim.methods import Method
from istsim.problems import Quadratic
from istsim.simulation import simulate
from istsim.sweeps._swept import asymptotic_rate

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure

# From the largest stable step size down; all runs are stable, but close to it their spread is large.
_RANGE, _LAST = 1e-3, 0.9
# Exact curves are drawn through at least so many.
_SMOOTH = 64


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class StepSizes:
    """What `compare_step_sizes` returns.

    Attributes:
        empirical: the step size tried whose simulated mean gap after the last round is least.
        exact: the one with the least exact gap, of all.
        theorem: 1/theta of Theorem 1, the largest it allows; NaN where there is no theta.
        theorem_applies: "" if its premises hold, so that it promises convergence; else which one fails.
        largest_stable: above it the squared error grows.
        dataset: over `step_size`: the simulated mean gap and its `standard_error`, the `exact` gap, the `stationary`
            one that remains after infinitely many rounds, and the asymptotic `rate` at which it is approached. Over
            `line_step_size`, more of them, among them `exact` where it lies between them: the exact ones as
            `line_exact`, `line_stationary` and `line_rate`.
    """

    empirical: float
    exact: float
    theorem: float
    theorem_applies: str
    largest_stable: float
    dataset: xarray.Dataset = dataclasses.field(repr=False)

    def plot(self) -> Figure:
        """Gap after the last round and gap that remains (above), and the rate (below), against the step size."""
        from istsim.figures import step_sizes

        return step_sizes(self.dataset)


def compare_step_sizes(
    problem: Quadratic,
    method: Method,
    *,
    rounds: int,
    key: Any = 0,
    repetitions: int = 100,
    points: int = 24,
    x0: Numbers | None = None,
    route: str = "formula",
) -> StepSizes:
    """Which step size? The best in simulation, the exact best, the theorem's, and what a longer one trades.

    A longer step approaches its floor faster, until it is too long, but the floor is higher.

    Args:
        problem: the quadratic.
        method: the method.
        rounds: K: the best is that with the least objective gap after so many rounds.
        key: of the simulation.
        repetitions: independent runs for each step size.
        points: how many step sizes to try, over three orders of magnitude below the largest stable one.
        x0: shape (d,); the vector of ones if None.
        route: of the exact values: "formula", or "enumeration" of all outcomes at small d.

    Raises:
        ValueError: for arguments outside these ranges, or where no step size is stable.
        NotCoveredError: for what the route does not cover, with the reason.

    Example:
        >>> import istsim
        >>> problem = istsim.random_quadratic(0, 4, 8, condition_number=5.0, matrix_heterogeneity=0.2,
        ...                                   vector_heterogeneity=0.0, interpolation=True)
        >>> found = istsim.compare_step_sizes(problem, istsim.IST(istsim.Permutation(4, 8)), rounds=30, points=8)
        >>> found.theorem_applies == "", found.theorem < found.largest_stable
        (True, True)
    """
    import xarray

    from istsim import theory

    rounds, points = positive_int("rounds", rounds), positive_int("points", points)
    limit = theory.max_stable_step_size(problem, method, route=route)
    if limit <= 0:
        raise ValueError("no step size is stable for this method on this problem: there is none to choose")
    run = {"rounds": rounds, "x0": x0}
    best = theory.best_step_size(problem, method, **run, route=route)
    sizes, line = _sizes(limit, points, best)
    solution = simulate(problem, method, step_size=sizes, repetitions=repetitions, key=key, record_every=rounds, **run)
    gaps = solution.metrics["objective_gap"][..., -1]
    theorem, applies = _theorem_1(problem, method, route)
    simulated = gaps.mean(axis=1)
    marks = {
        "empirical": float(sizes[np.argmin(np.where(np.isfinite(simulated), simulated, np.inf))]),
        "exact": best,
        "theorem": theorem,
        "theorem_applies": applies,
        "largest_stable": limit,
    }

    def gap_at_end(size: float) -> float:
        return float(theory.exact_moments(problem, method, step_size=size, **run, route=route).objective_gap[-1])

    exact = {
        "exact": np.array([gap_at_end(size) for size in line]),
        "stationary": np.array([theory.stationary(problem, method, size, route=route).objective_gap for size in line]),
        "rate": np.array([asymptotic_rate(problem, method, size, route=route) for size in line]),
    }
    error = gaps.std(axis=1, ddof=1) / math.sqrt(repetitions) if repetitions > 1 else simulated * np.nan
    dataset = xarray.Dataset(
        {
            "simulated": ("step_size", simulated),
            "standard_error": ("step_size", error),
            **{name: ("step_size", values[np.isin(line, sizes)]) for name, values in exact.items()},
            **{f"line_{name}": ("line_step_size", values) for name, values in exact.items()},
        },
        coords={"step_size": sizes, "line_step_size": line},
        attrs={f"mark_{name}": value for name, value in marks.items()} | {"rounds": rounds, "repetitions": repetitions},
    )
    return StepSizes(**marks, dataset=dataset)


def _sizes(limit: float, points: int, best: float) -> tuple[np.ndarray, np.ndarray]:
    """The step sizes to try, and those of smooth curves: all of the former, more between them, and the best."""
    finer = -(-_SMOOTH // max(points - 1, 1))
    line = np.geomspace(_RANGE * limit, _LAST * limit, finer * (points - 1) + 1)
    sizes = line[::finer]
    return sizes, np.union1d(line, [best] if line[0] < best < line[-1] else [])


def _theorem_1(problem: Quadratic, method: Method, route: str) -> tuple[float, str]:
    """The largest step size that it allows, and which of its premises fails, if any does."""
    from istsim import theorems, theory

    try:
        theta = theory.contraction(problem, method, route=route).theta
    except theory.NotCoveredError as error:
        return math.nan, str(error)
    if not math.isfinite(theta):
        return math.nan, "there is no theta"
    try:
        check = theorems.get("theorem-1-iterates").check(problem, method, step_size=1 / theta, rounds=1)
    except theory.NotCoveredError as error:
        return 1 / theta, f"premises are checked by formula: {error}"
    return 1 / theta, "" if check.applicable else check.reason
