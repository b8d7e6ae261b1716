"""Experiments over a parameter: exact curves on fine grids, with simulated points on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from istsim import figures, theory
from istsim.experiments._curve import Curve
from istsim.experiments._experiment import Experiment
from istsim.experiments._setting import KEY, SKETCH, D, N, heterogeneous_quadratic, usual_repetitions
from istsim.methods import IST
from istsim.problems import Quadratic, random_quadratic, remark_1_quadratic
from istsim.sketches import Permutation

if TYPE_CHECKING:
    import xarray


def _lines(lines: Sequence[tuple[str, Any, Any]], **others: Any) -> xarray.Dataset:
    """Exact values for a figure: (group, x, y) for each line."""
    import xarray

    return xarray.Dataset(
        {
            "line_x": (("line", "point"), np.array([np.asarray(x, float) for _, x, _ in lines])),
            "line_y": (("line", "point"), np.array([np.asarray(y, float) for _, _, y in lines])),
            "line_group": ("line", [group for group, _, _ in lines]),
            **others,
        }
    )


# Bias against the forward scale and q

_SIZES = (1, 3, 6, 12)  # q, with d = 24 and n = d/q workers


def _homogeneous(q: int) -> Quadratic:
    """The same Lbar and bbar for every number of workers."""
    one = random_quadratic(KEY, 1, 24, condition_number=10.0, matrix_heterogeneity=0.0, vector_heterogeneity=0.0)
    n = 24 // q
    return Quadratic(np.repeat(one.L, n, axis=0), np.repeat(one.b, n, axis=0))


def _bias_curves(quick: bool) -> Sequence[Curve]:
    curves = []
    for q in _SIZES:
        problem, n = _homogeneous(q), 24 // q
        stable = theory.max_stable_step_size(problem, IST(Permutation(n, 24), forward_scale=1.0, gradient_scale=1.0))
        curves += [
            Curve(
                label=f"α = {scale:g}",
                group=f"q = {q}",
                x=scale,
                problem=problem,
                method=IST(Permutation(n, 24), forward_scale=scale, gradient_scale=1.0),
                step_size=0.3 * stable / scale,
                rounds=60,
                repetitions=usual_repetitions(quick),
            )
            for scale in (1.0, 2.0, 8.0)
        ]
    return curves


def _bias_lines() -> xarray.Dataset:
    scales, lines = np.geomspace(0.5, 24, 80), []
    for q in _SIZES:
        problem, n = _homogeneous(q), 24 // q
        # Scale equivalence: the fixed point at alpha is 1/alpha times that at 1.
        limit = np.asarray(theory.fixed_point(problem, IST(Permutation(n, 24), forward_scale=1.0)))
        lines.append((f"q = {q}", scales, [float(problem.objective_gap(limit / scale)) for scale in scales]))
    return _lines(lines)


# Mean-square rate against the step size

_IST = IST(SKETCH)


def _interpolating() -> Quadratic:
    return random_quadratic(
        KEY, N, D, condition_number=10.0, matrix_heterogeneity=1.0, vector_heterogeneity=0.0, interpolation=True
    )


def _rate_curves(quick: bool) -> Sequence[Curve]:
    problem, curves = _interpolating(), []
    limit = theory.max_stable_step_size(problem, _IST)
    for fraction in (0.1, 0.3, 0.5, 0.7, 0.9, 1.1):
        size = fraction * limit
        # Few rounds, because the law of a product of many random matrices has too heavy a tail for means of samples;
        # from the direction that the second moment tends to, so that they are enough.
        late = theory.exact_moments(problem, _IST, step_size=size, rounds=60, covariance_at=[60])
        second = late.covariance[0] + np.outer(late.mean[-1], late.mean[-1])
        curves.append(
            Curve(
                label=f"γ = {fraction:g} γ_max",
                x=size,
                problem=problem,
                method=_IST,
                step_size=size,
                rounds=8,
                repetitions=1000 if quick else 10_000,
                x0=np.linalg.eigh(second)[1][:, -1],
            )
        )
    return curves


def _rate_lines() -> xarray.Dataset:
    problem = _interpolating()
    limit, mean_limit = theory.max_stable_step_size(problem, _IST), theory.mean_step_size_limit(problem, _IST)
    sizes = np.linspace(0.02, 1.25, 60) * limit
    lines = [
        ("mean square", sizes, [theory.mean_square_rate(problem, _IST, size) for size in sizes]),
        ("mean, squared", sizes, [theory.mean_rate(problem, _IST, size) ** 2 for size in sizes]),
    ]
    marks = {"mark_x": ("mark", [limit, mean_limit]), "mark_label": ("mark", ["mean-square limit", "mean limit"])}
    return _lines(lines, **marks)


# Stationary error against the step size


def _stationary_curves(quick: bool) -> Sequence[Curve]:
    problem = heterogeneous_quadratic(4.0)
    limit, limit_point = theory.max_stable_step_size(problem, _IST), theory.fixed_point(problem, _IST)
    return [
        Curve(
            label=f"γ = {fraction:g} γ_max",
            x=fraction * limit,
            problem=problem,
            method=_IST,
            step_size=fraction * limit,
            rounds=300,
            # Near the limit gaps have heavy tails: their means need many runs to be normal.
            repetitions=2000 if quick else 5000,
            x0=np.asarray(limit_point),  # the mean stays there: only the spread has to settle
        )
        for fraction in (0.03, 0.1, 0.3, 0.5, 0.7)
    ]


def _stationary_lines() -> xarray.Dataset:
    problem = heterogeneous_quadratic(4.0)
    limit = theory.max_stable_step_size(problem, _IST)
    sizes = np.geomspace(0.01, 0.97, 40) * limit
    bias = float(problem.objective_gap(theory.fixed_point(problem, _IST)))
    total = np.array([theory.stationary(problem, _IST, size).objective_gap for size in sizes])
    marks = {"mark_x": ("mark", [limit]), "mark_label": ("mark", ["mean-square limit"])}
    lines = [
        ("bias and spread", sizes, total),
        ("bias", sizes, np.full(len(sizes), bias)),
        ("spread", sizes, total - bias),
    ]
    return _lines(lines, **marks)


# Best forward scale against heterogeneity

_PRODUCT = 5.0  # step size times both scales


def _scaled(scale: float) -> IST:
    return IST(SKETCH, forward_scale=scale, gradient_scale=1.0)


def _best_scale(problem: Quadratic) -> float:
    """The closed form: from the stationary mean and second moment at forward scale 1."""
    settled, Lbar = theory.stationary(problem, _scaled(1.0), _PRODUCT), np.asarray(problem.mean_hessian)
    second = settled.covariance + np.outer(settled.mean, settled.mean)
    return float(np.sum(Lbar * second) / (np.asarray(problem.minimizer) @ Lbar @ settled.mean))


def _scales(problem: Quadratic) -> dict[str, float]:
    return {"best": _best_scale(problem), "α = 1": 1.0, f"α = n = {N}": float(N)}


def _scale_curves(quick: bool) -> Sequence[Curve]:
    curves = []
    for heterogeneity in (0.0, 2.0, 4.0):
        problem = heterogeneous_quadratic(heterogeneity)
        for label, scale in _scales(problem).items():
            curves.append(
                Curve(
                    label=f"heterogeneity {heterogeneity:g}",
                    group=label,
                    x=heterogeneity,
                    problem=problem,
                    method=_scaled(scale),
                    step_size=_PRODUCT / scale,
                    rounds=150,
                    repetitions=usual_repetitions(quick),
                    x0=np.asarray(theory.fixed_point(problem, _scaled(scale))),
                )
            )
    return curves


def _stationary_gap(problem: Quadratic, scale: float) -> float:
    return theory.stationary(problem, _scaled(scale), _PRODUCT / scale).objective_gap


def _scale_lines() -> xarray.Dataset:
    grid = np.linspace(0, 4, 21)
    problems = [heterogeneous_quadratic(float(heterogeneity)) for heterogeneity in grid]
    scales = [_scales(problem) for problem in problems]
    lines = [
        (label, grid, [_stationary_gap(problem, own[label]) for problem, own in zip(problems, scales, strict=True)])
        for label in scales[0]
    ]
    return _lines(lines, best_scale_x=("place", grid), best_scale=("place", [own["best"] for own in scales]))


# The stability of Remark 1's family

_REMARK = IST(Permutation(2, 2))
# Those that are simulated: a/b and |c|/sqrt(ab).
_MEMBERS = ((1.0, 0.6), (3.0, 0.3), (3.0, 0.93), (10.0, 0.4), (10.0, 0.75), (30.0, 0.15), (30.0, 0.9))


def _member(ratio: float, coupling: float) -> Quadratic:
    return remark_1_quadratic(ratio, 1.0, coupling * np.sqrt(ratio))


def _phase_curves(quick: bool) -> Sequence[Curve]:
    curves = []
    for ratio, coupling in _MEMBERS:
        problem = _member(ratio, coupling)
        contraction = theory.contraction(problem, _REMARK)
        # From where the objective grows fastest, or shrinks most slowly.
        _, vectors = np.linalg.eigh(np.asarray(contraction.W))
        curves.append(
            Curve(
                label=f"a/b = {ratio:g}, |c|/√(ab) = {coupling:g}",
                x=coupling,
                problem=problem,
                method=_REMARK,
                step_size=0.02 * theory.max_stable_step_size(problem, _REMARK),
                rounds=1,
                repetitions=200,
                x0=vectors[:, 0],
            )
        )
    return curves


def _phase_lines() -> xarray.Dataset:
    ratios, couplings = np.geomspace(1, 100, 41), np.linspace(0, 0.995, 41)
    share = np.full((len(ratios), len(couplings)), np.nan)
    for i, ratio in enumerate(ratios):
        for j, coupling in enumerate(couplings):
            problem = _member(ratio, coupling)
            contraction = theory.contraction(problem, _REMARK)
            if np.isfinite(contraction.theta) and contraction.smallest > 0:
                share[i, j] = 1 / (contraction.theta * theory.max_stable_step_size(problem, _REMARK))
    threshold = 2 * np.sqrt(ratios) / (1 + ratios)  # |c| = 2 a b / (a + b), over sqrt(a b)
    return _lines([("threshold", threshold, ratios)]).assign(
        ratio=("ratio_axis", ratios),
        coupling=("coupling_axis", couplings),
        share=(("ratio_axis", "coupling_axis"), share),
        dot_ratio=("curve", [ratio for ratio, _ in _MEMBERS]),
    )


SCANS = (
    Experiment(
        "bias",
        "Bias against forward scale and subnetwork size",
        "IST with Permutation sketches on a homogeneous quadratic (d = 24, n = d/q workers, the same Lbar and bbar for "
        "all q): objective gap at the fixed point of the expected iterate. The bias does not vanish for larger q, and "
        "the best forward scale α depends on q. Dots: the gap at the mean of the last iterates.",
        _bias_curves,
        figures.bias,
        _bias_lines,
    ),
    Experiment(
        "rate",
        "The mean-square error is stable for fewer step sizes than the mean",
        "IST with Permutation sketches (n = 5, d = 20) under interpolation with very heterogeneous matrices: factor "
        "by which the squared error shrinks a round, asymptotically. Dots: the factor of the simulated E f(x_k) - f* "
        "over rounds 4 to 8, crosses its exact value, still short of the asymptote near the limit.",
        _rate_curves,
        figures.rate,
        _rate_lines,
    ),
    Experiment(
        "stationary",
        "Stationary error against the step size",
        "IST with Permutation sketches (n = 5, d = 20) on a heterogeneous problem: the stationary E f(x) - f* and its "
        "parts, the bias of the fixed point and the spread around it. Dots: the last round of runs from the fixed "
        "point.",
        _stationary_curves,
        figures.stationary,
        _stationary_lines,
    ),
    Experiment(
        "forward-scale",
        "The best forward scale against heterogeneity",
        "IST with Permutation sketches (n = 5, d = 20); the step size times both scales is fixed at 5. Top: the "
        "forward scale with the least stationary E f(x) - f*, by its closed form tr(Lbar M) / (x*' Lbar m) from the "
        "moments m and M at α = 1. Bottom: the stationary E f(x) - f* with that scale, with 1 and with the unbiased n. "
        "Dots: the last round of runs.",
        _scale_curves,
        figures.forward_scale,
        _scale_lines,
    ),
    Experiment(
        "remark-1",
        "The stability phase diagram of Remark 1's family",
        "Two equal workers with L = [[a, c], [c, b]], Permutation sketches of one coordinate, interpolation. Colour: "
        "the step size 1/θ up to which Theorem 1 promises contraction, as a share of the largest that is stable in "
        "mean square. Hatched: W is indefinite, and there is no such θ, though the method converges. Dots: one round "
        "from the worst point, filled where the objective grew.",
        _phase_curves,
        figures.phase_diagram,
        _phase_lines,
    ),
)
