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


@pytest.mark.parametrize("scale", [1.0, 1e-8, 1e8])
def test_a_covariance_that_does_not_solve_its_equation_is_refused(scale):
    # What is lost of every entry but one; there the equation says 0 = 1e-3, or so many times that.
    kept = np.array([[0.0, 1.0], [1.0, 1.0]])
    driven = scale * np.array([[1e-3, 0.2], [0.2, 1.0]])
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


def searched(monkeypatch, rate):
    """The largest stable step size that is searched for where the rates are those, and 4 / lmax is 1."""
    problem = istsim.Quadratic(np.tile(4 * np.eye(2), (2, 1, 1)), np.zeros((2, 2)))
    dynamics = dynamics_of(problem, istsim.IST(istsim.Bernoulli(2, 2, 0.5), merge="literal"))
    monkeypatch.setattr(type(dynamics), "rate", lambda self, size: rate(size))
    return dynamics.max_stable_step_size()


@pytest.mark.parametrize("end", [1e-11, 1e-7, 1e-3, 0.3, 1.0, 3.9, 4.1, 1000.0])
def test_the_end_of_the_stable_step_sizes_is_found_wherever_the_rate_crosses_1(end, monkeypatch):
    for rate in (lambda size: 0.5 + 0.5 * size / end, lambda size: 0.5 if size < end else 1.5):
        assert searched(monkeypatch, rate) == pytest.approx(end, rel=3e-10)


def test_where_rates_are_1_but_for_rounding_the_search_says_how_far_it_went(monkeypatch):
    with pytest.raises(ValueError, match="at this precision: none from 1e-12 on is stable"):
        searched(monkeypatch, lambda size: 1.0)


def test_rates_that_exceed_1_only_from_a_tiny_step_on_do_not_say_that_none_is_stable(monkeypatch):
    with pytest.raises(ValueError, match="cannot be decided at this precision"):
        searched(monkeypatch, lambda size: 1.0 if size < 1e-13 else 1.5)


def test_where_rates_exceed_1_however_short_the_step_none_is_stable(monkeypatch):
    assert searched(monkeypatch, lambda size: 1.5) == 0


def test_where_nothing_is_random_the_expected_gap_is_that_of_the_mean_though_the_method_is_biased():
    L = np.array([[2.0, 0.5], [0.5, 1.0]])
    problem = istsim.Quadratic(L[None], np.array([[1.0, -1.0]]))
    method = istsim.LocalUpdates([1, 1])
    moments = theory.exact_moments(problem, method, step_size=0.3, rounds=5)
    x, points = np.ones(2), [np.ones(2)]
    for _ in range(5):
        x = x - 0.3 * (np.tril(L) @ x - np.array([1.0, -1.0]))
        points.append(x)
    errors = np.array(points) - np.linalg.solve(L, [1.0, -1.0])
    np.testing.assert_allclose(moments.mean, points, rtol=1e-12)
    np.testing.assert_allclose(moments.objective_gap, [e @ L @ e / 2 for e in errors], rtol=1e-12)
    np.testing.assert_allclose(moments.distance_squared, [e @ e for e in errors], rtol=1e-12)
    settled = theory.stationary(problem, method, 0.3)
    where = np.linalg.solve(np.tril(L), [1.0, -1.0])
    np.testing.assert_allclose(settled.mean, where, rtol=1e-12)
    np.testing.assert_allclose(settled.distance_squared, ((where - np.linalg.solve(L, [1.0, -1.0])) ** 2).sum())


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_theta_of_gradient_descent_is_the_largest_eigenvalue_in_whatever_units(scale):
    found = theory.contraction(rotated(scale, 0.3 * scale, 1e-9 * scale), istsim.GradientDescent())
    assert found.theta == pytest.approx(scale, rel=1e-6)
    assert found.is_semidefinite


def test_listed_rounds_of_gradient_descent_follow_the_mean_vector():
    L, b = np.diag([2.0, 1.0]), np.array([[1.0, 0.0], [0.0, 3.0], [2.0, 0.0]])
    problem = istsim.Quadratic(np.tile(L, (3, 1, 1)), b)
    moments = theory.exact_moments(
        problem, istsim.GradientDescent(), step_size=0.25, rounds=1, x0=np.array([1.0, 2.0]), route="enumeration"
    )
    np.testing.assert_allclose(moments.mean[1], [1 - 0.25 * (2 - 1), 2 - 0.25 * (2 - 1)], rtol=1e-12)


def test_the_fewest_rounds_may_need_a_far_shorter_step_than_the_expected_iterate_allows():
    # One number, masked with probability 0.98: its square is multiplied by 1 - 2 s + s^2 / 0.02 on average, least
    # for s = 0.02, a hundredth of the step size at which the mean diverges.
    problem = istsim.Quadratic(np.ones((1, 1, 1)), np.zeros((1, 1)))
    method = istsim.CompressedGradient(istsim.Bernoulli(1, 1, 0.02))
    found = theory.fewest_rounds(problem, method, 0.9 * 0.5)
    assert found.rounds == np.ceil(np.log(0.9) / np.log(0.98))
    assert found.step_size == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("power", [1, 3])
def test_of_a_large_map_that_is_not_written_out_the_largest_eigenvalue_is_found(power):
    # M -> A M A' has the products of eigenvalues of A; 25 of them make 325 entries. With the power 3 many crowd
    # below the largest.
    A = np.diag(0.9 - 0.5 * np.linspace(0, 1, 25) ** power)
    assert _symmetric.spectral_radius(lambda M: A @ M @ A.T, 25) == pytest.approx(0.81, rel=1e-9)


@pytest.mark.parametrize("off_diagonal", [0.0, 0.5])
def test_theta_is_0_where_nothing_is_ever_updated(off_diagonal):
    L = np.array([[2.0, off_diagonal], [off_diagonal, 1.0]])
    problem = istsim.Quadratic(np.stack([L, L]), np.ones((2, 2)))
    found = theory.contraction(problem, istsim.IST(istsim.Bernoulli(2, 2, 0.5), weights=np.zeros((2, 2))))
    assert (found.smallest, found.is_semidefinite, found.theta) == (0, True, 0)


@pytest.mark.parametrize(
    "sketch", [istsim.Permutation(2, 2), istsim.RandK(2, 2, 1), istsim.Bernoulli(2, 2, 0.3)], ids=repr
)
@pytest.mark.parametrize("make", [istsim.IST, istsim.CompressedIterates])
@pytest.mark.parametrize("is_diagonal", [True, False])
def test_moments_are_those_of_all_outcomes_where_the_model_is_lost_in_part(is_diagonal, make, sketch):
    diagonals, b = np.array([[1.0, 2.0], [3.0, 0.5]]), np.array([[1.0, -1.0], [0.5, 2.0]])
    if is_diagonal:
        problem = istsim.Quadratic.from_diagonals(diagonals, b)
    else:
        problem = istsim.Quadratic(np.array([np.diag(entries) + 0.3 * np.eye(2)[::-1] for entries in diagonals]), b)
    method = make(sketch, merge="literal", forward_scale=1.1)
    found, listed = (
        theory.exact_moments(problem, method, step_size=0.2, rounds=3, x0=np.array([0.5, 2.0]), route=route)
        for route in ("formula", "enumeration")
    )
    np.testing.assert_allclose(found.mean, listed.mean, rtol=1e-11)
    np.testing.assert_allclose(found.objective_gap, listed.objective_gap, rtol=1e-11)
    rates = [theory.mean_square_rate(problem, method, 0.2, route=route) for route in ("formula", "enumeration")]
    assert rates[0] == pytest.approx(rates[1], rel=1e-9)
    operator, _ = theory.mean_operator(problem, method, step_size=0.2)
    eigenvalues = dynamics_of(problem, method).law.mean_eigenvalues(0.2)
    np.testing.assert_allclose(np.sort(eigenvalues), np.sort(np.linalg.eigvals(np.asarray(operator))), rtol=1e-11)


def test_the_fewest_rounds_may_need_a_step_of_a_fifth_of_the_longest_over_the_rounds():
    """One coordinate of curvature 1 with noise of variance 8: a step s makes 0.5 to 0.5 (1 - s)^2 + 4 s^2."""
    noisy = istsim.CompressedGradient(istsim.Identity(1, 1), noise=istsim.GaussianNoise([[8.0]]))
    found = theory.fewest_rounds(istsim.Quadratic([[[1.0]]], [[0.0]]), noisy, 0.45, most=3)
    assert found.rounds == 1
    assert 0.5 * (1 - found.step_size) ** 2 + 4 * found.step_size**2 == pytest.approx(4 / 9, rel=1e-3)
