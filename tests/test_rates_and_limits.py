"""Rates, the largest stable step size and where a method settles, where numbers are small or nearly equal."""

import numpy as np
import pytest

import istsim
from istsim import theory
from istsim.theory import _dynamics
from istsim.theory._law_of import dynamics_of


def rotated(*eigenvalues):
    """A problem of one worker with that spectrum, whose matrix is not diagonal."""
    d = len(eigenvalues)
    basis = np.linalg.qr(np.arange(1.0, d * d + 1).reshape(d, d) ** 0.5)[0]
    L = (basis * eigenvalues) @ basis.T
    return istsim.Quadratic(((L + L.T) / 2)[None], np.zeros((1, d)))


def test_a_nearly_flat_direction_does_not_make_every_step_size_unstable():
    limit = theory.max_stable_step_size(rotated(1.0, 0.3, 1e-8), istsim.GradientDescent())
    assert limit == pytest.approx(2.0, rel=1e-7)


@pytest.mark.parametrize("coupling", [0.0, 0.01])
def test_a_bias_however_small_makes_the_error_of_the_mean_count_once_not_squared(coupling):
    # The first block sees no later one: it settles a little beside the minimizer, by what couples it to the second.
    L = np.array([[1.0, coupling], [coupling, 0.5]])
    problem = istsim.Quadratic(L[None], (L @ np.ones(2))[None])
    (rate,) = dynamics_of(problem, istsim.LocalUpdates([1, 1])).asymptotic_rates(np.array([0.5]))
    slowest = 1 - 0.5 * 0.5  # the operator is triangular, with the diagonal of L
    assert rate == pytest.approx(slowest if coupling else slowest**2, rel=1e-9)


def test_a_covariance_that_does_not_solve_its_equation_is_refused():
    # What is lost of every entry but one; there the equation says 0 = 1e-3.
    kept = np.array([[0.0, 1.0], [1.0, 1.0]])
    driven = np.array([[1e-3, 0.2], [0.2, 1.0]])
    with pytest.raises(ValueError, match="the stationary covariance could not be solved for"):
        _dynamics._solved(lambda M: kept * M, driven, 0.1, 0.9)
    np.testing.assert_allclose(_dynamics._solved(lambda M: 2 * M, driven, 0.1, 0.9), driven / 2, rtol=1e-12)
