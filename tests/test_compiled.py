"""The compiled loops: the same runs as by XLA, to rounding, wherever they say that they apply."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import istsim
from istsim.simulation import _compiled, _numpy

pytest.importorskip("numba", reason="the compiled loops are optional: pip install 'istsim[fast]'")

DENSE = istsim.random_quadratic(0, 3, 6, condition_number=4.0, matrix_heterogeneity=0.5, vector_heterogeneity=1.0)
RNG = np.random.default_rng(0)
STRUCTURES = {
    "dense": DENSE,
    "factored": istsim.Quadratic.from_least_squares(
        RNG.standard_normal((3, 2, 6)), RNG.standard_normal((3, 2)), ridge=0.3
    ),
    "tridiagonal": istsim.tridiagonal_quadratic(1, 3, 6, noise_scale=0.1, smallest_eigenvalue=0.2),
    "diagonal": istsim.Quadratic.from_diagonals(RNG.uniform(0.5, 2.0, (3, 6)), RNG.standard_normal((3, 6))),
}
METHODS = {
    "mean": istsim.IST(istsim.Permutation(3, 6)),
    "literal": istsim.IST(istsim.Permutation(3, 6), merge="literal", participants=2, forward_scale=1.2),
    "owners": istsim.IST(istsim.RandK(3, 6, 4), merge="owners", participants=2),
    "scaled": istsim.IST(istsim.RandK(3, 6, 4), gradient_scale=0.7),
    "coverage": istsim.IST(istsim.Coverage(3, 6, 2), local_steps=3),
    "masks": istsim.IST(istsim.Bernoulli(3, 6, 0.5), merge="owners", local_steps=2),
    "empty masks": istsim.IST(istsim.Bernoulli(3, 6, 0.1), merge="literal"),
}


@pytest.fixture(autouse=True)
def _no_run_is_too_short(monkeypatch):
    """The runs here would be computed in NumPy, and the loops never entered."""
    monkeypatch.setattr(_numpy, "is_short", lambda run: False)


def by_xla(problem, method, **run):
    return istsim.simulate(problem, method, backend="shard_map", mesh_shape=(1, 1), **run)


def check_equal(problem, method, **run):
    assert _compiled.covers(problem, method)
    ours, theirs = istsim.simulate(problem, method, **run), by_xla(problem, method, **run)
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-12, atol=1e-14)
    for name, values in ours.metrics.items():
        np.testing.assert_allclose(values, theirs.metrics[name], rtol=1e-11)


# One repetition: its blocks are prepared ahead, where there are several cores. Five: they share the cores.
@pytest.mark.sample(4)
@pytest.mark.parametrize("repetitions", [1, pytest.param(5, marks=pytest.mark.slow)])
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_the_loops_give_the_same_runs_for_every_method(method, repetitions):
    check_equal(DENSE, method, step_size=[0.05, 0.1], rounds=9, repetitions=repetitions, key=1, record_every=4)


@pytest.mark.sample(2)
@pytest.mark.parametrize("method", ["mean", pytest.param("masks", marks=pytest.mark.slow)])
@pytest.mark.parametrize("problem", STRUCTURES.values(), ids=STRUCTURES)
def test_the_loops_give_the_same_runs_for_every_structure(problem, method):
    check_equal(problem, METHODS[method], step_size=[0.05, 0.1], rounds=9, repetitions=3, key=1, record_every=4)


def test_factors_are_multiplied_four_rows_at_a_time_and_the_rest_one_by_one():
    # Five coordinates a worker.
    method = istsim.IST(istsim.RandK(3, 6, 5))
    check_equal(STRUCTURES["factored"], method, step_size=[0.05, 0.1], rounds=9, repetitions=3, key=1, record_every=4)


def test_blocks_prepared_ahead_are_those_of_their_rounds(monkeypatch):
    monkeypatch.setattr(_compiled, "cores", lambda: [0, 1, 2])  # more than repetitions, wherever this runs
    monkeypatch.setattr(_compiled, "_PREPARED_BYTES", 1)  # one round a group: more groups than buffers
    check_equal(DENSE, METHODS["mean"], step_size=[0.05, 0.1], rounds=9, repetitions=2, key=1)


def test_the_draws_may_come_in_any_number_of_blocks(monkeypatch):
    monkeypatch.setattr(_compiled, "_DRAW_ROUNDS", 2)
    for record_every in (1, 5):
        check_equal(
            DENSE, METHODS["mean"], step_size=lambda k: 0.1 / (k + 1), rounds=9, key=1, record_every=record_every
        )


def test_single_precision_stays_single():
    single = istsim.simulate(DENSE.astype(jnp.float32), METHODS["mean"], step_size=0.1, rounds=5, key=1)
    assert single.x.dtype == np.float32
    double = istsim.simulate(DENSE, METHODS["mean"], step_size=0.1, rounds=5, key=1)
    np.testing.assert_allclose(single.x, double.x, rtol=1e-4, atol=1e-5)


def test_what_diverges_is_seen_to():
    run = {"step_size": [0.1, 50.0], "rounds": 300, "key": 1}
    ours, theirs = istsim.simulate(DENSE, METHODS["mean"], **run), by_xla(DENSE, METHODS["mean"], **run)
    assert ours.status.tolist() == theirs.status.tolist()
    assert ours.status[1, 0] == "diverged"
    np.testing.assert_array_equal(
        np.isfinite(ours.metrics["objective_gap"]), np.isfinite(theirs.metrics["objective_gap"])
    )


def test_a_trajectory_by_jax_is_the_run_of_the_loops():
    path = istsim.trajectory(DENSE, METHODS["mean"], step_size=0.1, rounds=7, key=3)
    runs = istsim.simulate(DENSE, METHODS["mean"], step_size=0.1, rounds=7, key=3)
    np.testing.assert_allclose(runs.x[0, 0], path[-1], rtol=1e-12)


def test_new_values_of_the_same_shapes_compile_nothing():
    from istsim.simulation import _kernels

    def run(problem, step_size, key):
        return istsim.simulate(problem, METHODS["mean"], step_size=step_size, rounds=9, key=key)

    run(DENSE, 0.1, 1)
    known = len(_kernels.advance.signatures), len(_kernels.prepare.signatures)
    other = istsim.random_quadratic(5, 3, 6, condition_number=3.0, matrix_heterogeneity=0.1, vector_heterogeneity=0.0)
    run(other, 0.2, 2)
    assert (len(_kernels.advance.signatures), len(_kernels.prepare.signatures)) == known


@pytest.mark.parametrize(
    "method",
    [
        istsim.GradientDescent(),
        istsim.CompressedGradient(istsim.Permutation(3, 6)),
        istsim.IST(istsim.Permutation(3, 6), weights=np.full((3, 6), 0.5)),
        istsim.IST(istsim.Permutation(3, 6), noise=istsim.GaussianNoise(np.eye(6))),
    ],
)
def test_what_the_loops_do_not_cover_goes_by_xla(method):
    assert not _compiled.covers(DENSE, method)
    assert istsim.simulate(DENSE, method, step_size=0.1, rounds=2, key=0).status.shape == (1, 1)


def test_without_numba_nothing_is_missing(monkeypatch):
    monkeypatch.setattr("istsim.simulation._compiled.why_not", lambda: "numba is not installed")
    assert not _compiled.covers(DENSE, METHODS["mean"])
    assert np.isfinite(istsim.simulate(DENSE, METHODS["mean"], step_size=0.1, rounds=2, key=jax.random.key(0)).x).all()
