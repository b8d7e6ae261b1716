"""Rounds of IST on a CPU by compiled loops, where numba is installed: the same runs as by JAX, to rounding.

Masks are drawn by NumPy and a loop, the same bits as by JAX, a block of rounds at a time; metrics are NumPy's as well.
XLA compiles nothing, so that a first run takes no longer than numba takes to load its loops. Masks and metrics are of
their own threads, while the loops go on.

numba rather than a C++ extension: it comes as wheels for every platform, needs no compiler where istsim is installed,
and keeps what it has compiled on disk.
"""

from __future__ import annotations

import collections
import functools
import itertools
import math
import weakref
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, cast

import jax
import numpy as np

from istsim._cores import cores
from istsim._loops import why_not
from istsim._random import stream
from istsim._threefry import Threefry
from istsim.methods import IST, Method
from istsim.methods._method import MERGES
from istsim.problems._dense import DenseHessians
from istsim.problems._diagonal import DiagonalHessians
from istsim.problems._factored import FactoredHessians
from istsim.problems._hessians import Hessians
from istsim.problems._quadratic import Quadratic
from istsim.problems._tridiagonal import TridiagonalHessians
from istsim.simulation import _draws
from istsim.simulation._blas import one_thread_a_product
from istsim.simulation._huge_pages import use_huge_pages
from istsim.simulation._metrics import METRICS, metrics_by_numpy
from istsim.simulation._run import Chunk, Run, Stretch, one_behind
from istsim.sketches._drawn import check_distinct, check_range
from istsim.sketches._sketch import Sketch, is_own, needs_jax

# What is drawn at once, in bytes: enough rounds that dispatching them costs little.
_DRAW_BYTES = 4 * 2**20
_DRAW_ROUNDS = 512
# Blocks of rounds to come, prepared by one core at once: as much as stays in a cache.
_PREPARED_BYTES = 2**20
# Pieces of work for each core: so many that all end at about the same time.
_PIECES = 4
# Points whose metrics are computed by one product: enough for it to be fast, few enough to stay in a cache.
_PIECE_POINTS = 256
# Moving a row to a larger page costs about as much as so many reads from it then save.
_READS_PER_MOVE = 100
# Of each row, by all runs so far.
_reads: weakref.WeakKeyDictionary[Hessians, float] = weakref.WeakKeyDictionary()


def covers(problem: Quadratic, method: Method) -> bool:
    """Whether the loops can run it: IST without weights and noise, L_i of a structure they know, a CPU, numba."""
    return (
        jax.default_backend() == "cpu"
        and type(problem.hessians) in (DenseHessians, FactoredHessians, TridiagonalHessians, DiagonalHessians)
        and type(method) is IST  # a subclass may have a round of its own
        and method.noise is None
        and method.weights is None
        and not why_not()  # last, as it takes time to find out
    )


class Block(NamedTuple):
    """Rounds drawn at once: the stretch they belong to, the first of them, how many."""

    stretch: Stretch
    first: int
    rounds: int


def chunks(run: Run) -> Iterator[Chunk]:
    """The run, chunk by chunk."""
    with one_thread_a_product(), ThreadPoolExecutor(len(cores())) as pool:
        start = np.broadcast_to(run.x0 - np.asarray(run.problem.minimizer), (1, *run.trajectories, run.problem.dim))
        yield Chunk(0, 1, metrics_by_numpy(run.problem, start), None)
        # The metrics of a chunk are computed while the loops run the next one.
        for rounds, kept, parts, x in one_behind(_advanced(run, pool)):
            found = [part.result() for part in parts]
            yield Chunk(rounds, kept, {name: np.concatenate([each[name] for each in found]) for name in METRICS}, x)


def _advanced(run: Run, pool: ThreadPoolExecutor) -> Iterator[tuple[int, int, list[Future[Any]], np.ndarray]]:
    """For each chunk its rounds, how many records count, their metrics, and the iterates after it."""
    from istsim.simulation._kernels import advance

    problem, method = run.problem, cast(IST, run.method)
    hessians = problem.hessians
    parts = tuple(_read_only(getattr(hessians, name)) for name in hessians.data_fields)
    _reads[hessians] = _reads.get(hessians, 0.0) + run.rounds * run.repetitions / problem.num_workers
    if _reads[hessians] > _READS_PER_MOVE:
        for part in parts:
            use_huge_pages(part)
    x = np.tile(run.x0, (*run.trajectories, 1))
    share = _share_rounds if _prepares_ahead(run) else _share_repetitions
    # Two, as the metrics of one are computed while the next is filled.
    buffers = itertools.cycle([np.empty((run.records_of_chunk, *x.shape), x.dtype) for _ in range(2)])
    records = next(buffers)
    for block, drawn in one_behind(_drawn(run, pool)):
        stretch, length = block.stretch, run.rounds_of(block.stretch)
        since = block.first - stretch.first
        if since == 0:
            records = next(buffers)
        held, reporting = drawn.result()
        rounds = functools.partial(
            advance,
            parts=parts,
            b=_read_only(problem.b),
            held=held,
            reporting=reporting,
            step_sizes=np.array(run.steps.between(block.first, block.first + block.rounds), order="C"),
            scales=np.array([method.forward_scale, method.gradient_scale], x.dtype),
            merge=MERGES.index(method.merge),
            reports=method.num_reports(problem.num_workers),
            local_steps=method.local_steps,
            first=since,
            end=length,
            stride=stretch.stride,
            x=x,
            minimizer=_read_only(problem.minimizer),
            records=records,
        )
        share(pool, rounds, parts, held)
        if since + block.rounds == length:
            recorded = records[: -(-length // stretch.stride)]
            most = max(1, _PIECE_POINTS // math.prod(run.trajectories))
            pieces = [recorded[first : first + most] for first in range(0, len(recorded), most)]
            metrics = [pool.submit(metrics_by_numpy, problem, piece) for piece in pieces]
            yield length, stretch.kept, metrics, x


def _read_only(array: Any) -> np.ndarray:
    """The array in the one form for which the loops are compiled, be it NumPy's or JAX's, whose are read-only."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


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
        rounds(repetitions, (0, held.shape[1]), blocks=block, prepared=False)

    pieces = min(_PIECES * len(cores()), len(held))
    list(pool.map(some, itertools.pairwise(at * len(held) // pieces for at in range(pieces + 1))))


def _share_rounds(pool: ThreadPoolExecutor, rounds: Any, parts: Any, held: np.ndarray) -> None:
    """One core multiplies; all others read the blocks of the rounds to come into the cache."""
    from istsim.simulation._kernels import block_shape, prepare

    repetitions, num_rounds, num_workers, width = held.shape
    shape = (repetitions, num_workers, *block_shape(parts, width))
    each = max(1, _PREPARED_BYTES // (math.prod(shape) * parts[0].itemsize))
    buffers = itertools.cycle([np.empty((each, *shape), parts[0].dtype) for _ in range(len(cores()) + 1)])
    waiting = collections.deque()

    def multiply_next() -> None:
        some, blocks, done = waiting.popleft()
        done.result()
        rounds((0, repetitions), some, blocks=blocks, prepared=True)

    for first in range(0, num_rounds, each):
        some, blocks = (first, min(first + each, num_rounds)), next(buffers)
        waiting.append((some, blocks, pool.submit(prepare, some, parts, held, blocks)))
        if len(waiting) > len(cores()):
            multiply_next()
    while waiting:
        multiply_next()


def _blocks(run: Run) -> Iterator[Block]:
    """All rounds, as many at once as are drawn at once."""
    sketch = run.method.sketch_for(run.problem)
    numbers = math.prod(sketch.order_shape or (sketch.n, sketch.d))
    most = max(1, min(_DRAW_ROUNDS, _DRAW_BYTES // (8 * run.repetitions * numbers)))
    for stretch in run.stretches():
        end = stretch.first + run.rounds_of(stretch)
        for first in range(stretch.first, end, most):
            yield Block(stretch, first, min(most, end - first))


def _drawn(run: Run, pool: ThreadPoolExecutor) -> Iterator[tuple[Block, Future[tuple[np.ndarray, np.ndarray]]]]:
    """For each block who holds what, and who reports, as soon as they are known."""
    sketch, num_workers = run.method.sketch_for(run.problem), run.problem.num_workers
    words = None if needs_jax(sketch) else Threefry.of(run.key)
    sketch_key = stream(run.key if words is None else words, "sketch")

    def ready(held: Any, reporting: Any, rounds: int) -> tuple[np.ndarray, np.ndarray]:
        return _in_order(*_draws.as_numpy(held, reporting, rounds), sketch)

    for block in _blocks(run):
        what = cast(IST, run.method), sketch_key, run.repetitions, block.first, block.rounds, num_workers
        if words is None:  # by this thread, as JAX's settings may be those of a thread
            yield block, pool.submit(ready, *_draws.by_jax(*what), block.rounds)
        else:
            yield block, pool.submit(lambda what: _in_order(*_draws.by_numpy(*what), sketch), what)


def _in_order(held: np.ndarray, reporting: np.ndarray, sketch: Sketch) -> tuple[np.ndarray, np.ndarray]:
    """The same with lists in order: rows and columns are then read as they lie in memory.

    The loops ask for nothing, so the lists of a user's own sketch are all checked.
    """
    from istsim.simulation._kernels import put_in_order

    if held.dtype != bool:
        own = is_own(sketch)
        if own:
            check_range(sketch, held)
        put_in_order(held, np.zeros(-(-sketch.d // 64), np.uint64))
        if own:
            check_distinct(sketch, held)
    return held, reporting
