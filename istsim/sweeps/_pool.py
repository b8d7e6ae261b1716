"""Processes of our own: one a core, each with that core to itself."""

from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from istsim._cores import cores

CANNOT_START = (
    "the processes end as they start. In a script, put what starts them under "
    "`if __name__ == '__main__':`, because each of them imports it"
)


def process_pool(size: int) -> ProcessPoolExecutor:
    """That many processes. They are spawned: forked ones hang once JAX has started."""
    context = multiprocessing.get_context("spawn")
    free = context.Queue()
    for core in cores()[:size]:
        free.put(core)
    return ProcessPoolExecutor(size, mp_context=context, initializer=_keep_to_one_core, initargs=(free,))


def starts() -> bool:
    """Whether a process can be started: in a script without `if __name__ == "__main__":` none can."""
    try:
        with process_pool(1) as pool:
            pool.submit(os.getpid).result()
    except BrokenProcessPool:
        return False
    return True


def end_if_imported_by_one_of_us() -> None:
    """End a process that is only just importing the script it was started from; who started it says what to do."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        sys.exit(1)


def _keep_to_one_core(free: Any) -> None:
    """Else each process starts as many threads as there are cores, and they wait for each other."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {free.get()})
