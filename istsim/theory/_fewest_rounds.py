from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from istsim._types import Numbers
from istsim._validation import finite_number, positive_int
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.simulation._rounds import check_problem_and_method, starting_point
from istsim.theory._best import least_of_grids
from istsim.theory._law_of import dynamics_of
from istsim.theory._mean import mean_step_size_limit_of

# Rounds that are tried first, and how many times more where they are too few.
_FIRST, _LONGER = 128, 8
# Step sizes tried at once; then as many between the neighbours of the best, and so on.
_GRID, _ZOOMS = 16, 3


class FewestRounds(NamedTuple):
    """Steps to a result, with the best step size.

    Attributes:
        rounds: the least number after which the expected objective gap is at the goal; infinite if none is found.
        step_size: the constant one that needs no more; NaN if there is none.
    """

    rounds: float
    step_size: float


def fewest_rounds(
    problem: Quadratic, method: Method, gap: float, *, most: int = 10_000, x0: Numbers | None = None
) -> FewestRounds:
    """How many rounds it takes to an objective gap, with the constant step size that takes fewest.

    The exact expected gap is followed for step sizes on a grid below the one at which even the mean diverges, then on
    finer grids around the best, to about one percent of the step size.

    Args:
        problem: the quadratic.
        method: the method.
        gap: the goal, positive and below the gap at the start.
        most: where none of the step sizes gets there in so many rounds, there is no result.
        x0: shape (d,), where the run starts; the vector of ones if None.

    Returns:
        A `FewestRounds`.

    Raises:
        ValueError: for arguments outside these ranges, or if no step size makes the expected iterate converge.
        NotCoveredError: for what the formulas do not cover, with the reason.

    Example:
        >>> import numpy as np, istsim
        >>> problem = istsim.Quadratic(L=np.diag([3.0, 1.0])[None], b=np.zeros((1, 2)))
        >>> found = istsim.theory.fewest_rounds(problem, istsim.GradientDescent(), 2 * 0.5**20)
        >>> found.rounds  # with 2 / (lmin + lmax) the gap, 2 at the start, falls by a factor of 4 a round
        10
        >>> istsim.theory.fewest_rounds(problem, istsim.GradientDescent(), 2 * 0.5**20, most=9).rounds
        inf
    """
    check_problem_and_method(problem, method)
    goal, most = finite_number("gap", gap), positive_int("most", most)
    start = float(problem.objective_gap(starting_point(problem, x0)))
    if not 0 < goal < start:
        raise ValueError(f"gap must be positive and below that at the start, {start:.6g}, got {gap!r}")
    dynamics = dynamics_of(problem, method)
    limit = mean_step_size_limit_of(dynamics.law)
    if limit <= 0:
        raise ValueError("no step size makes the expected iterate converge: E[B] has an eigenvalue with real part <= 0")
    at_start = starting_point(dynamics.law.problem, x0)

    def crossings(sizes: np.ndarray) -> np.ndarray:
        return np.array([_crossing(curve, goal) for curve in dynamics.gaps(sizes, rounds, at_start)])

    rounds = 0
    while rounds < most:
        rounds = min(max(_FIRST, _LONGER * rounds), most)
        # Step sizes smaller than the lowest would not get far.
        size = least_of_grids(crossings, 0.1 * limit / rounds, limit, _GRID, _ZOOMS)
        (found,) = crossings(np.array([size]))
        if math.isfinite(found):
            return FewestRounds(math.ceil(found), size)
    return FewestRounds(math.inf, math.nan)


def _crossing(gaps: np.ndarray, goal: float) -> float:
    """When the gap first is at the goal, in fractions of a round, so that step sizes differ; inf if it never is."""
    there = np.flatnonzero(gaps <= goal)
    if not len(there):
        return math.inf
    after = int(there[0])
    if gaps[after] == goal or gaps[after] == 0:
        return after
    return after - float(np.log(goal / gaps[after]) / np.log(gaps[after - 1] / gaps[after]))
