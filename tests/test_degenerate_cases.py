"""Sizes and numbers at the edge of what there is: against all outcomes, or against what can be said by hand."""

import warnings

import numpy as np
import pytest

import istsim
from istsim import theory


def problem_of(n, d):
    return istsim.random_quadratic(0, n, d, condition_number=4.0, matrix_heterogeneity=0.2, vector_heterogeneity=0.5)


def without_curvature_of_one_worker():
    problem = problem_of(2, 4)
    L = np.array(problem.L)
    L[0] = 0.0
    return istsim.Quadratic(L, np.array(problem.b))


SCALARS = istsim.Quadratic(np.array([[[1.0]], [[2.0]], [[4.0]]]), np.array([[1.0], [2.0], [3.0]]))
CASES = {
    "more workers than the one coordinate": (SCALARS, istsim.IST(istsim.Permutation(3, 1))),
    "the same, averaged over owners": (SCALARS, istsim.IST(istsim.Permutation(3, 1), merge="owners")),
    "the same, to the letter": (SCALARS, istsim.IST(istsim.Permutation(3, 1), merge="literal")),
    "one worker, one coordinate": (istsim.Quadratic([[[2.0]]], [[1.0]]), istsim.IST(istsim.Permutation(1, 1))),
    "one worker": (problem_of(1, 3), istsim.IST(istsim.RandK(1, 3, 2))),
    "workers that coordinates do not divide": (problem_of(5, 3), istsim.IST(istsim.Permutation(5, 3))),
    "one group": (problem_of(2, 4), istsim.IST(istsim.Grouped(istsim.Permutation(2, 1), [0] * 4))),
    "everything": (problem_of(2, 4), istsim.IST(istsim.RandK(2, 4, 4))),
    "always": (problem_of(2, 3), istsim.IST(istsim.Bernoulli(2, 3, 1.0))),
    "a worker without curvature": (without_curvature_of_one_worker(), istsim.IST(istsim.Permutation(2, 4))),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_formulas_are_those_of_all_outcomes(case):
    problem, method = case
    for one in (
        lambda route: theory.fixed_point(problem, method, route=route, step_size=0.1),
        lambda route: theory.exact_moments(problem, method, step_size=0.1, rounds=4, route=route).objective_gap,
        lambda route: (
            theory.exact_moments(
                problem, method, step_size=0.1, rounds=4, x0=problem.minimizer, route=route
            ).distance_squared
        ),
        lambda route: theory.mean_square_rate(problem, method, 0.1, route=route),
        lambda route: theory.max_stable_step_size(problem, method, route=route),
        lambda route: theory.stationary(problem, method, 0.1, route=route).objective_gap,
    ):
        np.testing.assert_allclose(one("formula"), one("enumeration"), rtol=1e-8, atol=1e-13)


def test_the_spread_stays_bounded_just_below_the_limit_alone(case):
    problem, method = case
    limit = theory.max_stable_step_size(problem, method)
    assert (
        theory.mean_square_rate(problem, method, 0.999 * limit)
        < 1
        < theory.mean_square_rate(problem, method, 1.001 * limit)
    )


def test_a_run_that_overflows_is_infinitely_far(case):
    problem, method = case
    moments = theory.exact_moments(problem, method, step_size=1e3, rounds=300)
    for metric in (moments.objective_gap, moments.gradient_norm_squared, moments.distance_squared):
        assert metric[-1] == np.inf
        assert not np.isnan(metric).any()
    assert theory.mean_square_rate(problem, method, 1e200) == np.inf


@pytest.mark.parametrize("d", [4, 16, 40])
def test_a_rate_of_0_is_0(d):
    problem = istsim.Quadratic(np.eye(d)[None].repeat(2, axis=0), np.ones((2, d)))
    for method in (istsim.GradientDescent(), istsim.IST(istsim.RandK(2, d, d))):
        assert theory.mean_square_rate(problem, method, 1.0) == 0.0
        assert theory.stationary(problem, method, 1.0).objective_gap == 0.0


@pytest.mark.parametrize(
    "sketch",
    [istsim.Permutation(1, 1), istsim.Permutation(3, 1), istsim.RandK(2, 1, 1), istsim.Bernoulli(2, 1, 0.5)],
    ids=repr,
)
def test_nobody_holds_two_of_a_single_coordinate(sketch):
    assert sketch.inclusion_probability(2) in (0.0, pytest.approx(sketch.inclusion_probability(1) ** 2))
    assert sketch.joint_probability(1, 1, 1) <= sketch.inclusion_probability(1)
    assert 0.0 <= sketch.joint_probability(1, 1, 0) <= 1.0


@pytest.mark.parametrize("curvature", [0.1, 1.0, 3.0, 7.0])
@pytest.mark.parametrize("name", ["theorem-1-iterates", "theorem-1-gradients"])
def test_theorem_1_holds_at_the_very_end_of_its_premise(name, curvature):
    problem, method = istsim.Quadratic([[[curvature]]], [[0.0]]), istsim.GradientDescent()
    # Where 1 - gamma lambda is nothing but rounding, of either sign.
    for step_size in (1 / curvature, 1 / theory.contraction(problem, method).theta):
        check = istsim.theorems.get(name).check(problem, method, step_size=step_size, rounds=4)
        assert check.applicable
        assert check.holds


PROBLEMS = {
    "written out": problem_of(2, 4),
    "by products": problem_of(2, 34),
    "diagonal": istsim.Quadratic.from_diagonals([[1.0, 2.0, 3.0], [2.0, 1.0, 1.0]], [[1.0, 0.0, 1.0], [3.0, 1.0, 2.0]]),
}


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
@pytest.mark.parametrize("step_size", [1e-6, 1e-10, 1e-14, 1e-150])
def test_short_steps_settle_with_a_covariance_in_proportion(problem, step_size):
    method = istsim.IST(istsim.RandK(2, problem.dim, 2))
    short, longer = (theory.stationary(problem, method, size) for size in (step_size, 1e-5))
    # The covariance is s Sigma_1 + s^2 Sigma_2 + ...: of the second term a part of about 1e-4 is left.
    np.testing.assert_allclose(short.covariance / step_size, longer.covariance / 1e-5, rtol=2e-3, atol=1e-3)
    np.testing.assert_allclose(short.mean, longer.mean, rtol=1e-9)
