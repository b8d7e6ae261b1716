from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from istsim.simulation._solution import Solution


# Beyond this dimension the exact limit takes minutes, too long for a word of advice.
_LARGEST_EIGENPROBLEM = 150


def advice(solution: Solution) -> str:
    """One line for each kind of status among the trajectories."""
    from istsim import theory

    status, lines = solution.status, []
    for index in np.flatnonzero((status == "diverged").any(axis=1)):
        diverged = status[index] == "diverged"
        first = int(np.nanmin(solution.first_diverged_round()[index]))
        size = solution.step_sizes[index]
        name = "the schedule" if np.isnan(size) else f"step size {size:.6g}"
        lines.append(f"{name}: {diverged.sum()} of {diverged.size} runs diverged, the first by round {first}.")
    try:
        lines += _exact_advice(solution, diverged=bool(lines), running=int((status == "running").sum()))
    except theory.NotCoveredError as reason:
        lines.append(f"No exact limit is known here: {str(reason).partition(';')[0]}.")
    if (status == "converged").any():
        lines.append(f"{(status == 'converged').sum()} runs converged to the minimizer.")
    return "\n".join(lines)


def _exact_advice(solution: Solution, *, diverged: bool, running: int) -> list[str]:
    """What the exact engine says of divergence and of the floor."""
    from istsim import theory

    problem, method, lines = solution.problem, solution.method, []
    smallest = None if np.isnan(solution.step_sizes).any() else float(solution.step_sizes.min())
    if running:
        floor = problem.objective_gap(theory.fixed_point(problem, method, step_size=smallest))
        lines.append(
            f"{running} runs are still above the minimum: more rounds may help, but the expected iterate itself "
            f"tends to a point with objective gap {float(floor):.3g}."
        )
    if diverged:
        if problem.dim <= _LARGEST_EIGENPROBLEM:
            stable = theory.max_stable_step_size(problem, method)
            lines.append(f"The mean-square error stays bounded at step sizes below {stable:.6g}.")
        limit = theory.mean_step_size_limit(problem, method)
        lines.append(f"Above {limit:.6g} even the expected iterate diverges.")
        contraction = theory.contraction(problem, method)
        if math.isfinite(contraction.theta) and contraction.rate > 0:
            lines.append(
                f"Step sizes up to 1/theta = {1 / contraction.theta:.6g} contract the mean-square error (Theorem 1)."
            )
    return lines
