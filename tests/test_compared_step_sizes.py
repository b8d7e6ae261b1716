"""What `compare_step_sizes` tells, where it is known: gradient descent in one dimension, and what two runs spread."""

import numpy as np
import pytest

import istsim

ROUNDS = 3


@pytest.fixture(scope="module")
def descent():
    problem = istsim.Quadratic(np.array([[[2.0]]]), np.array([[0.0]]))
    return istsim.compare_step_sizes(problem, istsim.GradientDescent(), rounds=ROUNDS, repetitions=2, points=5)


def test_gaps_and_rates_are_those_of_a_number_that_shrinks_by_a_factor(descent):
    factor = 1 - 2 * descent.dataset.step_size.values
    np.testing.assert_allclose(descent.dataset.exact, factor ** (2 * ROUNDS), rtol=1e-9)  # of x^2, from 1
    np.testing.assert_allclose(descent.dataset.simulated, factor ** (2 * ROUNDS), rtol=1e-9)
    np.testing.assert_allclose(descent.dataset.rate, factor**2, rtol=1e-9)
    np.testing.assert_allclose(descent.dataset.stationary, 0, atol=1e-12)
    np.testing.assert_array_equal(descent.dataset.standard_error, 0)


def test_step_sizes_reach_over_three_orders_of_magnitude_to_the_largest_stable_one(descent):
    assert descent.largest_stable == pytest.approx(1.0)  # 2 / 2
    assert descent.theorem == pytest.approx(0.5)  # theta is the eigenvalue
    assert descent.exact == pytest.approx(0.5, rel=0.02)  # which ends at the minimizer at once
    sizes = descent.dataset.step_size.values
    assert sizes[0] == pytest.approx(1e-3)
    assert sizes[-1] == pytest.approx(0.9)
    np.testing.assert_allclose(sizes[1:] / sizes[:-1], (sizes[-1] / sizes[0]) ** 0.25)
    line = descent.dataset.line_step_size.values
    assert np.isin([*sizes, descent.exact], line).all()
    assert descent.empirical == sizes[np.argmin(np.abs(1 - 2 * sizes))]


@pytest.mark.parametrize("repetitions", [1, 2])
def test_the_standard_error_is_that_of_the_mean_and_not_known_of_one_run(repetitions):
    problem = istsim.Quadratic(np.array([np.diag([1.0, 2.0]), np.diag([3.0, 1.0])]), np.ones((2, 2)))
    found = istsim.compare_step_sizes(
        problem, istsim.IST(istsim.Permutation(2, 2)), rounds=2, repetitions=repetitions, points=2
    )
    gaps = found.run.gaps
    # Half the difference of two numbers is their standard deviation over the root of 2, which is that of their mean.
    expected = np.abs(gaps[:, 0] - gaps[:, -1]) / 2 if repetitions == 2 else np.full(2, np.nan)
    np.testing.assert_allclose(found.dataset.standard_error, expected)
    np.testing.assert_allclose(found.dataset.simulated, gaps.mean(axis=1))


def test_a_method_without_a_stable_step_size_is_refused():
    problem, method, _ = istsim.theorems.get("overlapping-stability").counterexample()
    assert istsim.theory.max_stable_step_size(problem, method) == 0
    with pytest.raises(ValueError, match="no step size is stable for this method on this problem"):
        istsim.compare_step_sizes(problem, method, rounds=2, points=3)
