"""Diagonal L_i: the same exact results as by matrices, from d numbers."""

import itertools

import numpy as np
import pytest
from listed import close

import istsim
from istsim import theory

N, D, STEP_SIZE = 4, 6, 0.1
RNG = np.random.default_rng(0)
ENTRIES, VECTORS, WEIGHTS = RNG.uniform(0.2, 2, (N, D)), RNG.standard_normal((N, D)), RNG.uniform(0.5, 1.5, (N, D))
PROBLEM = istsim.Quadratic.from_diagonals(ENTRIES, VECTORS)
DENSE = istsim.Quadratic(PROBLEM.L, VECTORS)
COVARIANCE = 0.1 * np.eye(D) + 0.05
SKETCHES = [
    istsim.Permutation(N, D),
    istsim.RandK(N, D, 3),
    istsim.Bernoulli(N, D, 0.4),
    istsim.Coverage(N, D, 2),
    istsim.Grouped(istsim.Permutation(N, 4), [0, 1, 2, 3, 0, 1]),
    istsim.Identity(N, D),
]
OPTIONS = [
    {},
    {"merge": "owners"},
    {"merge": "literal"},
    {"merge": "literal", "participants": 3, "noise": istsim.GaussianNoise(COVARIANCE)},
    {"participants": 2, "noise": istsim.GaussianNoise(COVARIANCE.diagonal())},
    {"weights": WEIGHTS, "merge": "literal"},
]
KINDS = [istsim.IST, istsim.CompressedGradient, istsim.CompressedIterates]


def methods():
    for kind, sketch, options in itertools.product(KINDS, SKETCHES, OPTIONS):
        if "weights" in options and kind is not istsim.IST:
            continue
        if options.get("merge") == "owners" and kind is istsim.CompressedIterates:
            continue
        yield kind(sketch, **options)
    yield istsim.GradientDescent()


@pytest.mark.sample(30)
@pytest.mark.parametrize("method", list(methods()), ids=repr)
def test_a_diagonal_problem_has_the_exact_results_of_its_matrices(method):
    moments, expected = (
        theory.exact_moments(problem, method, step_size=STEP_SIZE, rounds=20) for problem in (PROBLEM, DENSE)
    )
    for name in ("mean", "objective_gap", "gradient_norm_squared", "distance_squared"):
        close(getattr(moments, name), getattr(expected, name))
    sizes = np.array([0.05, 0.2])
    by_d_numbers, by_matrices = (theory._law_of.dynamics_of(problem, method) for problem in (PROBLEM, DENSE))
    close(by_d_numbers.gaps(sizes, 5, np.ones(D)), by_matrices.gaps(sizes, 5, np.ones(D)))
    assert by_d_numbers.rates(sizes) == pytest.approx(by_matrices.rates(sizes), rel=1e-10)
    assert theory.max_stable_step_size(PROBLEM, method) == pytest.approx(
        theory.max_stable_step_size(DENSE, method), rel=1e-8
    )
    close(*(theory.fixed_point(problem, method, step_size=STEP_SIZE) for problem in (PROBLEM, DENSE)))


@pytest.mark.sample(9)
@pytest.mark.parametrize("method", [m for m in methods() if m.merge != "owners"][::3], ids=repr)
def test_the_stationary_law_and_covariances_are_those_of_the_matrices(method):
    settled, expected = (theory._law_of.dynamics_of(problem, method).settled(STEP_SIZE) for problem in (PROBLEM, DENSE))
    assert (settled is None) == (expected is None)
    if settled is not None:
        np.testing.assert_allclose(settled.covariance(), expected.covariance(), rtol=1e-11, atol=1e-14)
        close(settled.mean, expected.mean)
        assert settled.metrics == pytest.approx(expected.metrics, rel=1e-10)
    some, whole = (
        theory.exact_moments(
            problem, method, step_size=STEP_SIZE, rounds=3, covariance_at=[2], gradient_weighting=np.ones((D, D))
        )
        for problem in (PROBLEM, DENSE)
    )
    np.testing.assert_allclose(some.covariance, whole.covariance, rtol=1e-11, atol=1e-14)
    close(some.gradient_norm_squared, whole.gradient_norm_squared)


def test_ten_thousand_coordinates_are_exact_in_d_numbers():
    # Matrices would take 800 MB each. All coordinates are alike, so that one of them tells all.
    d, small = 10_000, 10
    noisy = {"noise": istsim.GaussianNoise(np.full(d, 0.1))}, {"noise": istsim.GaussianNoise(np.full(small, 0.1))}
    gaps = []
    for dim, options in zip((d, small), noisy, strict=True):
        problem = istsim.Quadratic.from_diagonals(np.tile([[0.5], [1.5]], dim), np.ones((2, dim)))
        method = istsim.IST(istsim.Bernoulli(2, dim, 0.5), **options)
        moments = theory.exact_moments(problem, method, step_size=0.1, rounds=50)
        settled = theory.stationary(problem, method, 0.1)
        best = theory.best_step_size(problem, method, rounds=20, x0=np.full(dim, 1.5))
        limits = theory.max_stable_step_size(problem, method), theory.mean_step_size_limit(problem, method)
        gaps.append([moments.objective_gap[-1] / dim, settled.objective_gap / dim, best, *limits])
    assert gaps[0] == pytest.approx(gaps[1], rel=1e-11)


def test_variances_stand_for_a_diagonal_covariance():
    variances = [0.1, 0.2, 0.3]
    noise, same = istsim.GaussianNoise(variances), istsim.GaussianNoise(np.diag(variances))
    problem = istsim.Quadratic.from_diagonals(np.ones((2, 3)), np.zeros((2, 3)))
    runs = [
        istsim.simulate(
            problem, istsim.CompressedGradient(istsim.Identity(2, 3), noise=each), step_size=0.1, rounds=4, key=1
        )
        for each in (noise, same)
    ]
    np.testing.assert_allclose(runs[0].x, runs[1].x, rtol=1e-12)
    with pytest.raises(ValueError, match="variances in covariance must be at least 0, got -1"):
        istsim.GaussianNoise([1.0, -1.0])
    with pytest.raises(ValueError, match=r"or \(d,\) = \(3,\), got \(2,\)"):
        istsim.CompressedGradient(istsim.Identity(2, 3), noise=istsim.GaussianNoise([1.0, 1.0])).sketch_for(problem)
