"""Processes of our own: one a core, each with that core to itself."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from typing import Any


def num_cores() -> int:
    """As many as this process may use."""
    return len(_cores()) or os.cpu_count() or 1


def process_pool(size: int) -> ProcessPoolExecutor:
    """That many processes. They are spawned: forked ones hang once JAX has started."""
    context = multiprocessing.get_context("spawn")
    cores = context.Queue()
    for core in _cores()[:size]:
        cores.put(core)
    return ProcessPoolExecutor(size, mp_context=context, initializer=_keep_to_one_core, initargs=(cores,))


def _keep_to_one_core(cores: Any) -> None:
    """Else each process starts as many threads as there are cores, and they wait for each other."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {cores.get()})


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
