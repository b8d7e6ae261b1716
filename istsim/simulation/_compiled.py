"""Rounds of IST on a CPU by a compiled loop, where numba is installed: the same numbers as by JAX, to rounding.

XLA gathers the block of L_i that a worker holds into a copy, with index arithmetic for every entry, and then multiplies
it. A loop that reads each entry above the diagonal where it lies, once, and uses it for both triangles and for all step
sizes stays several times closer to what the memory allows. Masks are drawn by JAX, a chunk of rounds at a time, so they
are the same bits; metrics are computed by JAX too.

numba rather than a C++ extension: it comes as wheels for every platform, needs no compiler where istsim is installed,
and compiles one loop for each precision and number of step sizes in a second or two.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import Any, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from istsim._random import round_key
from istsim.methods import IST, Method
from istsim.methods._method import MERGES
from istsim.problems._dense import DenseHessians
from istsim.problems._quadratic import Quadratic
from istsim.simulation._metrics import metrics
from istsim.simulation._step_sizes import StepSizes

# Draws of a chunk are held at once: at most so many bytes.
_DRAW_BYTES = 32 * 2**20


def covers(problem: Quadratic, method: Method) -> bool:
    """Whether the loop can run it: dense L_i, IST with one local step and equally many coordinates a worker, a CPU."""
    return (
        importlib.util.find_spec("numba") is not None
        and jax.default_backend() == "cpu"
        and type(problem.hessians) is DenseHessians
        and isinstance(method, IST)
        and method.sketch.size is not None
        and method.local_steps == 1
        and method.noise is None
        and method.weights is None
    )


def run_chunk(
    problem: Quadratic,
    method: IST,
    steps: StepSizes,
    sketch_key: Array,
    repetitions: Int[Array, " repetition"],
    x: Float[Array, "repetition step_size d"],
    first_round: int,
    last_round: int,
    record_every: int,
    *,
    num_records: int,
    num_workers: int,
) -> tuple[Array, dict[str, Array]]:
    """What `_simulate._chunk` does, with the same arguments and results."""
    L, b = np.asarray(problem.hessians.matrices), np.asarray(problem.b)
    # A copy, step sizes innermost: they share what is read.
    lanes = np.array(np.asarray(x).transpose(0, 2, 1), order="C")
    records = np.empty((num_records, *x.shape), lanes.dtype)
    rounds_at_once = max(1, _DRAW_BYTES // (4 * len(lanes) * num_workers * method.sketch.size))
    advance = _loop(lanes.shape[-1], len(lanes) >= _threads())
    scales = np.array([method.forward_scale, method.gradient_scale], lanes.dtype)
    for record in range(num_records):
        begin = min(first_round + record * record_every, last_round)
        end = min(begin + record_every, last_round)
        for start in range(begin, end, rounds_at_once):
            count = min(rounds_at_once, end - start)
            # A power of two at least, so that few lengths are compiled.
            held, reporting = _draws(
                method, sketch_key, repetitions, start, count=1 << (count - 1).bit_length(), num_workers=num_workers
            )
            advance(
                L,
                b,
                np.asarray(held)[:count],
                np.asarray(reporting)[:count],
                np.ascontiguousarray(steps.between(start, start + count)),
                scales,
                MERGES.index(method.merge),
                method.num_reports(num_workers),
                lanes,
            )
        records[record] = lanes.transpose(0, 2, 1)
    return jnp.asarray(records[-1]), metrics(problem, jnp.asarray(records))


@functools.partial(jax.jit, static_argnames=("count", "num_workers"))
def _draws(
    method: IST, sketch_key: Array, repetitions: Int[Array, " repetition"], start: Any, *, count: int, num_workers: int
) -> tuple[Int[Array, "round repetition n k"], Bool[Array, "round repetition n"]]:
    """Who holds what, and who reports, in so many rounds of all repetitions."""

    def of_round(round_index, repetition):
        draws = method.draw(round_key(sketch_key, repetition, round_index), num_workers)
        reporting = jnp.ones(num_workers, bool) if draws.reporting is None else draws.reporting
        # In order, rows and columns are read as they lie in memory.
        return jnp.sort(draws.held, axis=-1), reporting

    rounds = start + jnp.arange(count)
    return jax.vmap(jax.vmap(of_round, (None, 0)), (0, None))(rounds, repetitions)


def _threads() -> int:
    import numba

    return numba.get_num_threads()


@functools.cache
@no_type_check  # what checks types in the tests cannot be compiled
def _loop(num_lanes: int, over_repetitions: bool) -> Callable[..., None]:
    """The loop over rounds for so many step sizes at once, a constant to the compiler.

    Threads share the repetitions if there are enough of them, else the workers of each round.
    """
    import numba

    mean, owners, literal = (MERGES.index(merge) for merge in ("mean", "owners", "literal"))

    @numba.njit(fastmath=True, nogil=True)
    def report(L, b, on, alpha, x, masked, total):
        """L (alpha P x) - b on the coordinates of one worker."""
        for a in range(len(on)):
            for s in range(num_lanes):
                masked[a, s] = alpha * x[on[a], s]
                total[a, s] = -b[on[a]]
        for a in range(len(on)):
            row = L[on[a]]
            for s in range(num_lanes):
                total[a, s] += row[on[a]] * masked[a, s]
            for c in range(a + 1, len(on)):
                entry = row[on[c]]
                for s in range(num_lanes):
                    total[a, s] += entry * masked[c, s]
                    total[c, s] += entry * masked[a, s]

    @numba.njit(fastmath=True, nogil=True)
    def combine(updates, holders, sizes, scales, merge, reports, x):
        alpha, beta = scales
        for j in range(len(x)):
            for s in range(num_lanes):
                step = sizes[s] * beta * updates[j, s]
                if merge == mean:
                    x[j, s] -= step / reports
                elif merge == owners:
                    x[j, s] -= step / max(holders[j], 1)
                elif merge == literal:
                    x[j, s] = (alpha * holders[j] * x[j, s] - step) / reports

    @numba.njit(fastmath=True, nogil=True)
    def add(total, on, updates, holders):
        for a in range(len(on)):
            holders[on[a]] += 1
            for s in range(num_lanes):
                updates[on[a], s] += total[a, s]

    @numba.njit(parallel=True, fastmath=True, nogil=True)
    def by_repetitions(L, b, held, reporting, sizes, scales, merge, reports, x):
        _, _, n, k = held.shape
        for r in numba.prange(len(x)):
            masked, total = np.empty((k, num_lanes), x.dtype), np.empty((k, num_lanes), x.dtype)
            updates, holders = np.empty(x.shape[1:], x.dtype), np.empty(x.shape[1], np.int64)
            for c in range(len(held)):
                updates[:], holders[:] = 0, 0
                for i in range(n):
                    if reporting[c, r, i]:
                        report(L[i], b[i], held[c, r, i], scales[0], x[r], masked, total)
                        add(total, held[c, r, i], updates, holders)
                combine(updates, holders, sizes[c], scales, merge, reports, x[r])

    @numba.njit(parallel=True, fastmath=True, nogil=True)
    def by_workers(L, b, held, reporting, sizes, scales, merge, reports, x):
        _, _, n, k = held.shape
        masked, total = np.empty((n, k, num_lanes), x.dtype), np.empty((n, k, num_lanes), x.dtype)
        updates, holders = np.empty(x.shape[1:], x.dtype), np.empty(x.shape[1], np.int64)
        for r in range(len(x)):
            for c in range(len(held)):
                for i in numba.prange(n):
                    if reporting[c, r, i]:
                        report(L[i], b[i], held[c, r, i], scales[0], x[r], masked[i], total[i])
                updates[:], holders[:] = 0, 0
                for i in range(n):
                    if reporting[c, r, i]:
                        add(total[i], held[c, r, i], updates, holders)
                combine(updates, holders, sizes[c], scales, merge, reports, x[r])

    return by_repetitions if over_repetitions else by_workers
