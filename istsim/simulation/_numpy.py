"""Short runs of the library's methods in NumPy: they end before anything could be loaded or compiled for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from istsim._random import round_key, stream
from istsim._threefry import Threefry
from istsim.methods._method import Draws, Method, SketchedMethod
from istsim.problems._matrix_free import MatrixFreeHessians
from istsim.problems._quadratic import Quadratic
from istsim.simulation._metrics import metrics_by_numpy
from istsim.simulation._rounds import advance
from istsim.simulation._run import Chunk, Run
from istsim.sketches._drawn import check_lists
from istsim.sketches._sketch import is_own, needs_jax

# Seconds that a run may take here. Loading numba takes several times as long, but once in a process, and later runs are
# faster by the loops. The rule knows the run alone, so that the same run gives the same bits whatever ran before. What
# the parts of a run take was measured on one machine; on others all are faster or slower together.
_MOST_SECONDS = 0.1
_ROUND = 8e-5
_COORDINATE = 6e-8
_PRODUCT = 2e-10  # of a whole matrix, by BLAS
_GATHERED, _GATHERED_FROM_MEMORY, _CACHE = 3e-9, 1e-8, 2**22  # of a block; what matrices of more bytes take


def covers(run: Run) -> bool:
    """Whether it is by JAX's usual keys, on a CPU, and its round is written in NumPy."""
    on_cpu = jax.default_backend() == "cpu"
    return on_cpu and Threefry.of(run.key) is not None and is_written(run.problem, run.method)


def is_written(problem: Quadratic, method: Method) -> bool:
    """Whether a round is written in NumPy: that of a library's method, without noise, by a sketch of the library's."""
    return (
        type(method).__module__.startswith("istsim.methods.")
        and method.noise is None
        and not needs_jax(method.sketch_for(problem))
        and not isinstance(problem.hessians, MatrixFreeHessians)
    )


def is_short(run: Run) -> bool:
    """Whether it pays to run it here."""
    problem, method, d = run.problem, run.method, run.problem.dim
    size = method.sketch_for(problem).size if method.gathers_in_numpy(problem) else None
    if size is None:  # masks: all coordinates, and a product with the whole matrix
        of_worker = d * _COORDINATE + d * d * _PRODUCT
    else:
        in_cache = problem.num_workers * d * d * problem.dtype.itemsize <= _CACHE
        of_worker = size * _COORDINATE + size * size * (_GATHERED if in_cache else _GATHERED_FROM_MEMORY)
    trajectories = run.repetitions * len(run.steps.sizes)
    of_round = _ROUND + trajectories * problem.num_workers * method.local_steps * of_worker
    return run.rounds * of_round <= _MOST_SECONDS


def chunks(run: Run) -> Iterator[Chunk]:
    """The run, chunk by chunk."""
    problem, method = run.problem, run.method
    sketch = method.sketch_for(problem)
    own = is_own(sketch)
    sketch_key, repetitions = stream(Threefry.of(run.key), "sketch"), np.arange(run.repetitions)
    x = np.tile(run.x0, (*run.trajectories, 1))
    yield Chunk(0, 1, metrics_by_numpy(problem, (x - problem.minimizer)[None]), None)
    for stretch in run.stretches():
        length = run.rounds_of(stretch)
        draws = method.draw(round_key(sketch_key, repetitions, stretch.first + np.arange(length)), problem.num_workers)
        if own:
            check_lists(sketch, draws.held)
        steps = run.steps.between(stretch.first, stretch.first + length)
        records = np.full((run.records_of_chunk, *x.shape), np.nan, x.dtype)
        with np.errstate(over="ignore", invalid="ignore"):  # a divergent run is a result
            for index in range(length):
                x = one_round(problem, method, _of_round(draws, index), steps[index, :, None], x)
                if (index + 1) % stretch.stride == 0 or index + 1 == length:
                    records[index // stretch.stride] = x - problem.minimizer
        yield Chunk(length, stretch.kept, metrics_by_numpy(problem, records), x)


def iterates(run: Run) -> Float[np.ndarray, "iterates d"]:
    """All iterates of a run of one repetition with one step size, or under a schedule."""
    problem, method = run.problem, run.method
    sketch_key = stream(Threefry.of(run.key), "sketch")
    draws = method.draw(round_key(sketch_key, np.zeros(1, int), np.arange(run.rounds)), problem.num_workers)
    sketch, steps = method.sketch_for(problem), run.steps.between(0, run.rounds)
    if is_own(sketch):
        check_lists(sketch, draws.held)
    x = run.x0[None, None]
    found = [x]
    with np.errstate(over="ignore", invalid="ignore"):  # a divergent run is a result
        for index in range(run.rounds):
            x = one_round(problem, method, _of_round(draws, index), steps[index, :, None], x)
            found.append(x)
    return np.array(found)[:, 0, 0]


def _of_round(draws: Draws, index: int) -> Draws:
    """What was drawn for one of many rounds, which stand along the second axis, if anything was."""
    if draws.held.shape[-1] == 0:
        return draws
    reporting = None if draws.reporting is None else draws.reporting[:, index]
    return draws._replace(held=draws.held[:, index], reporting=reporting)


def one_round(
    problem: Quadratic, method: Method, draws: Draws, step_size: Any, x: Float[np.ndarray, "repetition point d"]
) -> Float[np.ndarray, "repetition point d"]:
    """The next iterates.

    Args:
        problem: The quadratic.
        method: The method.
        draws: What is random in this round of each repetition.
        step_size: A number, or shape (point, 1), one for each point.
        x: The points of a repetition all see the same sketches.
    """
    if isinstance(method, SketchedMethod):
        reporting = None if draws.reporting is None else draws.reporting[:, None]
        draws = draws._replace(held=draws.held[:, None], reporting=reporting)
    return advance(problem, method, draws, step_size, x)
