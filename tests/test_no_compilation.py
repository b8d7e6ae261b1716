"""Known numbers are answered by NumPy: nothing is compiled for theory, theorems, verification and short runs."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import istsim
from istsim import theorems, theory, verify

PROBLEM = istsim.random_quadratic(3, 3, 6, condition_number=8.0, matrix_heterogeneity=0.4, vector_heterogeneity=0.5)
DIAGONAL = istsim.Quadratic.from_diagonals(np.arange(1.0, 19.0).reshape(3, 6), np.ones((3, 6)))
SAMPLES = istsim.Quadratic.from_least_squares(np.arange(24.0).reshape(2, 4, 3) ** 0.5, np.ones((2, 4)), ridge=0.1)
METHODS = [
    istsim.GradientDescent(),
    istsim.LocalUpdates([2, 3, 1], "overlapping", window=2),
    istsim.IST(istsim.Permutation(3, 6)),
    istsim.IST(istsim.RandK(3, 6, 4), merge="owners", participants=2),
    istsim.IST(istsim.Bernoulli(3, 6, 0.4), merge="literal", noise=istsim.GaussianNoise(0.1 * np.eye(6))),
    istsim.IST(istsim.Grouped(istsim.Permutation(3, 3), [0, 0, 1, 1, 2, 2]), weights=np.full((3, 6), 0.5)),
    istsim.CompressedGradient(istsim.Coverage(3, 6, 2)),
    istsim.CompressedIterates(istsim.Permutation(3, 6), merge="literal", participants=2),
]


@pytest.fixture
def compiled():
    """The compilations since the test began: names of JAX's monitoring events."""
    events = []

    def listen(name, seconds, **details):
        if "backend_compile" in name:
            events.append(name)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield events
    jax.monitoring.unregister_event_duration_listener(listen)


def test_a_compilation_is_counted(compiled):
    jnp.sin(jnp.arange(17.0)).block_until_ready()
    assert compiled


@pytest.mark.sample(8)
@pytest.mark.parametrize("problem", [PROBLEM, DIAGONAL], ids=["dense", "diagonal"])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: f"{type(method).__name__}-{method.merge}")
def test_theory_compiles_nothing(problem, method, compiled):
    size = 0.02
    theory.exact_moments(problem, method, step_size=size, rounds=3, covariance_at=[1], gradient_weighting=np.eye(6))
    theory.exact_moments(problem, method, step_size=lambda k: size / (k + 1), rounds=4)
    theory.exact_mean(problem, method, step_size=size, rounds=3)
    theory.mean_operator(problem, method, step_size=size)
    theory.second_moment(problem, method, np.eye(6), step_size=size)
    theory.fixed_point(problem, method, step_size=size)
    theory.mean_rate(problem, method, size)
    theory.mean_square_rate(problem, method, size)
    limit = theory.max_stable_step_size(problem, method)  # the merge "literal" may need long steps
    assert np.all(np.isfinite(theory.stationary(problem, method, 0.95 * limit).covariance))
    assert compiled == []


@pytest.mark.parametrize("method", METHODS[1:3], ids=["local updates", "IST"])
def test_searches_compile_nothing(method, compiled):
    theory.best_step_size(PROBLEM, method, rounds=5)
    theory.mean_step_size_limit(PROBLEM, method)
    theory.fewest_rounds(PROBLEM, method, 0.9 * float(PROBLEM.objective_gap(np.ones(6))))
    theory.contraction(PROBLEM, method)
    istsim.compare_step_sizes(PROBLEM, method, rounds=3, repetitions=2, points=3)
    for goal in (4, "rate", "stationary"):
        theory.best(PROBLEM, lambda k: istsim.IST(istsim.RandK(3, 6, k)), candidates=[2, 3], goal=goal)
    assert compiled == []


@pytest.mark.parametrize("local_steps", [1, 2])
@pytest.mark.parametrize("method", METHODS[2:4], ids=["mean", "owners"])
def test_enumeration_and_local_steps_compile_nothing(method, local_steps, compiled):
    several = istsim.IST(istsim.RandK(2, 3, 2), forward_scale=1.0, merge=method.merge, local_steps=local_steps)
    theory.exact_mean(SAMPLES, several, step_size=0.01, rounds=2)
    theory.exact_moments(SAMPLES, several, step_size=0.01, rounds=2, route="enumeration")
    theory.stationary(SAMPLES, several, 0.01, route="enumeration")
    rows = istsim.CompressedGradient(istsim.RandK(2, 3, 2), noise=istsim.RowSampling(2))
    theory.max_stable_step_size(SAMPLES, rows, route="enumeration")
    assert compiled == []


def test_problems_compile_nothing(compiled):
    problem = istsim.quadratic_with_spectra(1, [[1.0, 2.0, 4.0], [0.1, 0.5, 9.0]], vector_heterogeneity=0.1)
    problem.preconditioned().astype(np.float32).value([1.0, 2.0, 3.0])
    tridiagonal = istsim.tridiagonal_quadratic(0, 2, 5, noise_scale=0.01, smallest_eigenvalue=0.1)
    assert tridiagonal.gradient(tridiagonal.minimizer) == pytest.approx(np.zeros(5), abs=1e-12)
    assert compiled == []


# All of them take a minute: every fourth here, the others with the slow tests.
NAMES = [
    pytest.param(name, marks=[] if index % 4 == 0 else pytest.mark.slow) for index, name in enumerate(theorems.names())
]


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", NAMES)
def test_theorems_and_their_verification_compile_nothing(name, compiled):
    assert verify.verify_theorem(theorems.get(name), examples=1).passed
    assert compiled == []


@pytest.mark.parametrize("problem", [PROBLEM, DIAGONAL], ids=["dense", "diagonal"])
@pytest.mark.parametrize("method", [m for m in METHODS if m.noise is None], ids=lambda method: type(method).__name__)
def test_short_runs_compile_nothing(problem, method, compiled):
    solution = istsim.simulate(problem, method, step_size=[0.01, 0.02], rounds=3, repetitions=2, key=1)
    assert np.isfinite(solution.x).all()
    assert compiled == []


def test_results_for_known_numbers_are_of_numpy():
    exact = theory.exact_moments(PROBLEM, METHODS[2], step_size=0.1, rounds=30, covariance_at=[2])
    for name in inspect.get_annotations(type(exact)):
        if name != "data_fields":
            assert isinstance(getattr(exact, name), np.ndarray), name
    assert exact.objective_gap[[0, 30]].shape == (2,)
    assert isinstance(theory.fixed_point(PROBLEM, METHODS[2]), np.ndarray)
    assert isinstance(PROBLEM.minimizer, np.ndarray)


@pytest.mark.sample(4)
@pytest.mark.parametrize("problem", [PROBLEM, DIAGONAL], ids=["dense", "diagonal"])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: f"{type(method).__name__}-{method.merge}")
def test_results_are_the_same_numbers_where_jax_traces_the_arguments(problem, method):
    def moments(step_size):
        return theory.exact_moments(problem, method, step_size=step_size, rounds=5)

    known, traced = moments(0.02), jax.jit(moments)(0.02)
    for one, other in zip(jax.tree.leaves(known), jax.tree.leaves(traced), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)
