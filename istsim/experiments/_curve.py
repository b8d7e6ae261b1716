"""One curve of a convergence figure: simulated with error bars, exact, and held against each other."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from istsim import theory
from istsim.experiments._setting import KEY
from istsim.methods._method import Method, SketchedMethod
from istsim.problems._quadratic import Quadratic
from istsim.simulation import simulate
from istsim.simulation._metrics import METRICS, metrics
from istsim.theorems import TheoremCheck, get
from istsim.theory._best import search_step_size
from istsim.theory._law_of import dynamics_of
from istsim.verify import compare_means
from istsim.verify._tails import tells_apart

if TYPE_CHECKING:
    import xarray

BAND = (0.1, 0.9)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curve:
    """What to run for one curve.

    Attributes:
        label: how the figure names it.
        problem, method: what is run.
        step_size: a positive number, or None for the one whose exact curve lies lowest: with the least average
            over the rounds of the logarithm of the exact objective gap.
        rounds, repetitions, key: of the simulation.
        x0: shape (d,), where it starts; the vector of ones if None.
        group: the panel it belongs to, or the line of a scan.
        x: where on the axis of a scan it stands, if it is a point of one.
    """

    label: str
    problem: Quadratic
    method: Method
    step_size: float | None
    rounds: int
    repetitions: int
    key: int = KEY
    x0: np.ndarray | None = None
    group: str = ""
    x: float = np.nan


def measure(curve: Curve) -> xarray.Dataset:
    """Simulate a curve, compute it exactly, and compare every recorded point.

    Returns:
        A dataset over (metric, round): the simulated mean with its standard error and the 10th and
        90th percentile of the runs, and the exact expectation; Theorem 1's bound on the objective
        gap over (round), NaN where the theorem does not apply; scalars that describe the curve.
    """
    import xarray

    problem, method, rounds = curve.problem, curve.method, curve.rounds
    step_size = curve.step_size
    if step_size is None:
        step_size = search_step_size(dynamics_of(problem, method), rounds, curve.x0, score=_mean_log_gaps)
    run: dict[str, Any] = {"step_size": step_size, "rounds": rounds, "x0": curve.x0}
    solution = simulate(problem, method, key=curve.key, repetitions=curve.repetitions, **run)
    exact = theory.exact_moments(problem, method, **run)
    samples = np.stack([solution.metrics[name][0] for name in METRICS])  # (metric, repetition, round)
    expectations = np.stack([np.asarray(getattr(exact, name)) for name in METRICS])
    agreement = compare_means(samples, expectations, axis=1)

    fixed_point = np.asarray(theory.fixed_point(problem, method, step_size=step_size))
    at_mean = metrics(problem.astype(np.float64), exact.mean)
    last, expected = solution.x[0], np.asarray(exact.mean[-1])
    bound = get("theorem-1-iterates").check(problem, method, **run)
    down, up = method.floats_per_round(problem)
    dims = ("metric", "round")
    return xarray.Dataset(
        {
            "simulated": (dims, samples.mean(axis=1), {"long_name": "mean over the simulated runs"}),
            "standard_error": (
                dims,
                samples.std(axis=1, ddof=1) / np.sqrt(curve.repetitions),
                {"long_name": "standard error of the mean"},
            ),
            "low": (dims, np.quantile(samples, BAND[0], axis=1), {"long_name": "10th percentile of the runs"}),
            "high": (dims, np.quantile(samples, BAND[1], axis=1), {"long_name": "90th percentile of the runs"}),
            "exact": (dims, expectations, {"long_name": "exact expectation"}),
            "at_mean": (
                dims,
                np.stack([at_mean[name] for name in METRICS]),
                {"long_name": "at the exact mean E x_k; the exact expectation less this is the spread's share"},
            ),
            "deviation": (dims, agreement.deviations, {"long_name": "|mean - exact| in standard errors"}),
            "undecided": (
                dims,
                agreement.undecided.astype(float),  # curves of different lengths are filled up with NaN
                {"long_name": "1 where the deviation is large, but the tails too heavy to trust the standard error"},
            ),
            "bound": (
                "round",
                bound.rhs / 2 if bound.applicable else np.full(rounds + 1, np.nan),
                {"long_name": "bound on the objective gap from Theorem 1, (16); NaN where it does not apply"},
            ),
            "theorem_1": _verdict(bound),
            # It adds up over comparisons, and the last iterate's d coordinates are held to the same bound.
            "false_alarm_rate": agreement.false_alarm_rate * (1 + problem.dim / agreement.points),
            "step_size": step_size,
            "floats_per_round": (
                (),
                down + up,
                {"long_name": "expected floats down and up in a round, over all workers"},
            ),
            "limit_gap": (
                (),
                float(problem.objective_gap(fixed_point)),
                {"long_name": "objective gap at E x_infinity"},
            ),
            "limit_distance_squared": (
                (),
                float(np.sum((fixed_point - problem.minimizer) ** 2)),
                {"long_name": "squared distance of E x_infinity from x*"},
            ),
            "mean_deviation": (
                (),
                _largest_deviation(last, expected, agreement.allowed),
                {"long_name": "largest |mean - exact| of a decided coordinate of the last iterate, in standard errors"},
            ),
            "mean_gap": ((), float(problem.objective_gap(last.mean(axis=0))), {"long_name": "gap at the mean of x_K"}),
            "transient": (
                "round",
                np.sum((np.asarray(exact.mean) - fixed_point) ** 2, axis=1),
                {"long_name": "squared distance of E x_k from its limit"},
            ),
            "x": curve.x,
            "label": curve.label,
            "group": curve.group,
            "method": type(method).__name__,
            "sketch": repr(method.sketch) if isinstance(method, SketchedMethod) else "none",
            "problem": repr(problem),
            "repetitions": curve.repetitions,
        },
        coords={"metric": list(METRICS), "round": solution.recorded_rounds},
    )


def _largest_deviation(samples: np.ndarray, exact: np.ndarray, allowed: float) -> float:
    # Not `compare_means`, whose allowance for rounding is that of squares: coordinates have either sign.
    difference = np.abs(samples.mean(axis=0) - exact)
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    beyond_rounding = difference > 1e-9 * np.abs(exact).max(initial=0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviations = np.where(beyond_rounding, difference / error, 0.0)
    for i in np.flatnonzero(deviations > allowed):
        if not tells_apart(samples[:, i], float(exact[i]), allowed):
            deviations[i] = 0.0
    return float(deviations.max())


def _mean_log_gaps(gaps: Float[np.ndarray, "step_size iterates"]) -> Float[np.ndarray, " step_size"]:
    with np.errstate(invalid="ignore"):
        logarithms = np.log(np.maximum(gaps, np.finfo(float).tiny)).mean(axis=1)
    return np.where(np.isfinite(gaps).all(axis=1), logarithms, np.inf)


def _verdict(check: TheoremCheck) -> str:
    if not check.applicable:
        return check.reason.partition(" (")[0]
    return "holds" if check.holds else "VIOLATED"
