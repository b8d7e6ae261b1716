"""The matrix expressions of the patterns of indices."""

import jax.numpy as jnp
import numpy as np
import pytest
from listed import close, problem_of

import istsim
from istsim import theory
from istsim.theory import _dynamics
from istsim.theory._forms import CoordinateForms, GroupForms
from istsim.theory._patterns import patterns


@pytest.mark.parametrize(
    "method",
    [istsim.IST(istsim.Permutation(2, 4)), istsim.IST(istsim.RandK(2, 4, 3), merge="literal")],
    ids=repr,
)
def test_second_moments_are_symmetric_to_the_last_bit(method):
    # The recursion computes half of each expression: what it makes of it must be symmetric, or rounding would feed
    # modes that no second moment has.
    moments = theory.exact_moments(problem_of(2, 4), method, step_size=0.05, rounds=300, covariance_at=[1, 300])
    np.testing.assert_array_equal(moments.covariance, np.swapaxes(moments.covariance, 1, 2))
    assert np.linalg.eigvalsh(moments.covariance).min() >= -1e-13


def test_groups_of_one_coordinate_each_are_no_groups():
    rng = np.random.default_rng(0)
    L = rng.standard_normal((3, 4, 4))
    L = jnp.asarray(L + L.transpose(0, 2, 1))
    X, (r, s) = jnp.asarray(rng.standard_normal((4, 4))), jnp.asarray(rng.standard_normal((2, 3, 4)))

    def k(count):  # all but the last alike, as for workers and their sum
        values = rng.standard_normal((len(patterns(count)), 2))
        return {p: jnp.asarray([v[0], v[0], v[1]]) for p, v in zip(patterns(count), values, strict=True)}

    k2, k3, k4 = k(2), k(3), k(4)
    plain, grouped = CoordinateForms.of_matrices(L), GroupForms(L, (0, 1, 2, 3))
    close(plain.vector_vector(r, s, k2), grouped.vector_vector(r, s, k2))
    close(plain.matrix_vector(r[0], s, k3), grouped.matrix_vector(r[0], s, k3))
    close(plain.matrix_diagonal(X, s, k3), grouped.matrix_diagonal(X, s, k3))
    close(plain.matrix_matrix(X, k4), grouped.matrix_matrix(X, k4))
    symmetric = [forms.symmetric_form(k4, k4)(X + X.T, r[0], s[0]) for forms in (plain, grouped)]
    close(symmetric[0] + symmetric[0].T, symmetric[1] + symmetric[1].T)


@pytest.mark.parametrize(
    "method", [istsim.IST(istsim.Permutation(2, 4)), istsim.CompressedGradient(istsim.RandK(2, 4, 3))]
)
def test_long_recursions_give_the_same_numbers_by_numpy_by_a_matrix_and_compiled(method, monkeypatch):
    problem, run = problem_of(2, 4), {"step_size": 0.05, "rounds": 40}
    by_matrix = theory.exact_moments(problem, method, **run)
    monkeypatch.setattr(_dynamics, "_WRITTEN_OUT", 0)
    by_numpy = theory.exact_moments(problem, method, **run)
    monkeypatch.setattr(_dynamics, "_MANY_ROUNDS", 10)
    compiled = theory.exact_moments(problem, method, **run)
    for name in ("mean", "objective_gap", "gradient_norm_squared", "distance_squared"):
        expected = getattr(by_numpy, name)
        assert isinstance(getattr(compiled, name), np.ndarray)
        close(getattr(by_matrix, name), expected)
        close(getattr(compiled, name), expected)
