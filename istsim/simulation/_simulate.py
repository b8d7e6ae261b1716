from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Int

from istsim._random import as_key, round_key, stream
from istsim._types import Numbers
from istsim._validation import one_of, positive_int
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.simulation import _compiled
from istsim.simulation._devices import AXIS, draws_of_device, split_workers
from istsim.simulation._metrics import METRICS, metrics
from istsim.simulation._rounds import check_problem_and_method, starting_point
from istsim.simulation._solution import Solution
from istsim.simulation._step_sizes import StepSizes

BACKENDS = ("vmap", "pmap", "shard_map")

# A chunk of rounds runs without returning to Python. Its recorded iterates are kept until their metrics
# are computed in one matrix product; this bounds them.
_CHUNK_BYTES = 64 * 2**20
_CHUNK_RECORDS = 64
# Between chunks there is progress, an interrupt is seen, and a run without finite values ends.
_CHUNK_ROUNDS = 4096


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
        backend: "vmap" for one device; "pmap" or its successor "shard_map" to split the workers over
            all devices, whatever their numbers.
        progress: show a progress bar.

    Returns:
        A `Solution`. A divergent run is a result too: its status says so. A trajectory whose objective
        gap is not finite has ended: its metrics from there on and its last iterate are NaN; once all
        have ended, so has the run.

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
    steps = StepSizes.of(step_size, rounds, problem.dtype)
    x0 = starting_point(problem, x0)
    sketch_key = stream(as_key(key), "sketch")

    recorded_rounds = np.append(np.arange(0, rounds, record_every), rounds)
    x = jnp.broadcast_to(x0, (repetitions, len(steps.sizes), problem.dim))
    parts = [{name: np.asarray(value[None]) for name, value in metrics(problem, x).items()}]
    chunk_records = min(
        _CHUNK_RECORDS, _CHUNK_BYTES // x.nbytes, _CHUNK_ROUNDS // record_every, len(recorded_rounds) - 1
    )
    chunk_records = max(1, chunk_records)

    placed, run_chunk = _placed(backend, problem, method)
    with _progress_bar(rounds, progress) as bar:
        for first_round, end, stride, kept in _chunks(recorded_rounds, record_every, chunk_records):
            x, part = run_chunk(
                placed,
                method,
                steps,
                sketch_key,
                jnp.arange(repetitions),
                x,
                first_round,
                end,
                stride,
                num_records=chunk_records,
                num_workers=problem.num_workers,
            )
            # A chunk that reaches the end early repeats its last record.
            parts.append({name: np.asarray(value[:kept]) for name, value in part.items()})
            bar.update(min(first_round + chunk_records * stride, end) - first_round)
            if not np.isfinite(part["objective_gap"][-1]).any():
                break  # all trajectories have ended

    recorded, ended = _until_not_finite(parts, len(recorded_rounds))
    return Solution(
        problem=problem,
        method=method,
        step_sizes=np.asarray(steps.sizes) if steps.schedule is None else np.array([np.nan]),
        recorded_rounds=recorded_rounds,
        metrics=recorded,
        x=np.where(ended[..., None], np.nan, np.asarray(x).transpose(1, 0, 2)),
    )


def _chunks(
    recorded_rounds: Int[np.ndarray, " round"], record_every: int, chunk_records: int
) -> Iterator[tuple[int, int, int, int]]:
    """For each chunk: its first round, the one it must not pass, the rounds between its records, how many to keep."""
    if record_every <= _CHUNK_ROUNDS:
        for first in range(0, len(recorded_rounds) - 1, chunk_records):
            kept = min(chunk_records, len(recorded_rounds) - 1 - first)
            yield first * record_every, int(recorded_rounds[-1]), record_every, kept
    else:
        # One record takes several chunks, of which only the last is kept.
        for begin, end in itertools.pairwise(recorded_rounds.tolist()):
            for first_round in range(begin, end, _CHUNK_ROUNDS):
                yield first_round, end, _CHUNK_ROUNDS, int(first_round + _CHUNK_ROUNDS >= end)


def _until_not_finite(
    parts: list[dict[str, np.ndarray]], num_records: int
) -> tuple[dict[str, np.ndarray], Bool[np.ndarray, "step_size repetition"]]:
    """The recorded metrics over (step_size, repetition, round), and which trajectories ended.

    A trajectory ends at the first record whose objective gap is not finite: NaN from there on, so
    that what is recorded does not depend on when the run noticed.
    """
    together = {name: np.concatenate([part[name] for part in parts]).transpose(2, 1, 0) for name in METRICS}
    ended = np.logical_or.accumulate(~np.isfinite(together["objective_gap"]), axis=-1)
    missing = [(0, 0), (0, 0), (0, num_records - ended.shape[-1])]
    recorded = {
        name: np.pad(np.where(ended, np.nan, values), missing, constant_values=np.nan)
        for name, values in together.items()
    }
    return recorded, ended[..., -1]


def _chunk(
    problem: Quadratic,
    method: Method,
    steps: StepSizes,
    sketch_key: Array,
    repetitions: Int[Array, " repetition"],
    x: Float[Array, "repetition step_size d"],
    first_round: Int[Array, ""],
    last_round: Int[Array, ""],
    record_every: Int[Array, ""],
    *,
    num_records: int,
    num_workers: int,
    num_devices: int | None = None,
):
    """Run `num_records` times `record_every` rounds, but none after the last; the metrics after each.

    With `num_devices` this is one device's part: the problem holds its workers only, and the sums
    over workers are added up over the mapped axis.
    """

    def one_round(round_index, x):
        def of_repetition(repetition, x):
            # Drawn outside the inner vmap: once for all step sizes, and the L_i are gathered once.
            draws = method.draw(round_key(sketch_key, repetition, round_index), num_workers)
            if num_devices is not None:
                draws = draws_of_device(draws, num_devices, jax.lax.axis_index(AXIS))

            def of_step_size(step_size, x):
                sums = method.worker_sums(problem, draws, step_size, x)
                if num_devices is not None:
                    sums = jax.lax.psum(sums, AXIS)
                return method.combine(problem, sums, step_size, x)

            return jax.vmap(of_step_size)(steps.at(round_index), x)

        return jax.vmap(of_repetition)(repetitions, x)

    def one_record(x, start):
        x = jax.lax.fori_loop(start, jnp.minimum(start + record_every, last_round), one_round, x)
        return x, x

    starts = first_round + record_every * jnp.arange(num_records)
    x, iterates = jax.lax.scan(one_record, x, starts)
    return x, metrics(problem, iterates)


def _placed(backend: str, problem: Quadratic, method: Method) -> tuple[Quadratic, Callable[..., Any]]:
    """The problem where the backend wants it, once and for all, and the function that runs a chunk there."""
    if backend == "vmap" and _compiled.covers(problem, method):
        return problem, _compiled.run_chunk
    if backend == "vmap":
        return problem, _chunk_function(backend, 1)
    num_devices = len(jax.devices())
    sharding = NamedSharding(_mesh(), PartitionSpec(AXIS))
    return jax.device_put(split_workers(problem, num_devices), sharding), _chunk_function(backend, num_devices)


@functools.cache
def _chunk_function(backend: str, num_devices: int) -> Callable[..., Any]:
    """The compiled chunk: the same function for the same backend and devices, so that it compiles once."""
    statics = ("num_records", "num_workers")
    if backend == "vmap":
        return jax.jit(_chunk, static_argnames=statics)

    @functools.cache
    def mapped(num_records: int, num_workers: int) -> Callable[..., Any]:
        part = functools.partial(_chunk, num_records=num_records, num_workers=num_workers, num_devices=num_devices)
        if backend == "pmap":
            return jax.pmap(part, axis_name=AXIS, in_axes=(0, *[None] * 8), out_axes=None)

        def of_shard(problem: Quadratic, *arguments: Any) -> Any:
            return part(jax.tree.map(lambda array: array[0], problem), *arguments)

        in_specs = (PartitionSpec(AXIS), *[PartitionSpec()] * 8)
        return jax.jit(
            jax.shard_map(of_shard, mesh=_mesh(), in_specs=in_specs, out_specs=PartitionSpec(), check_vma=False)
        )

    return lambda *arguments, num_records, num_workers: mapped(num_records, num_workers)(*arguments)


def _mesh() -> jax.sharding.Mesh:
    return jax.make_mesh((len(jax.devices()),), (AXIS,), axis_types=(AxisType.Auto,))


def _progress_bar(rounds: int, shown: bool) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=rounds, unit=" rounds", disable=not shown)
