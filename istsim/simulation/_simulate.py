from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from istsim._random import as_key, round_key, stream
from istsim._types import Numbers
from istsim._validation import one_of, positive_int
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.simulation._metrics import METRICS, metrics
from istsim.simulation._rounds import advance, check_problem_and_method, checked_step_sizes, starting_point
from istsim.simulation._solution import Solution

BACKENDS = ("vmap",)

# A chunk of records runs without returning to Python. Its iterates are kept until its metrics are
# computed in one matrix product; this bounds them.
_CHUNK_BYTES = 64 * 2**20
_CHUNK_RECORDS = 64


def simulate(
    problem: Quadratic,
    method: Method,
    *,
    step_size: Numbers,
    rounds: int,
    key: Any,
    repetitions: int = 1,
    x0: Numbers | None = None,
    record_every: int = 1,
    backend: str = "vmap",
    progress: bool = False,
) -> Solution:
    """Run a method many times over, with several step sizes at once, and record how it converges.

    All step sizes see the same sketches, so that their comparison is not blurred by chance. The
    sketches of a repetition depend on nothing but the key, the repetition and the round.

    Args:
        problem: what is minimised.
        method: how.
        step_size: a positive number, or a 1-D array of them.
        rounds: number of rounds K, at least 1.
        key: a JAX key or an int.
        repetitions: independent runs for each step size, at least 1.
        x0: shape (d,); the vector of ones if None.
        record_every: record the metrics at rounds 0, r, 2r, ... and the last.
        backend: "vmap".
        progress: show a progress bar.

    Returns:
        A `Solution`. A divergent run is a result too: its status says so.

    Raises:
        ValueError: for arguments outside these ranges, or a sketch for another n or d.

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
    check_problem_and_method(problem, method)
    one_of("backend", backend, BACKENDS)
    rounds, repetitions = positive_int("rounds", rounds), positive_int("repetitions", repetitions)
    record_every = positive_int("record_every", record_every)
    step_sizes = checked_step_sizes(step_size, problem.dtype)
    x0 = starting_point(problem, x0)
    sketch_key = stream(as_key(key), "sketch")

    recorded_rounds = np.append(np.arange(0, rounds, record_every), rounds)
    x = jnp.broadcast_to(x0, (repetitions, len(step_sizes), problem.dim))
    parts = [{name: np.asarray(value[None]) for name, value in metrics(problem, x).items()}]
    records_left = len(recorded_rounds) - 1
    chunk_records = max(1, min(records_left, _CHUNK_RECORDS, _CHUNK_BYTES // x.nbytes))

    with _progress_bar(rounds, progress) as bar:
        for first_record in range(0, records_left, chunk_records):
            first_round = first_record * record_every
            x, part = _run_chunk(
                problem,
                method,
                step_sizes,
                sketch_key,
                jnp.arange(repetitions),
                x,
                first_round,
                rounds,
                record_every,
                num_records=chunk_records,
            )
            # The last chunk may be longer than what is left: it then repeats the last record.
            kept = min(chunk_records, records_left - first_record)
            parts.append({name: np.asarray(value[:kept]) for name, value in part.items()})
            bar.update(min(first_round + chunk_records * record_every, rounds) - first_round)

    recorded = {name: np.concatenate([part[name] for part in parts]).transpose(2, 1, 0) for name in METRICS}
    return Solution(
        problem=problem,
        method=method,
        step_sizes=np.asarray(step_sizes),
        recorded_rounds=recorded_rounds,
        metrics=recorded,
        x=np.asarray(x).transpose(1, 0, 2),
    )


@functools.partial(jax.jit, static_argnames="num_records")
def _run_chunk(
    problem: Quadratic,
    method: Method,
    step_sizes: Float[Array, " step_size"],
    sketch_key: Array,
    repetitions: Int[Array, " repetition"],
    x: Float[Array, "repetition step_size d"],
    first_round: Int[Array, ""],
    last_round: Int[Array, ""],
    record_every: Int[Array, ""],
    *,
    num_records: int,
):
    """Run `num_records` times `record_every` rounds, but none after the last; the metrics after each."""

    def one_round(round_index, x):
        def of_repetition(repetition, x):
            # Drawn outside the inner vmap: once for all step sizes, and the L_i are gathered once.
            draws = method.draw(round_key(sketch_key, repetition, round_index), problem.num_workers)
            return jax.vmap(lambda step_size, x: advance(problem, method, draws, step_size, x))(step_sizes, x)

        return jax.vmap(of_repetition)(repetitions, x)

    def one_record(x, start):
        x = jax.lax.fori_loop(start, jnp.minimum(start + record_every, last_round), one_round, x)
        return x, x

    starts = first_round + record_every * jnp.arange(num_records)
    x, iterates = jax.lax.scan(one_record, x, starts)
    return x, metrics(problem, iterates)


def _progress_bar(rounds: int, shown: bool) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=rounds, unit=" rounds", disable=not shown)
