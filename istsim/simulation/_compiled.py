"""Rounds of IST on a CPU by compiled loops, where numba is installed: the same runs as by JAX, to rounding.

Masks are drawn by JAX, a block of rounds at a time, so they are the same bits; metrics are computed by JAX too, while
the loops go on.

numba rather than a C++ extension: it comes as wheels for every platform, needs no compiler where istsim is installed,
and keeps what it has compiled on disk.
"""

from __future__ import annotations

import collections
import functools
import importlib.util
import itertools
import math
import weakref
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from istsim._cores import cores
from istsim._random import order_of, random_words, round_key
from istsim.methods import IST, Method
from istsim.methods._method import MERGES
from istsim.problems._dense import DenseHessians
from istsim.problems._diagonal import DiagonalHessians
from istsim.problems._factored import FactoredHessians
from istsim.problems._hessians import Hessians
from istsim.problems._quadratic import Quadratic
from istsim.problems._tridiagonal import TridiagonalHessians
from istsim.simulation._huge_pages import use_huge_pages
from istsim.simulation._metrics import metrics_of_errors
from istsim.simulation._run import Chunk, Run, Stretch, one_behind
from istsim.sketches._sketch import Sketch

# What is drawn at once, in bytes: enough rounds that dispatching them costs little.
_DRAW_BYTES = 4 * 2**20
_DRAW_ROUNDS = 512
# Blocks of rounds to come, prepared by one core at once: as much as stays in a cache.
_PREPARED_BYTES = 2**20
# Moving a row to a larger page costs about as much as so many reads from it then save.
_READS_PER_MOVE = 100
# Of each row, by all runs so far.
_reads: weakref.WeakKeyDictionary[Hessians, float] = weakref.WeakKeyDictionary()


def covers(problem: Quadratic, method: Method) -> bool:
    """Whether the loops can run it: IST without weights and noise, L_i of a structure they know, a CPU, numba."""
    return (
        importlib.util.find_spec("numba") is not None
        and jax.default_backend() == "cpu"
        and type(problem.hessians) in (DenseHessians, FactoredHessians, TridiagonalHessians, DiagonalHessians)
        and type(method) is IST  # a subclass may have a round of its own
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
    from istsim.simulation._kernels import advance

    problem, method = run.problem, cast(IST, run.method)
    hessians = problem.hessians
    parts = tuple(np.asarray(getattr(hessians, name)) for name in hessians.data_fields)
    _reads[hessians] = _reads.get(hessians, 0.0) + run.rounds * run.repetitions / problem.num_workers
    if _reads[hessians] > _READS_PER_MOVE:
        for part in parts:
            use_huge_pages(part)
    x = np.tile(np.asarray(run.x0), (run.repetitions, len(run.steps.sizes), 1))
    share = _share_rounds if _prepares_ahead(run) else _share_repetitions
    records = np.empty(0)
    with ThreadPoolExecutor(len(cores())) as pool:
        for block, drawn in one_behind(_drawn(run, pool)):
            stretch, length = block.stretch, run.rounds_of(block.stretch)
            since = block.first - stretch.first
            if since == 0:
                records = np.zeros((run.records_of_chunk, *x.shape), x.dtype)
            held, reporting = drawn.result()
            rounds = functools.partial(
                advance,
                parts=parts,
                b=np.asarray(problem.b),
                held=held,
                reporting=reporting,
                step_sizes=np.ascontiguousarray(run.steps.between(block.first, block.first + block.rounds)),
                scales=np.array([method.forward_scale, method.gradient_scale], x.dtype),
                merge=MERGES.index(method.merge),
                reports=method.num_reports(problem.num_workers),
                local_steps=method.local_steps,
                first=since,
                end=length,
                stride=stretch.stride,
                x=x,
                minimizer=np.asarray(problem.minimizer),
                records=records,
            )
            share(pool, rounds, parts, held)
            if since + block.rounds == length:
                yield Chunk(length, stretch.kept, _metrics(problem, jnp.asarray(records)), x)


def _prepares_ahead(run: Run) -> bool:
    """Whether cores are left over by the repetitions, and reading the L_i is most of the work.

    Rows of factors are contiguous: one core reads them as fast as the others draw masks and compute metrics.
    """
    dense, lists = type(run.problem.hessians) is DenseHessians, run.method.sketch_for(run.problem).size is not None
    return run.repetitions < len(cores()) and dense and lists


def _share_repetitions(pool: ThreadPoolExecutor, rounds: Any, parts: Any, held: np.ndarray) -> None:
    """Every core runs some of the repetitions."""
    from istsim.simulation._kernels import block_shape

    def some(repetitions: tuple[int, int]) -> None:
        block = np.empty((1, 1, 1, *block_shape(parts, held.shape[-1])), parts[0].dtype)
        rounds(repetitions, (0, len(held)), blocks=block, prepared=False)

    threads = min(len(cores()), held.shape[1])
    list(pool.map(some, itertools.pairwise(at * held.shape[1] // threads for at in range(threads + 1))))


def _share_rounds(pool: ThreadPoolExecutor, rounds: Any, parts: Any, held: np.ndarray) -> None:
    """One core multiplies; all others read the blocks of the rounds to come into the cache."""
    from istsim.simulation._kernels import block_shape, prepare

    shape = (*held.shape[1:3], *block_shape(parts, held.shape[-1]))
    each = max(1, _PREPARED_BYTES // (math.prod(shape) * parts[0].itemsize))
    buffers = itertools.cycle([np.empty((each, *shape), parts[0].dtype) for _ in range(len(cores()) + 1)])
    waiting = collections.deque()

    def multiply_next() -> None:
        some, blocks, done = waiting.popleft()
        done.result()
        rounds((0, held.shape[1]), some, blocks=blocks, prepared=True)

    for first in range(0, len(held), each):
        some, blocks = (first, min(first + each, len(held))), next(buffers)
        waiting.append((some, blocks, pool.submit(prepare, some, parts, held, blocks)))
        if len(waiting) > len(cores()):
            multiply_next()
    while waiting:
        multiply_next()


def _blocks(run: Run) -> Iterator[Block]:
    """All rounds, as many at once as are drawn at once."""
    sketch = run.method.sketch_for(run.problem)
    bytes_drawn = 8 * math.prod(sketch.order_shape) if sketch.order_shape else sketch.n * sketch.d
    most = max(1, min(_DRAW_ROUNDS, _DRAW_BYTES // (run.repetitions * bytes_drawn)))
    for stretch in run.stretches():
        end = stretch.first + run.rounds_of(stretch)
        for first in range(stretch.first, end, most):
            yield Block(stretch, first, min(most, end - first))


def _drawn(run: Run, pool: ThreadPoolExecutor) -> Iterator[tuple[Block, Future[Any]]]:
    """For each block who holds what, and who reports, as soon as they are known."""

    def ready(block: Block, drawn: Array, reporting: Array) -> tuple[np.ndarray, np.ndarray]:
        in_order = _in_order(run.method.sketch_for(run.problem), np.asarray(drawn)[: block.rounds])
        return in_order, np.asarray(reporting)[: block.rounds]

    repetitions, num_workers = jnp.arange(run.repetitions), run.problem.num_workers
    for block in _blocks(run):
        # A power of two at least, so that few lengths are compiled.
        count = 1 << (block.rounds - 1).bit_length()
        drawn = _draws(run.method, run.sketch_key, repetitions, block.first, count=count, num_workers=num_workers)
        yield block, pool.submit(ready, block, *drawn)


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


_metrics = jax.jit(metrics_of_errors)
