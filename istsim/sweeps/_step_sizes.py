from __future__ import annotations

import dataclasses
import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from istsim._types import Numbers
from istsim._validation import positive_int
from istsim.methods import Method
from istsim.problems import Quadratic
from istsim.simulation import simulate
from istsim.simulation._rounds import starting_point
from istsim.theory._best import log_final_gaps, search_step_size
from istsim.theory._contraction import contraction
from istsim.theory._dynamics import Dynamics
from istsim.theory._errors import NotCoveredError
from istsim.theory._law_of import dynamics_of

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
        run: the arguments of the runs, with the simulated gaps after the last round, shape (step_size, repetition).
    """

    empirical: float
    exact: float
    theorem: float
    largest_stable: float
    run: Compared = dataclasses.field(repr=False)

    @functools.cached_property
    def theorem_applies(self) -> str:
        """Which premise of Theorem 1 fails, "" if all hold, so that it promises convergence."""
        return self.run.theorem_1(self.theorem)

    @functools.cached_property
    def dataset(self) -> xarray.Dataset:
        """The curves, computed when they are first asked for.

        Over `step_size`: the simulated mean gap and its `standard_error`, the `exact` gap, the `stationary` one that
        remains after infinitely many rounds, and the asymptotic `rate` at which it is approached. Over
        `line_step_size`, more of them, among them `exact` where it lies between them: the exact ones as `line_exact`,
        `line_stationary` and `line_rate`.
        """
        names = ("empirical", "exact", "theorem", "theorem_applies", "largest_stable")
        marks = {f"mark_{name}": getattr(self, name) for name in names}
        return self.run.curves(self.largest_stable, self.exact, marks)

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
    rounds, points = positive_int("rounds", rounds), positive_int("points", points)
    dynamics = dynamics_of(problem, method, route)
    limit = dynamics.max_stable_step_size()
    if limit <= 0:
        raise ValueError("no step size is stable for this method on this problem: there is none to choose")
    best = search_step_size(dynamics, rounds, x0, score=log_final_gaps)
    sizes = np.geomspace(_RANGE * limit, _LAST * limit, points)
    solution = simulate(
        problem, method, step_size=sizes, rounds=rounds, x0=x0, repetitions=repetitions, key=key, record_every=rounds
    )
    gaps = solution.metrics["objective_gap"][..., -1]
    simulated = gaps.mean(axis=1)
    return StepSizes(
        empirical=float(sizes[np.argmin(np.where(np.isfinite(simulated), simulated, np.inf))]),
        exact=best,
        theorem=_inverse_theta(problem, method, route),
        largest_stable=limit,
        run=Compared(dynamics, problem, method, rounds, x0, route, sizes, gaps),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Compared:
    """What was run at some step sizes.

    Attributes:
        dynamics: the exact moments of the method's rounds on the problem.
        problem, method, rounds, x0, route: the arguments of `compare_step_sizes`.
        sizes: the step sizes tried, shape (step_size,).
        gaps: the simulated objective gaps after the last round, shape (step_size, repetition).
    """

    dynamics: Dynamics
    problem: Quadratic
    method: Method
    rounds: int
    x0: Numbers | None
    route: str
    sizes: np.ndarray
    gaps: np.ndarray

    def curves(self, limit: float, best: float, attributes: dict[str, Any]) -> xarray.Dataset:
        """The dataset of a `StepSizes`."""
        import xarray

        # Exact values are drawn through all step sizes that were tried, more between them, and the best.
        points, repetitions = self.gaps.shape
        finer = -(-_SMOOTH // max(points - 1, 1))
        line = np.geomspace(self.sizes[0], self.sizes[-1], finer * (points - 1) + 1)
        line[::finer] = self.sizes
        line = np.union1d(line, [best] if line[0] < best < line[-1] else [])
        settled = self.dynamics.all_settled(line)
        start = starting_point(self.dynamics.law.problem, self.x0)
        exact = {
            "exact": self.dynamics.gaps(line, self.rounds, start)[:, -1],
            "stationary": np.array([found.metrics[0] if found else np.nan for found in settled]),
            "rate": np.array(self.dynamics.asymptotic_rates(line)),
        }
        simulated = self.gaps.mean(axis=1)
        error = self.gaps.std(axis=1, ddof=1) / math.sqrt(repetitions) if repetitions > 1 else simulated * np.nan
        return xarray.Dataset(
            {
                "simulated": ("step_size", simulated),
                "standard_error": ("step_size", error),
                **{name: ("step_size", values[np.isin(line, self.sizes)]) for name, values in exact.items()},
                **{f"line_{name}": ("line_step_size", values) for name, values in exact.items()},
            },
            coords={"step_size": self.sizes, "line_step_size": line},
            attrs=attributes | {"rounds": self.rounds, "repetitions": repetitions},
        )

    def theorem_1(self, step_size: float) -> str:
        """Which of its premises fails at this step size, if any does."""
        from istsim import theorems

        try:
            contraction(self.problem, self.method, route=self.route)
        except NotCoveredError as error:
            return str(error)
        if not math.isfinite(step_size):
            return "there is no theta"
        try:
            check = theorems.get("theorem-1-iterates").check(self.problem, self.method, step_size=step_size, rounds=1)
        except NotCoveredError as error:
            return f"premises are checked by formula: {error}"
        return "" if check.applicable else check.reason


def _inverse_theta(problem: Quadratic, method: Method, route: str) -> float:
    """The largest step size that Theorem 1 allows, NaN if there is none."""
    try:
        theta = contraction(problem, method, route=route).theta
    except NotCoveredError:
        return math.nan
    return 1 / theta if math.isfinite(theta) else math.nan
