import pathlib
import subprocess
import sys

import jax
import numpy as np
import pytest

import istsim
from istsim._random import as_key, round_key, stream
from istsim.simulation import _programs
from istsim.simulation._devices import Share, split_workers
from istsim.simulation._rounds import advance

problem = istsim.random_quadratic(0, 5, 10, condition_number=5.0, matrix_heterogeneity=0.5, vector_heterogeneity=1.0)
method = istsim.IST(istsim.Permutation(5, 10))


def runs_that_are_equal(*arguments):
    script = pathlib.Path(__file__).with_name("backends.py")
    finished = subprocess.run(
        [sys.executable, "-W", "error", str(script), *arguments], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.count("equal")


def test_backends_give_the_same_runs_on_three_devices():
    """Three methods at five workers, which are padded, one at two; one on both meshes, and on the one chosen."""
    assert runs_that_are_equal("3", "few") == 3 + 1 + 2 + 1


# 2, 3 and 5 workers: on three devices fewer than there are, as many, and more.
@pytest.mark.slow
@pytest.mark.parametrize("num_devices", [1, 2, 3, 4])
def test_every_backend_gives_the_same_runs_on_any_number_of_devices(num_devices):
    # Every method at five workers, two of them at two and three; one on every mesh, and on the one that is chosen.
    meshes = sum(num_devices % rows == 0 for rows in range(1, num_devices + 1))
    assert runs_that_are_equal(str(num_devices)) == 6 + 2 + 2 + meshes + 1


@pytest.mark.parametrize("num_devices", [1, 2, 3, 4, 7])
def test_devices_hold_all_workers_once_and_in_order(num_devices):
    split = split_workers(problem, num_devices)
    np.testing.assert_array_equal(np.concatenate(split.b)[:5], problem.b)
    np.testing.assert_array_equal(np.concatenate(split.hessians.matrices)[:5], problem.L)
    assert not np.concatenate(split.b)[5:].any()
    np.testing.assert_array_equal(split.average.matrices[-1], problem.average.matrices)
    draws = method.draw(jax.random.key(0), 5)
    parts = [Share(num_devices, device, lambda sums: sums).of_draws(draws) for device in range(num_devices)]
    held = np.concatenate([part.held for part in parts])
    np.testing.assert_array_equal(held[:5], draws.held)  # the same masks, bit for bit
    if 5 % num_devices:
        np.testing.assert_array_equal(np.concatenate([part.reporting for part in parts]), np.arange(len(held)) < 5)


@pytest.mark.parametrize("backend", ["pmap", "shard_map"])
def test_a_mesh_is_filled_once_and_compiled_for_once(backend, monkeypatch):
    monkeypatch.setattr(_programs, "_compiled", 0)  # after many, all would be forgotten in between
    compiled, placed = [], []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, _, **__: compiled.append(name) if name.endswith("backend_compile_duration") else None
    )
    place = jax.make_array_from_callback
    monkeypatch.setattr(jax, "make_array_from_callback", lambda *where: placed.append(where) or place(*where))

    def run(problem, rounds, step_size, key):
        istsim.simulate(problem, method, step_size=step_size, rounds=rounds, key=key, backend=backend)

    run(problem, 512, 0.1, 1)
    other = istsim.random_quadratic(7, 5, 10, condition_number=3.0, matrix_heterogeneity=0.5, vector_heterogeneity=1.0)
    arrays, chunk = len(placed), len(compiled)
    placed.clear()
    run(other, 5 * 512, 0.2, 2)
    assert len(placed) == arrays  # however many chunks of rounds
    assert len(compiled) == chunk


def test_a_schedule_is_the_step_size_of_each_round():
    def schedule(k):
        return 0.1 / (k + 1)

    scheduled = istsim.simulate(problem, method, step_size=schedule, rounds=3, key=1)
    path = istsim.trajectory(problem, method, step_size=schedule, rounds=3, key=1)
    np.testing.assert_allclose(scheduled.x[0, 0], path[-1], rtol=1e-12)
    x, sketch_key = jax.numpy.ones(10), stream(as_key(1), "sketch")
    for k in range(3):
        draws = method.draw(round_key(sketch_key, 0, k), 5)
        x = advance(problem, method, draws, 0.1 / (k + 1), x)
        np.testing.assert_allclose(path[k + 1], x, rtol=1e-12)
    assert np.isnan(scheduled.dataset.step_size).all()
    assert scheduled.dataset.sizes["step_size"] == 1


def test_a_schedule_may_compute_with_jax_as_optax_schedules_do():
    decay = jax.jit(lambda count: 0.1 * jax.numpy.power(0.9, count / 2))
    by_jax = istsim.simulate(problem, method, step_size=decay, rounds=4, key=1)
    by_python = istsim.simulate(problem, method, step_size=lambda k: 0.1 * 0.9 ** (k / 2), rounds=4, key=1)
    np.testing.assert_allclose(by_jax.x, by_python.x, rtol=1e-12)


def test_a_constant_schedule_is_the_constant():
    constant = istsim.simulate(problem, method, step_size=0.1, rounds=6, key=1, record_every=4)
    scheduled = istsim.simulate(problem, method, step_size=lambda k: 0.1, rounds=6, key=1, record_every=4)
    np.testing.assert_allclose(scheduled.x, constant.x, rtol=1e-13)


def test_a_round_at_step_size_zero_changes_nothing():
    path = istsim.trajectory(problem, method, step_size=lambda k: 0.1 * (k % 2), rounds=4, key=1)
    np.testing.assert_array_equal(path[1], path[0])
    np.testing.assert_array_equal(path[3], path[2])
    assert np.abs(path[2] - path[1]).max() > 0


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (lambda k: -0.1 if k == 2 else 0.1, "at least 0 in every round, got -0.1 in round 2"),
        (lambda k: np.nan, "step_size must be a finite number, got nan"),
    ],
)
def test_a_bad_schedule_is_refused(schedule, message):
    with pytest.raises(ValueError, match=message):
        istsim.simulate(problem, method, step_size=schedule, rounds=4, key=0)


def test_a_diverging_schedule_ends_with_its_status():
    solution = istsim.simulate(problem, method, step_size=lambda k: 10.0, rounds=400, key=0)
    assert solution.status[0, 0] == "diverged"
    assert "diverged" in solution.advice
