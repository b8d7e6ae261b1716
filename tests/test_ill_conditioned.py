"""Problems of condition numbers up to 1e12, and searches whose answer lies far from where they begin."""

import numpy as np
import pytest

import istsim
from istsim import theory
from istsim.theory._symmetric import spectral_radius

# To the checker of annotations mpmath's numbers are no floats.
pytestmark = pytest.mark.usefixtures("unchecked")

CONDITIONS = [1e1, 1e4, 1e6, 1e8, 1e9, 1e10, 1e12]


def alike(condition, n=3, d=5):
    """n times the same L, of eigenvalues from 1/condition to 1, in a random basis, with the minimizer 0."""
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))[0]
    L = (basis * np.geomspace(1 / condition, 1, d)) @ basis.T
    return istsim.Quadratic(np.repeat((L + L.T)[None] / 2, n, axis=0), np.zeros((n, d)))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_gradient_descent_contracts_by_the_smallest_eigenvalue_up_to_the_inverse_of_the_largest(condition):
    found = theory.contraction(alike(condition), istsim.GradientDescent())
    assert found.is_semidefinite
    assert found.theta == pytest.approx(1.0, rel=1e-9)
    # Of a matrix of numbers of 1e-16, an eigenvalue of 1e-12 is one to 1e-4 at best.
    assert found.smallest == pytest.approx(1 / condition, rel=1e-14 * condition + 1e-12)


@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("sketch", [istsim.Permutation(2, 4), istsim.RandK(2, 4, 2)], ids=["permutation", "rand-k"])
def test_theta_of_compressed_gradients_is_that_of_the_sketch_in_the_geometry_of_L(sketch, condition):
    problem = alike(condition, 2, 4)
    method = istsim.CompressedGradient(sketch)
    # B = C L with E[C] = I: W = L^2, and E[B' L B] = L E[C L C] L. So theta is the largest eigenvalue of E[C L C].
    L, moment = problem.mean_hessian, np.zeros((4, 4))
    for mask, probability in sketch.outcomes():
        C = np.diag(mask.sum(axis=0)) * 4 / mask[0].sum() / 2
        moment += probability * C @ L @ C
    found = theory.contraction(problem, method)
    assert found.theta == pytest.approx(np.linalg.eigvalsh(moment)[-1], rel=1e-6)
    assert found.smallest == pytest.approx(1 / condition, rel=1e-14 * condition + 1e-9)


@pytest.mark.parametrize("condition", [1e9, 1e12])
def test_theorem_1_holds_where_it_is_proved(condition):
    problem = alike(condition)
    for method in (istsim.GradientDescent(), istsim.CompressedGradient(istsim.RandK(3, 5, 2))):
        step_size = 0.5 / theory.contraction(problem, method).theta
        for name in ("theorem-1-iterates", "theorem-1-gradients"):
            check = istsim.theorems.get(name).check(problem, method, step_size=step_size, rounds=30)
            assert check.applicable, check.reason
            assert check.holds


@pytest.mark.parametrize("condition", [1e8, 1e10, 1e12])
@pytest.mark.parametrize("d", [5, 33], ids=["written out", "round by round"])
def test_gradients_far_from_the_minimizer_are_not_hidden_by_the_distance(condition, d):
    problem = alike(condition, 2, d)
    rng = np.random.default_rng(1)
    problem = istsim.Quadratic(problem.L, rng.standard_normal((2, d)))
    method, run = istsim.CompressedGradient(istsim.RandK(2, d, 3)), {"step_size": 0.1, "rounds": 400, "x0": np.zeros(d)}
    exact = theory.exact_moments(problem, method, **run)
    # Moments of x alone, in which the minimizer does not occur: E x x' about 0, as one round makes it.
    L, b, mean = problem.mean_hessian, problem.mean_vector, np.zeros(d)
    second, p, q = np.zeros((d, d)), 3 / d, 3 * 2 / (d * (d - 1))
    scale, step, norms, means = 1 / p, 0.1, [b @ b], [mean]
    for _ in range(run["rounds"]):
        # E[C] = I, and E[C G C] of the mean of two independent sketches, of G = E[g g'] of the workers' gradients.
        gradients = [
            (problem.L[i] @ second @ problem.L[j], problem.L[i] @ mean, problem.L[j] @ mean, problem.b[i], problem.b[j])
            for i in range(2)
            for j in range(2)
        ]
        moments = [G - np.outer(u, c) - np.outer(a, v) + np.outer(a, c) for G, u, v, a, c in gradients]
        spread = (
            sum(
                (scale**2 * (q * G + (p - q) * np.diag(np.diag(G))) if i in (0, 3) else G)
                for i, G in enumerate(moments)
            )
            / 4
        )
        cross = second @ L - np.outer(mean, b)
        mean, second = mean - step * (L @ mean - b), second - step * (cross + cross.T) + step**2 * spread
        norms.append(np.trace(L @ second @ L) - 2 * b @ L @ mean + b @ b)
        means.append(mean)
    np.testing.assert_allclose(exact.gradient_norm_squared, norms, rtol=1e-9, atol=1e-12 * norms[0])
    np.testing.assert_allclose(exact.mean, means, rtol=1e-9, atol=1e-12)


def test_a_large_problem_whose_theta_rounding_decides_is_refused_with_the_reason():
    problem = alike(1e10, 3, 40)
    with pytest.raises(theory.NotCoveredError, match="cannot be decided at this precision"):
        theory.contraction(problem, istsim.CompressedGradient(istsim.RandK(3, 40, 7)))


@pytest.mark.parametrize("condition", [1e3, 1e6, 1e9, 1e12])
@pytest.mark.parametrize("sketch", [istsim.RandK(3, 6, 5), istsim.Bernoulli(3, 40, 0.5)], ids=str)
def test_what_can_be_decided_does_not_depend_on_the_unit(condition, sketch):
    def found(unit):
        problem, method = alike(condition, 3, sketch.d), istsim.CompressedGradient(sketch)
        try:
            return theory.contraction(istsim.Quadratic(unit * np.asarray(problem.L), np.asarray(problem.b)), method)
        except theory.NotCoveredError:
            return None

    known = found(1.0)
    for unit in (2.0**-100, 2.0**100):
        other = found(unit)
        assert (other is None) == (known is None)
        if known is not None:
            np.testing.assert_allclose([other.theta, other.rate], [unit * known.theta, unit * known.rate], rtol=1e-6)


@pytest.mark.parametrize("d", [30, 60])
def test_rates_of_many_alike_are_found_to_all_digits(d):
    # The largest eigenvalues of X -> A X A are nearly equal, for d > 24 more than are written out.
    values = ((1 + np.arange(d)) / d) ** 5
    directions = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))[0]
    A = np.eye(d) - 0.9 * (directions * values) @ directions.T
    assert abs(spectral_radius(lambda X: A @ X @ A, d) - (1 - 0.9 * values[0]) ** 2) < 1e-12


@pytest.fixture
def problem():
    return istsim.random_quadratic(
        0, 3, 3, condition_number=5.0, matrix_heterogeneity=0.3, vector_heterogeneity=0.3, interpolation=False
    )


@pytest.mark.parametrize("scale", [1e-6, 1e2, 1e4, 1e8])
def test_the_stability_limit_is_found_wherever_it_lies(problem, scale):
    def limit(scale):
        method = istsim.IST(istsim.Permutation(3, 3), forward_scale=1.0, gradient_scale=scale, merge="literal")
        return theory.max_stable_step_size(problem, method)

    assert limit(scale) == pytest.approx(limit(1.0) / scale, rel=1e-5)  # the step is the step size times the scale


def test_none_is_stable_where_what_a_round_loses_grows_without_a_step():
    # Half of the model is lost, and what is left is made four times as large. The step that would undo it for some
    # coordinates is far too short for the others.
    problem = istsim.Quadratic(np.diag([1.0, 1.0, 100.0, 100.0])[None].repeat(2, axis=0), np.zeros((2, 4)))
    method = istsim.IST(istsim.RandK(2, 4, 2), forward_scale=4.0, gradient_scale=1.0, merge="literal")
    assert theory.max_stable_step_size(problem, method) == 0.0


@pytest.mark.parametrize("variance", [1e-2, 1e4, 1e10])
def test_the_best_step_size_is_found_wherever_it_lies(problem, variance):
    method = istsim.IST(istsim.Permutation(3, 3), noise=istsim.GaussianNoise(variance * np.eye(3)))
    best = theory.best_step_size(problem, method, rounds=30)

    def gap(step_size):
        return theory.exact_moments(problem, method, step_size=step_size, rounds=30).objective_gap[-1]

    assert gap(best) <= min(gap(0.97 * best), gap(1.03 * best), gap(30 * best), gap(best / 30))


def test_no_step_size_is_called_the_best_where_the_run_starts_at_its_goal(problem):
    method = istsim.IST(istsim.Permutation(3, 3))
    with pytest.raises(ValueError, match="the shorter the better"):
        theory.best_step_size(problem, method, rounds=30, x0=problem.minimizer)


@pytest.mark.parametrize("d", [4, 34])
def test_what_is_best_at_stationarity_is_asked_of_step_sizes_at_which_it_settles(d):
    problem = istsim.random_quadratic(0, 2, d, condition_number=3.0, matrix_heterogeneity=0.2, vector_heterogeneity=0.5)
    found = theory.best(
        problem,
        lambda k: istsim.IST(istsim.RandK(2, d, k), forward_scale=1.0),
        candidates=[d],
        goal="stationary",
    )
    assert 0 <= found.score < np.inf
    assert found.step_size < theory.max_stable_step_size(problem, found.method)


def test_of_gradient_descent_in_a_hundred_coordinates_rounding_does_not_decide():
    # In the basis of Lbar, E[B] is diagonal but for rounding. Too large for 80 digits.
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((100, 100)))[0]
    problem = istsim.Quadratic(((basis * np.geomspace(1e-10, 1, 100)) @ basis.T)[None], np.zeros((1, 100)))
    found = theory.contraction(problem, istsim.GradientDescent())
    assert found.is_semidefinite
    assert found.theta == pytest.approx(1.0, rel=1e-9)
