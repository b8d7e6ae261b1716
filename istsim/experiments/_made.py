"""Figures and their data, made in several processes."""

from __future__ import annotations

import concurrent.futures
import ctypes
import itertools
import sys
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING

import jax

from istsim import figures
from istsim._cores import cores
from istsim._files import read_netcdf, write_netcdf
from istsim.experiments._experiment import Experiment
from istsim.experiments._gallery import EXPERIMENTS
from istsim.experiments._networks import PREDICTIONS, NetworkPrediction
from istsim.experiments._picture import Picture
from istsim.experiments._progress import Progress
from istsim.experiments._theorems import PICTURES
from istsim.sweeps._pool import CANNOT_START, ProcessPool, end_if_imported_by_one_of_us, starts

if TYPE_CHECKING:
    import xarray

    from istsim.studies import Study

_PROCESSES = 2  # More would be faster, but each holds programs and runs in memory.


Shown = Experiment | NetworkPrediction | Picture

SHOWN: tuple[Shown, ...] = (*EXPERIMENTS, *PREDICTIONS, *PICTURES)


def make(wanted: Sequence[Shown], out: Path, quick: bool, progress: Progress) -> None:
    """Measure, draw and write all, two at a time where there are two cores.

    Args:
        wanted: from `SHOWN`, by whose names processes find them.
        out: the folder to write to.
        quick: fewer repetitions.
        progress: is told when each begins and ends.

    Raises:
        RuntimeError: if processes cannot be started, or one of them dies.
    """
    count = min(_PROCESSES, len(cores()), len(wanted))
    if count < 2:
        for shown in wanted:
            progress.begin(shown.name, shown.seconds)
            write(out, shown, shown.measure(quick))
            progress.end(shown.name)
        return
    end_if_imported_by_one_of_us()
    try:
        with ProcessPool(count) as pool:
            # The longest first, so that no process waits long for the last.
            longest = sorted(wanted, key=lambda shown: -shown.seconds)
            tasks = {pool.submit(_make, shown.name, out, quick): shown for shown in longest}
            waiting = iter(longest)
            for shown in itertools.islice(waiting, count):
                progress.begin(shown.name, shown.seconds)
            try:
                for task in concurrent.futures.as_completed(tasks):
                    task.result()
                    progress.end(tasks[task].name)
                    for shown in itertools.islice(waiting, 1):
                        progress.begin(shown.name, shown.seconds)
            except Exception:
                pool.shutdown(cancel_futures=True)
                raise
    except BrokenProcessPool:
        why = "a process died, perhaps out of memory" if starts() else CANNOT_START
        raise RuntimeError(why) from None


def write(out: Path, shown: Shown | Study, data: xarray.Dataset) -> None:
    """The figure and its data: these first, because they take longer to come by."""
    *pictures, numbers = files(out, shown.name)
    write_netcdf(numbers, data)
    drawn = shown.figure(data)
    for path in pictures:
        figures.save(drawn, path)


def files(out: Path, name: str) -> list[Path]:
    """The files of what is shown by this name, the data last."""
    return [out / f"{name}.{suffix}" for suffix in ("svg", "png", "nc")]


def read(out: Path, name: str) -> xarray.Dataset:
    """The data that were written."""
    return read_netcdf(files(out, name)[-1])


def _make(name: str, out: Path, quick: bool) -> None:
    """In a process of its own."""
    shown = next(shown for shown in SHOWN if shown.name == name)
    write(out, shown, shown.measure(quick))
    _give_memory_back()


def _give_memory_back() -> None:
    """Programs of one figure are of no use to the next, and glibc keeps what is free: half of all memory."""
    jax.clear_caches()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
        if trim is not None:
            trim(0)
