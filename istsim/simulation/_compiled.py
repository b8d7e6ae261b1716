"""Rounds of IST on a CPU by compiled loops, where numba is installed: the same runs as by JAX, to rounding.

Masks are drawn by JAX, a block of rounds at a time, so they are the same bits; metrics are computed by JAX too, while
the loops go on. Threads share the repetitions.

numba rather than a C++ extension: it comes as wheels for every platform, needs no compiler where istsim is installed,
and keeps what it has compiled on disk.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from istsim._random import order_of, random_words, round_key
from istsim.methods import IST, Method
from istsim.methods._method import MERGES
from istsim.problems._dense import DenseHessians
from istsim.problems._diagonal import DiagonalHessians
from istsim.problems._factored import FactoredHessians
from istsim.problems._quadratic import Quadratic
from istsim.problems._tridiagonal import TridiagonalHessians
from istsim.simulation._huge_pages import use_huge_pages
from istsim.simulation._metrics import metrics
from istsim.simulation._run import Chunk, Run, Stretch, one_behind
from istsim.sketches._sketch import Sketch

# What is drawn at once, in bytes: enough rounds that dispatching them costs little.
_DRAW_BYTES = 4 * 2**20
_DRAW_ROUNDS = 256
# Moving a row to a larger page costs about as much as so many reads from it then save.
_READS_PER_MOVE = 100


def covers(problem: Quadratic, method: Method) -> bool:
    """Whether the loops can run it: IST without weights and noise, L_i of a structure they know, a CPU, numba."""
    return (
        importlib.util.find_spec("numba") is not None
        and jax.default_backend() == "cpu"
        and type(problem.hessians) in (DenseHessians, FactoredHessians, TridiagonalHessians, DiagonalHessians)
        and isinstance(method, IST)
        and method.noise is None
        and method.weights is None
    )


class Block(NamedTuple):
    """Rounds drawn at once: the stretch they belong to, the first of them, how many."""

    stretch: Stretch
    first: int
    rounds: int


def chunks(run: Run) -> Iterator[Chunk]:
    """The run, chunk by chunk."""
    from istsim.simulation._kernels import advance, block_shape

    problem, method = run.problem, cast(IST, run.method)
    hessians = problem.hessians
    parts = tuple(np.asarray(getattr(hessians, name)) for name in hessians.data_fields)
    if run.rounds * run.repetitions > _READS_PER_MOVE * problem.num_workers:
        for part in parts:
            use_huge_pages(part)
    b = np.asarray(problem.b)
    x = np.tile(np.asarray(run.x0), (run.repetitions, len(run.steps.sizes), 1))
    scales = np.array([method.forward_scale, method.gradient_scale], x.dtype)
    merge, reports = MERGES.index(method.merge), method.num_reports(problem.num_workers)
    threads = min(os.cpu_count() or 1, run.repetitions)
    bounds = [at * run.repetitions // threads for at in range(threads + 1)]
    records = np.empty(0)
    with ThreadPoolExecutor(threads) as pool:
        for block, drawn, reporting in one_behind(_drawn(run, _blocks(run))):
            stretch, length = block.stretch, run.rounds_of(block.stretch)
            since = block.first - stretch.first
            if since == 0:
                records = np.zeros((run.records_of_chunk, *x.shape), x.dtype)
            held = _in_order(method.sketch, np.asarray(drawn)[: block.rounds])
            rounds = functools.partial(
                advance,
                parts=parts,
                b=b,
                held=held,
                reporting=np.asarray(reporting)[: block.rounds],
                step_sizes=np.ascontiguousarray(run.steps.between(block.first, block.first + block.rounds)),
                scales=scales,
                merge=merge,
                reports=reports,
                local_steps=method.local_steps,
                shape=block_shape(parts, held.shape[-1]),
                first=since,
                end=length,
                stride=stretch.stride,
                x=x,
                records=records,
            )
            list(pool.map(rounds, itertools.pairwise(bounds)))
            if since + block.rounds == length:
                yield Chunk(length, stretch.kept, _metrics(problem, jnp.asarray(records)), x)


def _blocks(run: Run) -> Iterator[Block]:
    """All rounds, as many at once as are drawn at once."""
    sketch = run.method.sketch_for(run.problem)
    bytes_drawn = 8 * math.prod(sketch.order_shape) if sketch.order_shape else sketch.n * sketch.d
    most = max(1, min(_DRAW_ROUNDS, _DRAW_BYTES // (run.repetitions * bytes_drawn)))
    for stretch in run.stretches():
        end = stretch.first + run.rounds_of(stretch)
        for first in range(stretch.first, end, most):
            yield Block(stretch, first, min(most, end - first))


def _drawn(run: Run, blocks: Iterator[Block]) -> Iterator[tuple[Block, Array, Array]]:
    for block in blocks:
        # A power of two at least, so that few lengths are compiled.
        count = 1 << (block.rounds - 1).bit_length()
        yield (
            block,
            *_draws(
                run.method,
                run.sketch_key,
                jnp.arange(run.repetitions),
                block.first,
                count=count,
                num_workers=run.problem.num_workers,
            ),
        )


@functools.partial(jax.jit, static_argnames=("count", "num_workers"))
def _draws(
    method: IST, sketch_key: Array, repetitions: Int[Array, " repetition"], start: Any, *, count: int, num_workers: int
) -> tuple[Array, Bool[Array, "round repetition n"]]:
    """Who holds what, and who reports, in so many rounds of all repetitions; see `_in_order`."""

    def of_round(round_index, repetition):
        key = round_key(sketch_key, repetition, round_index)
        draws = method.draw(key, num_workers)
        reporting = jnp.ones(num_workers, bool) if draws.reporting is None else draws.reporting
        shape = method.sketch.order_shape
        return draws.held if shape is None else random_words(key, shape), reporting

    rounds = start + jnp.arange(count)
    return jax.vmap(jax.vmap(of_round, (None, 0)), (0, None))(rounds, repetitions)


def _in_order(sketch: Sketch, drawn: np.ndarray) -> Int[np.ndarray, "*rounds n k"] | Bool[np.ndarray, "*rounds n d"]:
    """Masks, or lists of coordinates in order: rows and columns are then read as they lie in memory.

    Where the lists are cut from random orders, the words are sorted here: NumPy does it several times faster than XLA.
    """
    if drawn.dtype == bool:
        return drawn
    held = drawn if sketch.order_shape is None else sketch.cut(order_of(np.sort(drawn, axis=-1)))
    return np.sort(held, axis=-1)


_metrics = jax.jit(metrics)
