from __future__ import annotations

import contextlib
import functools
import itertools
import sys
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from istsim._cores import cores
from istsim._validation import file_path, instance_of
from istsim.simulation._metrics import METRICS
from istsim.sweeps._cell import Cell, identity_of, method_of, problem_of, run_cell, seconds_of
from istsim.sweeps._commit import commit
from istsim.sweeps._grid import Grid
from istsim.sweeps._identity import content
from istsim.sweeps._pool import CANNOT_START, ProcessPool, end_if_imported_by_one_of_us, starts
from istsim.sweeps._store import Store
from istsim.sweeps._swept import Swept, assemble
from istsim.sweeps._table import failures

if TYPE_CHECKING:
    import xarray

# Of an executor that does not tell its size: enough for a cluster, not so many that arguments fill the memory.
_WAITING = 256
_RETURNED = "The sweep goes on and returns all its results; the next call runs again what is not stored"

Place = tuple[int, ...]  # on the axes of a grid


class Planned(NamedTuple):
    """A cell that can be run, and its name in the store."""

    cell: Cell
    name: str
    config: str


def sweep(
    grid: Grid,
    *,
    store: str | Path,
    executor: Executor | None = None,
    names: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> Swept:
    """Run all cells of a grid, each stored as soon as it has ended; a sweep that was killed goes on where it was.

    A cell is one call of `simulate` with all step sizes. What it is stored under depends on all that decides its
    numbers: the content of problem and method, a user's own classes included, and the run. Nothing is computed twice,
    and nothing that has changed is taken from the store. A cell that fails is recorded with its reason, and tried again
    by the next call; the others go on. A store that cannot be written to, being full or gone, ends nothing either: that
    is told, and what was computed is returned.

    Args:
        grid: what to run.
        store: folder of the results; made if missing. Several grids and several processes may share one.
        executor: any `concurrent.futures.Executor` but one that forks: what runs the cells. None for one new process a
            core; scripts that start processes need `if __name__ == "__main__":`.
        names: problems, sketches and methods of your own, or functions that make them, by the names that stand for
            them in the grid.
        progress: before the start, print size and estimated time to standard error; then show a progress bar; at the
            end say which combinations failed, and why. That cells could not be stored is a warning without it.

    Returns:
        A `Swept`: the results as one dataset, the best step sizes, rates, and a figure.

    Raises:
        ValueError: for text in the grid that cannot be read, a problem that cannot be made, or an executor that forks.
        OSError: for a store that is no folder and cannot be made one.
        RuntimeError: if your executor breaks, or no process can be started; what has ended is stored.

    Example:
        >>> import concurrent.futures, tempfile, istsim
        >>> grid = istsim.Grid(problems=["real_quadratic('diabetes', 5)"], step_sizes=[0.05, 0.1, 0.2], rounds=50,
        ...                    sketches=["Permutation", "RandK(k=2)"], repetitions=20, record_every=50)
        >>> with tempfile.TemporaryDirectory() as store, concurrent.futures.ThreadPoolExecutor(1) as executor:
        ...     swept = istsim.sweep(grid, store=store, executor=executor, progress=False)
        >>> {name: size for name, size in swept.dataset.sizes.items() if size > 1}
        {'sketch': 2, 'step_size': 3, 'repetition': 20, 'round': 2}
    """
    import cloudpickle

    instance_of("grid", grid, Grid, "an istsim.Grid")
    if names is not None and not (isinstance(names, Mapping) and all(isinstance(name, str) for name in names)):
        raise ValueError(f"names must map the names in the grid to what they stand for, got {names!r}")
    store = file_path("store", store)
    if executor is None:
        end_if_imported_by_one_of_us()
    elif isinstance(executor, type) or not callable(getattr(executor, "submit", None)):
        raise ValueError(f"executor must be one of concurrent.futures, or None, got {executor!r}")
    else:
        _refuse_forks(executor)
    names = dict(names or {})
    planned, reasons = _plan(grid, names)
    folder = Store(store)  # made only for a grid that can be read
    by_name = {one.name: one for one in planned.values()}
    missing = [one for name, one in by_name.items() if name not in folder]
    tell = functools.partial(print, file=sys.stderr) if progress else None
    if tell:
        tell(_size(grid, len(by_name), len(missing)))
    saved = _Saved(folder, grid, _above_the_bar if progress else functools.partial(warnings.warn, stacklevel=3))

    def outcomes() -> Generator[tuple[Planned, xarray.Dataset | str], None, None]:
        to_run = {one.name for one in missing}
        for one in by_name.values():
            if one.name not in to_run:
                yield one, saved.load(one)
        # Closed here and not when it is collected: an interruption ends the processes before anything else is done.
        closing = contextlib.closing(_outcomes(missing, folder, executor, cloudpickle.dumps(names), tell))
        with _progress_bar(len(by_name), len(by_name) - len(missing), progress) as bar, closing as new:
            for one, outcome in new:
                if outcome is None:
                    yield one, saved.load(one)
                elif isinstance(outcome, str):
                    yield one, outcome
                else:
                    saved.save(one, outcome)
                    yield one, outcome
                bar.update()

    places: dict[str, list[Place]] = {}
    for place, one in planned.items():
        places.setdefault(one.name, []).append(place)
    with contextlib.closing(outcomes()) as found:
        every = ((place, outcome) for one, outcome in found for place in places[one.name])
        dataset = assemble(grid, itertools.chain(reasons.items(), every))
    swept = Swept(grid=grid, dataset=dataset, names=names, unstored=saved.count_missing())
    if tell:
        for line in failures(swept):
            tell(line)
    return swept


class _Saved:
    """What becomes of the cells in a store that may fail: each loss is told once."""

    def __init__(self, store: Store, grid: Grid, tell: Callable[[str], None]):
        self._store, self._grid, self._tell = store, grid, tell
        self._run: list[str] = []
        self._refused = False

    def load(self, one: Planned) -> xarray.Dataset:
        return self._store.load(one.name, one.config, _shapes(self._grid))

    def save(self, one: Planned, data: xarray.Dataset) -> None:
        data.attrs |= {"config": one.config, "config_hash": one.name, "commit": commit()}
        self._run.append(one.name)
        try:
            self._store.save(one.name, data)
        except OSError as error:
            if not self._refused:
                self._tell(f"{error}. {_RETURNED}")
            self._refused = True

    def count_missing(self) -> int:
        """How many cells of those that were run are not in the store."""
        missing = sum(name not in self._store for name in self._run)
        if missing and not self._refused:
            self._tell(f"{missing} of {len(self._run)} cells were removed from {self._store.folder}. {_RETURNED}")
        return missing


def _refuse_forks(executor: Executor) -> None:
    context = getattr(executor, "_mp_context", None)
    if isinstance(executor, ProcessPoolExecutor) and context is not None and context.get_start_method() == "fork":
        raise ValueError(
            "executor must not fork its processes, which hang once JAX has started: give it another context, "
            "ProcessPoolExecutor(mp_context=multiprocessing.get_context('spawn')), or 'forkserver'; or give no executor"
        )


def _plan(grid: Grid, names: Mapping[str, Any]) -> tuple[dict[Place, Planned], dict[Place, str]]:
    """The cells to run, by their places; and why the others cannot be."""
    planned, reasons = {}, {}
    axes = {name: tuple(enumerate(choices)) for name, choices in grid.axes.items()}
    for at, text in axes["problem"]:
        problem = problem_of(text, names)
        problem_content = content(problem)
        for numbered in itertools.product(*({**axes, "problem": ((at, text),)}).values()):
            place, choice = zip(*numbered, strict=True)
            cell = Cell.of(grid, choice)
            try:
                method = method_of(cell, problem.num_workers, problem.dim, names)
                method.sketch_for(problem)
            except ValueError as error:
                reasons[place] = str(error)
                continue
            planned[place] = Planned(cell, *identity_of(cell, problem_content, method))
    return planned, reasons


def _outcomes(
    missing: list[Planned],
    store: Store,
    executor: Executor | None,
    packed_names: bytes,
    tell: Callable[[str], None] | None,
) -> Generator[tuple[Planned, xarray.Dataset | str | None], None, None]:
    """For each cell its dataset, or why it failed, or None if another process was faster."""
    if not missing:
        return
    if executor is not None:
        try:
            if tell:
                tell(_time_left(missing, executor, packed_names))
            yield from _run(missing, store, executor, packed_names)
        except BrokenProcessPool:
            raise RuntimeError("the executor broke: one of its processes died. What has ended is stored") from None
        return
    left = {one.name: one for one in missing}
    try:
        with ProcessPool(min(len(cores()), len(left))) as pool:
            if tell:
                tell(_time_left(missing, pool, packed_names))
            for one, outcome in _run(missing, store, pool, packed_names):
                del left[one.name]
                yield one, outcome
    except BrokenProcessPool:
        if not starts():
            raise RuntimeError(CANNOT_START) from None
        # One of the cells took its process with it, and so all that waited. Each alone, they show which.
        for one in left.values():
            try:
                with ProcessPool(1) as pool:
                    yield from _run([one], store, pool, packed_names)
            except BrokenProcessPool:
                yield one, "its process died, perhaps out of memory"


def _run(
    cells: list[Planned], store: Store, executor: Executor, packed: bytes
) -> Iterator[tuple[Planned, xarray.Dataset | str | None]]:
    """As `_outcomes`, in the order in which they end."""
    waiting: dict[Future[xarray.Dataset], Planned] = {}
    most = 2 * getattr(executor, "_max_workers", _WAITING // 2)
    upcoming = iter(cells)
    try:
        while True:
            while len(waiting) < most and (one := next(upcoming, None)) is not None:
                if one.name in store:
                    yield one, None
                else:
                    waiting[executor.submit(run_cell, one.cell, packed)] = one
            if not waiting:
                return
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                one = waiting.pop(future)
                yield one, _outcome(future)
    finally:
        for future in waiting:
            future.cancel()


def _outcome(future: Future[xarray.Dataset]) -> xarray.Dataset | str:
    try:
        return future.result()
    except BrokenProcessPool:
        raise
    except Exception as error:  # whatever a user's own code may raise
        return f"{type(error).__name__}: {error}"


def _shapes(grid: Grid) -> dict[str, tuple[int, ...]]:
    """Of what a cell holds."""
    runs = (len(grid.step_sizes), grid.repetitions)
    return {**dict.fromkeys(METRICS, (*runs, grid.num_records)), "status": runs}


def _size(grid: Grid, cells: int, missing: int) -> str:
    trajectories = len(grid.step_sizes) * grid.repetitions
    size = 8 * len(METRICS) * trajectories * grid.num_records * cells
    return (
        f"{cells} cells of {trajectories} trajectories with {grid.rounds} rounds: {_bytes(size)}; "
        f"{cells - missing} are stored."
    )


def _time_left(missing: list[Planned], executor: Executor, packed_names: bytes) -> str:
    """Estimated where the cells will run, by some rounds of the first one of each problem."""
    first = {one.cell.problem: one.cell for one in reversed(missing)}
    futures = {text: executor.submit(seconds_of, cell, packed_names) for text, cell in first.items()}
    try:
        seconds = sum(futures[one.cell.problem].result() for one in missing)
    except BrokenProcessPool:
        raise
    except Exception:  # the cell itself will say why
        return "The time they take could not be estimated."
    workers = min(getattr(executor, "_max_workers", 1), len(missing))
    return f"The {len(missing)} to run take about {_duration(seconds / workers)}, {workers} at a time."


def _progress_bar(cells: int, done: int, shown: bool) -> Any:
    from tqdm.auto import tqdm

    # Drawn with the first cell: what is told before has a line of its own.
    return tqdm(total=cells, initial=done, unit=" cells", disable=not shown, delay=1e-3)


def _above_the_bar(line: str) -> None:
    from tqdm.auto import tqdm

    tqdm.write(line, file=sys.stderr)


def _bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
