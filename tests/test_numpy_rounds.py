"""Short runs in NumPy: the same runs as by XLA, of every method, structure and sketch; long ones are left to others."""

import jax
import numpy as np
import pytest

import istsim
from istsim.simulation import _numpy

N, D = 4, 6
RNG = np.random.default_rng(0)
FACTORED = istsim.Quadratic.from_least_squares(RNG.standard_normal((N, 2, D)), RNG.standard_normal((N, 2)), 0.1)
PROBLEMS = {
    "dense": istsim.Quadratic(FACTORED.L, FACTORED.b),
    "factored": FACTORED,
    "diagonal": istsim.Quadratic.from_diagonals(RNG.uniform(0.2, 2, (N, D)), RNG.standard_normal((N, D))),
    "tridiagonal": istsim.tridiagonal_quadratic(0, N, D, noise_scale=0.01, smallest_eigenvalue=0.1),
}
WEIGHTS = RNG.uniform(0.5, 1.0, (N, D))
METHODS = {
    "gradient descent": istsim.GradientDescent(),
    "local updates": istsim.LocalUpdates([2, 3, 1]),
    "compressed gradient": istsim.CompressedGradient(istsim.RandK(N, D, 3), participants=2),
    "compressed iterates": istsim.CompressedIterates(istsim.Permutation(N, D), merge="literal", local_steps=2),
    "lists": istsim.IST(istsim.RandK(N, D, 3), local_steps=3, participants=3),
    "lists, owners": istsim.IST(istsim.RandK(N, D, 2), merge="owners"),
    "lists, literal, weights": istsim.IST(istsim.RandK(N, D, 2), merge="literal", weights=WEIGHTS),
    "masks": istsim.IST(istsim.Bernoulli(N, D, 0.4), merge="owners", participants=2),
    "masks, groups": istsim.IST(istsim.Grouped(istsim.Permutation(N, 4), [0, 1, 2, 3, 0, 1]), local_steps=2),
    "coverage": istsim.IST(istsim.Coverage(N, D, 2), forward_scale=1.0),
}


@pytest.fixture
def by_xla(monkeypatch):
    """A function that runs the same by XLA."""

    def simulate(*arguments, **options):
        with monkeypatch.context() as patched:
            patched.setattr(_numpy, "is_short", lambda run: False)
            return istsim.simulate(*arguments, **options)

    return simulate


@pytest.fixture
def in_numpy(monkeypatch):
    """How many runs are made in NumPy."""
    runs = []
    chunks = _numpy.chunks
    monkeypatch.setattr(_numpy, "chunks", lambda run: runs.append(run) or chunks(run))
    return runs


def same(solution, expected, rtol=1e-11):
    np.testing.assert_allclose(solution.x, expected.x, rtol=rtol, atol=1e-13)
    for name, values in solution.metrics.items():
        np.testing.assert_allclose(values, expected.metrics[name], rtol=rtol)
    np.testing.assert_array_equal(solution.status, expected.status)


@pytest.mark.sample(5)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("structure", ["dense", "factored"])
def test_every_method_makes_the_runs_of_xla(structure, method, by_xla, in_numpy):
    run = {"step_size": [0.05, 0.1], "rounds": 7, "repetitions": 3, "key": 2, "record_every": 3}
    same(
        istsim.simulate(PROBLEMS[structure], METHODS[method], **run),
        by_xla(PROBLEMS[structure], METHODS[method], **run),
    )
    assert len(in_numpy) == 1


@pytest.mark.parametrize("structure", ["diagonal", "tridiagonal"])
def test_every_structure_makes_the_runs_of_xla(structure, by_xla, in_numpy):
    run = {"step_size": lambda k: 0.1 / (k + 1), "rounds": 5, "repetitions": 2, "key": 2}
    same(
        istsim.simulate(PROBLEMS[structure], METHODS["lists"], **run),
        by_xla(PROBLEMS[structure], METHODS["lists"], **run),
    )
    assert len(in_numpy) == 1


def test_what_diverges_ends_as_by_xla(by_xla, in_numpy):
    run = {"step_size": [0.1, 1e30], "rounds": 20, "repetitions": 2, "key": 2}
    solution = istsim.simulate(PROBLEMS["dense"], METHODS["lists"], **run)
    same(solution, by_xla(PROBLEMS["dense"], METHODS["lists"], **run), rtol=1e-9)
    assert set(solution.status[1]) == {"diverged"}
    assert len(in_numpy) == 1


def test_single_precision_stays_single(by_xla, in_numpy):
    problem = PROBLEMS["dense"].astype(np.float32)
    run = {"step_size": 0.1, "rounds": 5, "repetitions": 2, "key": 2}
    solution = istsim.simulate(problem, METHODS["lists"], **run)
    assert solution.x.dtype == np.float32
    # Sums of 4 workers' updates and of products over 6 coordinates, in 5 rounds, each rounded to 6e-8.
    same(solution, by_xla(problem, METHODS["lists"], **run), rtol=5e-5)
    assert len(in_numpy) == 1


@pytest.mark.parametrize(
    ("method", "key"),
    [
        (istsim.IST(istsim.RandK(N, D, 2), noise=istsim.GaussianNoise(np.eye(D))), 0),
        (istsim.IST(istsim.RandK(N, D, 2)), jax.random.key(0, impl="rbg")),
    ],
    ids=["noise", "another kind of keys"],
)
def test_what_numpy_cannot_draw_is_left_to_jax(method, key, in_numpy):
    istsim.simulate(PROBLEMS["dense"], method, step_size=0.1, rounds=2, key=key)
    assert in_numpy == []


def test_long_runs_are_left_to_compiled_ones(in_numpy):
    istsim.simulate(PROBLEMS["dense"], METHODS["lists"], step_size=0.1, rounds=20_000, key=0, record_every=1000)
    assert in_numpy == []
