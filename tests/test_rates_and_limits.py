"""Rates, the largest stable step size and where a method settles, where numbers are small or nearly equal."""

import numpy as np
import pytest

import istsim
from istsim import theory
from istsim.theory import _dynamics, _symmetric
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


def test_a_coordinate_that_no_update_reaches_leaves_no_single_fixed_point():
    problem = istsim.Quadratic.from_diagonals(np.ones((2, 3)), np.ones((2, 3)))
    weights = np.array([[1.0, 1.0, 0.0]] * 2)
    with pytest.raises(ValueError, match="singular: the expected iterate has no single fixed point"):
        theory.fixed_point(problem, istsim.IST(istsim.Bernoulli(2, 3, 0.5), weights=weights))


@pytest.mark.parametrize("several", [False, True])
def test_of_large_maps_the_largest_eigenvalue_is_found_without_all_others(several, monkeypatch):
    d = 25  # 325 entries
    entries = _symmetric.count_entries(d)
    matrix = np.diag(np.linspace(0.1, 0.7, entries) ** 3)
    monkeypatch.setattr(np.linalg, "eigvals", None)
    found = _symmetric.spectral_radii_of([matrix] * 2)[1] if several else _symmetric.spectral_radius_of(matrix)
    assert found == pytest.approx(0.7**3, rel=1e-9)
