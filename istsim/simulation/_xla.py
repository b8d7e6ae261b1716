"""Rounds compiled by XLA: any method, on CPUs, GPUs and TPUs, on one device or a mesh of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from istsim._random import round_key, stream
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.simulation._devices import OneDevice, Pmap, ShardMap, Share
from istsim.simulation._draws import check_first
from istsim.simulation._metrics import metrics
from istsim.simulation._run import Chunk, Run
from istsim.simulation._step_sizes import StepSizes

Devices = OneDevice | ShardMap | Pmap


def chunks(run: Run, devices: Devices) -> Iterator[Chunk]:
    """The run, chunk by chunk."""
    start = {name: np.full((1, *run.trajectories), value) for name, value in _metrics(run.problem, run.x0).items()}
    yield Chunk(0, 1, start, None)
    sketch_key = stream(run.key, "sketch")
    check_first(run.method, sketch_key, run.rounds, run.problem.num_workers)
    problem = devices.place_problem(run.problem)
    repetitions = devices.place(np.arange(run.repetitions))
    x = devices.place(np.broadcast_to(run.x0, (*run.trajectories, run.problem.dim)))
    advance = _compiled(devices, run.records_of_chunk, run.problem.num_workers)
    for stretch in run.stretches():
        first, end, stride, kept = stretch
        x, found = advance(problem, repetitions, x, run.method, run.steps, sketch_key, first, end, stride)
        rounds = run.rounds_of(stretch)
        whole = {name: devices.collect(values, axis=1)[:, : run.repetitions] for name, values in found.items()}
        is_last = first + rounds == run.rounds
        yield Chunk(rounds, kept, whole, devices.collect(x, axis=0)[: run.repetitions] if is_last else None)


@functools.cache
def _compiled(devices: Devices, num_records: int, num_workers: int) -> Callable[..., Any]:
    """The chunk on the devices: the same function for the same ones, so that it compiles once."""
    return devices.mapped(functools.partial(_chunk, num_records, num_workers))


def _chunk(
    num_records: int,
    num_workers: int,
    share: Share | None,
    problem: Quadratic,
    repetitions: Int[Array, " repetition"],
    x: Float[Array, "repetition step_size d"],
    method: Method,
    steps: StepSizes,
    sketch_key: Array,
    first_round: Int[Array, ""],
    last_round: Int[Array, ""],
    record_every: Int[Array, ""],
) -> tuple[Array, dict[str, Array]]:
    """Run `num_records` times `record_every` rounds, but none after the last; the iterates, and the metrics after each.

    A device that shares the workers with others has a problem that holds its own only.
    """

    def one_round(round_index, x):
        def of_repetition(repetition, x):
            # Drawn outside the inner vmap: once for all step sizes, and the L_i are gathered once.
            draws = method.draw(round_key(sketch_key, repetition, round_index), num_workers)
            if share is not None:
                draws = share.of_draws(draws)

            def of_step_size(step_size, x):
                sums = method.worker_sums(problem, draws, step_size, x)
                if share is not None:
                    sums = share.add_up(sums)
                return method.combine(problem, sums, step_size, x)

            return jax.vmap(of_step_size)(steps.at(round_index), x)

        return jax.vmap(of_repetition)(repetitions, x)

    def one_record(x, start):
        x = jax.lax.fori_loop(start, jnp.minimum(start + record_every, last_round), one_round, x)
        return x, x

    starts = first_round + record_every * jnp.arange(num_records)
    x, iterates = jax.lax.scan(one_record, x, starts)
    return x, metrics(problem, iterates)


_metrics = jax.jit(metrics)
