"""The compiled loop: the same numbers as by JAX, to rounding, wherever it says that it applies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import istsim
from istsim.simulation import _compiled

pytest.importorskip("numba", reason="the compiled loop is optional: pip install 'istsim[fast]'")

PROBLEM = istsim.random_quadratic(0, 3, 6, condition_number=4.0, matrix_heterogeneity=0.5, vector_heterogeneity=1.0)


def without_loop(monkeypatch, **run):
    with monkeypatch.context() as patched:
        patched.setattr(_compiled, "covers", lambda problem, method: False)
        return istsim.simulate(PROBLEM, **run)


@pytest.mark.parametrize("repetitions", [1, 5])
@pytest.mark.parametrize(
    "method",
    [
        istsim.IST(istsim.Permutation(3, 6)),
        istsim.IST(istsim.Permutation(3, 6), merge="literal", participants=2, forward_scale=1.2),
        istsim.IST(istsim.RandK(3, 6, 4), merge="owners", participants=2),
        istsim.IST(istsim.RandK(3, 6, 4), gradient_scale=0.7),
        istsim.IST(istsim.Coverage(3, 6, 2)),
    ],
    ids=["mean", "literal", "owners", "rand-k", "coverage"],
)
def test_the_loop_gives_the_same_runs(method, repetitions, monkeypatch):
    run = {"step_size": [0.05, 0.1], "rounds": 9, "repetitions": repetitions, "key": 1, "record_every": 4}
    ours, theirs = istsim.simulate(PROBLEM, method, **run), without_loop(monkeypatch, method=method, **run)
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-12, atol=1e-14)
    for name, values in ours.metrics.items():
        np.testing.assert_allclose(values, theirs.metrics[name], rtol=1e-11)


def test_schedules_chunks_and_precision(monkeypatch):
    method = istsim.IST(istsim.Permutation(3, 6))
    monkeypatch.setattr(_compiled, "_DRAW_BYTES", 1)  # one round at a time
    run = {"step_size": lambda k: 0.1 / (k + 1), "rounds": 5, "key": 1}
    np.testing.assert_allclose(
        istsim.simulate(PROBLEM, method, **run).x, without_loop(monkeypatch, method=method, **run).x, rtol=1e-12
    )
    single = istsim.simulate(PROBLEM.astype(jnp.float32), method, step_size=0.1, rounds=5, key=1)
    assert single.x.dtype == np.float32
    np.testing.assert_allclose(
        single.x, istsim.simulate(PROBLEM, method, step_size=0.1, rounds=5, key=1).x, rtol=1e-4, atol=1e-5
    )


def test_a_trajectory_by_jax_is_the_run_of_the_loop():
    method = istsim.IST(istsim.Permutation(3, 6))
    path = istsim.trajectory(PROBLEM, method, step_size=0.1, rounds=7, key=3)
    assert _compiled.covers(PROBLEM, method)
    runs = istsim.simulate(PROBLEM, method, step_size=0.1, rounds=7, key=3)
    np.testing.assert_allclose(runs.x[0, 0], path[-1], rtol=1e-12)


@pytest.mark.parametrize(
    ("problem", "method"),
    [
        (PROBLEM, istsim.GradientDescent()),
        (PROBLEM, istsim.CompressedGradient(istsim.Permutation(3, 6))),
        (PROBLEM, istsim.IST(istsim.Bernoulli(3, 6, 0.5))),
        (PROBLEM, istsim.IST(istsim.Permutation(3, 6), local_steps=2)),
        (PROBLEM, istsim.IST(istsim.Permutation(3, 6), noise=istsim.GaussianNoise(np.eye(6)))),
        (istsim.Quadratic.from_diagonals(np.ones((3, 6)), np.ones((3, 6))), istsim.IST(istsim.Permutation(3, 6))),
    ],
)
def test_what_the_loop_does_not_cover_goes_by_jax(problem, method):
    assert not _compiled.covers(problem, method)
    assert istsim.simulate(problem, method, step_size=0.1, rounds=2, key=0).status.shape == (1, 1)


def test_without_numba_nothing_is_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    method = istsim.IST(istsim.Permutation(3, 6))
    assert not _compiled.covers(PROBLEM, method)
    assert np.isfinite(istsim.simulate(PROBLEM, method, step_size=0.1, rounds=2, key=jax.random.key(0)).x).all()
