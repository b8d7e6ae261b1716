from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool

from istsim._random import as_key
from istsim._types import Numbers
from istsim._validation import is_concrete, one_of, positive_int
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.simulation import _compiled, _numpy, _xla
from istsim.simulation._devices import MeshShape, OneDevice, Pmap, ShardMap
from istsim.simulation._metrics import METRICS
from istsim.simulation._programs import forget_if_many
from istsim.simulation._rounds import check_problem_and_method, starting_point
from istsim.simulation._run import Run, one_behind
from istsim.simulation._solution import Solution
from istsim.simulation._step_sizes import StepSizes

BACKENDS = ("vmap", "pmap", "shard_map")


def simulate(
    problem: Quadratic,
    method: Method,
    *,
    step_size: Numbers | Callable[[int], Any],
    rounds: int,
    key: Any,
    repetitions: int = 1,
    x0: Numbers | None = None,
    record_every: int = 1,
    backend: str = "vmap",
    mesh_shape: tuple[int, int] | None = None,
    progress: bool = False,
) -> Solution:
    """Run a method many times over, with several step sizes at once, and record how it converges.

    All step sizes see the same sketches, so that their comparison is not blurred by chance. The
    sketches of a repetition depend on nothing but the key, the repetition and the round.

    Args:
        problem: what is minimised.
        method: how.
        step_size: a positive number, a 1-D array of them, or a schedule: a callable that gives the
            step size of a round, counted from 0 (its coordinate in the dataset is NaN).
        rounds: number of rounds K, at least 1.
        key: a JAX key or an int.
        repetitions: independent runs for each step size, at least 1.
        x0: shape (d,); the vector of ones if None.
        record_every: record the metrics at rounds 0, r, 2r, ... and the last.
        backend: "vmap" for one device; "pmap" or its successor "shard_map" for all devices.
        mesh_shape: over how many devices the repetitions are split, which communicate nothing, and over how many
            the workers of each, which add up a vector in every round; their product is the number of devices. None
            for as many of the former as there are repetitions for.
        progress: show a progress bar.

    Returns:
        A `Solution`. A divergent run is a result too: its status says so. A trajectory whose objective
        gap is not finite has ended: its metrics from there on and its last iterate are NaN; once all
        have ended, so has the run.

    Raises:
        ValueError: for arguments outside these ranges, a sketch for another n or d, or inside `jit`, `vmap` or `grad`:
            `trajectory` is for that.
        RuntimeError: where JAX's x64 mode is switched off.

    Example:
        >>> import istsim
        >>> problem = istsim.random_quadratic(0, 4, 8, condition_number=5.0,
        ...                                   matrix_heterogeneity=0.2, vector_heterogeneity=0.5)
        >>> method = istsim.IST(istsim.Permutation(4, 8))
        >>> solution = istsim.simulate(problem, method, step_size=[0.05, 0.1], rounds=100,
        ...                            repetitions=10, key=1, record_every=50)
        >>> dict(solution.dataset.sizes)
        {'step_size': 2, 'repetition': 10, 'round': 3}
        >>> solution.x.shape
        (2, 10, 8)
    """
    forget_if_many()
    _check_not_traced(problem, method, step_size, key, x0)
    check_problem_and_method(problem, method)
    one_of("backend", backend, BACKENDS)
    rounds, repetitions = positive_int("rounds", rounds), positive_int("repetitions", repetitions)
    record_every = positive_int("record_every", record_every)
    steps = StepSizes.of(step_size, rounds, problem.dtype)
    start = np.asarray(starting_point(problem, x0))
    run_key = as_key(key)
    _check_not_traced(jax.random.key_data(run_key))  # inside jit JAX traces what it makes of known keys as well
    run = Run(problem, method, steps, run_key, repetitions, start, rounds, record_every)
    if backend == "vmap" and mesh_shape is None and _numpy.covers(run) and _numpy.is_short(run):
        chunks = _numpy.chunks(run)
    elif backend == "vmap" and mesh_shape is None and _compiled.covers(problem, method):
        chunks = _compiled.chunks(run)
    else:
        chunks = _xla.chunks(run, _devices(backend, mesh_shape, repetitions))

    parts, x = [], np.broadcast_to(start, (*run.trajectories, problem.dim))
    with _progress_bar(rounds, progress) as bar:
        for chunk in one_behind(chunks):
            found = {name: np.asarray(values) for name, values in chunk.metrics.items()}
            parts.append({name: values[: chunk.kept] for name, values in found.items()})
            x = x if chunk.x is None else chunk.x
            bar.update(chunk.rounds)
            if not np.isfinite(found["objective_gap"][max(chunk.kept, 1) - 1]).any():
                break  # all trajectories have ended

    recorded, ended = _until_not_finite(parts, len(run.recorded_rounds))
    return Solution(
        problem=problem,
        method=method,
        step_sizes=np.asarray(steps.sizes) if steps.schedule is None else np.array([np.nan]),
        recorded_rounds=run.recorded_rounds,
        metrics=recorded,
        x=np.where(ended[..., None], np.nan, np.asarray(x).transpose(1, 0, 2)),
    )


def _check_not_traced(*arguments: Any) -> None:
    """Refuse to run while JAX traces: a run looks at its own numbers."""
    if not is_concrete(arguments):
        raise ValueError(
            "istsim.simulate needs known numbers, but JAX traces it, inside jax.jit, jax.vmap, jax.grad or the like; "
            "there use istsim.trajectory, which gives the iterates of one run and can be jitted, vmapped and "
            "differentiated"
        )


def _until_not_finite(
    parts: list[dict[str, np.ndarray]], num_records: int
) -> tuple[dict[str, np.ndarray], Bool[np.ndarray, "step_size repetition"]]:
    """The recorded metrics over (step_size, repetition, round), and which trajectories ended.

    A trajectory ends at the first record whose objective gap is not finite: NaN from there on, so
    that what is recorded does not depend on when the run noticed.
    """
    together = {name: np.concatenate([part[name] for part in parts]).transpose(2, 1, 0) for name in METRICS}
    # A run stops before all is recorded where all trajectories have ended, be it between two records.
    missing = [(0, 0), (0, 0), (0, num_records - together["objective_gap"].shape[-1])]
    padded = {name: np.pad(values, missing, constant_values=np.nan) for name, values in together.items()}
    ended = np.logical_or.accumulate(~np.isfinite(padded["objective_gap"]), axis=-1)
    recorded = {name: np.where(ended, np.nan, values) for name, values in padded.items()}
    return recorded, ended[..., -1]


def _devices(backend: str, mesh_shape: Any, repetitions: int) -> OneDevice | Pmap | ShardMap:
    if backend == "vmap":
        if mesh_shape is not None:
            raise ValueError("mesh_shape needs several devices: backend='shard_map' or 'pmap', got 'vmap'")
        return OneDevice()
    if backend == "pmap" and jax.process_count() > 1:
        raise ValueError("several processes need backend='shard_map', got 'pmap'")
    return {"pmap": Pmap, "shard_map": ShardMap}[backend](MeshShape.of(mesh_shape, repetitions))


def _progress_bar(rounds: int, shown: bool) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=rounds, unit=" rounds", disable=not shown)
