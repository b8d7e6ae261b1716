"""Experiments over rounds: convergence with error bars beside the exact curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from istsim import figures, theory
from istsim.experiments._curve import Curve
from istsim.experiments._experiment import Experiment
from istsim.experiments._setting import KEY, SKETCH, D, N, heterogeneous_quadratic, usual_repetitions
from istsim.methods import (
    IST,
    CompressedGradient,
    CompressedIterates,
    GaussianNoise,
    GradientDescent,
    LocalUpdates,
    Method,
)
from istsim.problems import Quadratic, random_quadratic, real_quadratic
from istsim.sketches import Permutation


def _interpolation(quick: bool) -> Sequence[Curve]:
    problem = random_quadratic(
        KEY, N, D, condition_number=30.0, matrix_heterogeneity=0.5, vector_heterogeneity=0.0, interpolation=True
    )
    method = IST(SKETCH)
    theta = theory.contraction(problem, method).theta
    fractions = {"1/θ": 1.0, "1/(2θ)": 0.5, "1/(4θ)": 0.25}
    return [
        Curve(
            label=f"γ = {label}",
            problem=problem,
            method=method,
            step_size=fraction / theta,
            rounds=60,
            repetitions=usual_repetitions(quick),
        )
        for label, fraction in fractions.items()
    ]


def _from_afar(
    runs: Mapping[str, tuple[Method, float]], *, vector_heterogeneity: float, rounds: int, quick: bool
) -> Sequence[Curve]:
    """A curve for each label, method and step size, on one problem, from 10 in every coordinate."""
    problem = heterogeneous_quadratic(vector_heterogeneity)
    return [
        Curve(
            label=label,
            problem=problem,
            method=method,
            step_size=step_size,
            rounds=rounds,
            repetitions=usual_repetitions(quick),
            x0=np.full(D, 10.0),
        )
        for label, (method, step_size) in runs.items()
    ]


def _neighbourhood(quick: bool) -> Sequence[Curve]:
    runs = {f"γ = {step_size:g}": (IST(SKETCH), step_size) for step_size in (0.2, 0.05, 0.0125)}
    return _from_afar(runs, vector_heterogeneity=4.0, rounds=300, quick=quick)


def _participation(quick: bool) -> Sequence[Curve]:
    runs = {f"m = {participants}": (IST(SKETCH, participants=participants), 0.05) for participants in (1, 2, 5)}
    return _from_afar(runs, vector_heterogeneity=4.0, rounds=120, quick=quick)


def _noise(quick: bool) -> Sequence[Curve]:
    runs = {}
    for deviation in (10.0, 3.0, 0.0):
        noise = GaussianNoise(deviation**2 * np.eye(D)) if deviation else None
        runs[f"σ = {deviation:g}"] = IST(SKETCH, noise=noise), 0.1
    return _from_afar(runs, vector_heterogeneity=0.5, rounds=120, quick=quick)


def _comparison_curves(problem: Quadratic, rounds: int, quick: bool, group: str = "") -> list[Curve]:
    sketch = Permutation(problem.num_workers, problem.dim)
    methods = {
        "GD": GradientDescent(),
        "CG": CompressedGradient(sketch),
        "CI": CompressedIterates(sketch),
        "IST": IST(sketch),
    }
    return [
        Curve(
            label=label,
            problem=problem,
            method=method,
            step_size=None,
            rounds=rounds,
            repetitions=usual_repetitions(quick),
            group=group,
        )
        for label, method in methods.items()
    ]


def _comparison(quick: bool) -> Sequence[Curve]:
    problem = random_quadratic(KEY, N, D, condition_number=30.0, matrix_heterogeneity=0.5, vector_heterogeneity=0.5)
    return _comparison_curves(problem, 100, quick)


def _real(name: str, quick: bool) -> Sequence[Curve]:
    curves = []
    for group, split in {"even split": "even", "split by label": "label"}.items():
        curves += _comparison_curves(real_quadratic(name, 5, split=split, ridge=0.1), 200, quick, group)
    return curves


def _local_updates(_quick: bool) -> Sequence[Curve]:
    problem = random_quadratic(KEY, 1, 24, condition_number=100.0, matrix_heterogeneity=0.0, vector_heterogeneity=0.0)
    blocks = [4] * 6
    methods = {
        "gradient descent": GradientDescent(),
        "greedy": LocalUpdates(blocks),
        "chunks of 3": LocalUpdates(blocks, "chunked", window=3),
        "windows of 3": LocalUpdates(blocks, "overlapping", window=3, shared="sum"),
    }
    return [
        Curve(
            label=label,
            problem=problem,
            method=method,
            step_size=theory.best(problem, lambda _, method=method: method, candidates=[label], goal="rate").step_size,
            rounds=200,
            repetitions=200,  # all of them alike, as nothing is random
        )
        for label, method in methods.items()
    ]


_TUNED = "Each method has the step size at which log E[f(x_k) - f*] is least, exactly and on average over the rounds."

CONVERGENCE = (
    Experiment(
        "interpolation",
        "Under interpolation IST converges linearly",
        "IST with Permutation sketches (n = 5, d = 20) on a heterogeneous quadratic whose local losses share their "
        "minimizer 0, for three step sizes; θ is that of Theorem 1. Dashed: Theorem 1's bound (16).",
        _interpolation,
        figures.interpolation,
    ),
    Experiment(
        "neighbourhood",
        "Otherwise IST stops at an irreducible neighbourhood",
        "IST with Permutation sketches (n = 5, d = 20) on a heterogeneous quadratic, for three step sizes, from x_0 = "
        "10 in every coordinate. Smaller ones reduce the spread, but not the bias: the expected iterate tends to a "
        "fixed point other than the minimizer, whose error is the dotted level. Top: f(x_k) - f* relative to its value "
        "at x_0. Bottom: the absolute error ||x_k - x*||^2, where the lines are its exact expectation.",
        _neighbourhood,
        figures.neighbourhood,
    ),
    Experiment(
        "comparison",
        "What to mask: model, gradient, both or nothing",
        "Gradient descent (GD), compressed gradients (CG), compressed iterates (CI) and IST, all with Permutation "
        "sketches (n = 5, d = 20), on one heterogeneous quadratic, at equal rounds and at equal floats communicated "
        f"(down and up, over all workers). {_TUNED}",
        _comparison,
        figures.comparison,
    ),
    Experiment(
        "diabetes",
        "Diabetes data: what heterogeneity costs",
        "Ridge regression (ridge 0.1) on the diabetes data (442 patients, d = 10), split over n = 5 workers evenly "
        "and by label; gradient descent (GD), compressed gradients (CG), compressed iterates (CI) and IST with "
        f"Permutation sketches. {_TUNED}",
        lambda quick: _real("diabetes", quick),
        figures.comparison,
    ),
    Experiment(
        "breast-cancer",
        "Breast-cancer data: what heterogeneity costs",
        "Ridge regression (ridge 0.1) on the breast-cancer data (569 tumours, d = 30), split over n = 5 workers "
        "evenly and by label; gradient descent (GD), compressed gradients (CG), compressed iterates (CI) and IST "
        f"with Permutation sketches. {_TUNED}",
        lambda quick: _real("breast_cancer", quick),
        figures.comparison,
    ),
    Experiment(
        "participation",
        "Fewer workers that report: more spread, the same bias",
        'IST with Permutation sketches (n = 5, d = 20) and merge "mean", of whose workers m report in a round, drawn '
        "uniformly; step size 0.05, from x_0 = 10 in every coordinate. The fixed point (dotted) does not depend on m. "
        "Top: f(x_k) - f* relative to its value at x_0. Bottom: ||x_k - x*||^2.",
        _participation,
        figures.neighbourhood,
    ),
    Experiment(
        "noise",
        "Stochastic gradients: the spread of the noise on top of that of the sketch",
        "IST with Permutation sketches (n = 5, d = 20), step size 0.1, from x_0 = 10 in every coordinate; Gaussian "
        "noise of standard deviation σ in every coordinate of every worker's gradient. Dotted: the fixed point. "
        "Top: f(x_k) - f* relative to its value at x_0. Bottom: ||x_k - x*||^2.",
        _noise,
        figures.neighbourhood,
    ),
    Experiment(
        "local-updates",
        "Local losses: another fixed point, another transient",
        "Six blocks of four coordinates (d = 24, condition number 100), each following the loss of its own block "
        "(greedy), of the end of its chunk of three, or of all windows of three blocks that contain it. "
        "Nothing is random: runs and exact values must coincide. Top: f(x_k) - f*, with the level of each fixed point "
        "dotted. Bottom: the squared distance of x_k to the method's own fixed point, relative to its start. Each "
        "method has the step size of its best asymptotic rate.",
        _local_updates,
        figures.local_updates,
    ),
)
