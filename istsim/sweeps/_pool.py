"""Processes of our own: one a core, each with that core to itself."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from istsim._cores import cores


def process_pool(size: int) -> ProcessPoolExecutor:
    """That many processes. They are spawned: forked ones hang once JAX has started."""
    context = multiprocessing.get_context("spawn")
    free = context.Queue()
    for core in cores()[:size]:
        free.put(core)
    return ProcessPoolExecutor(size, mp_context=context, initializer=_keep_to_one_core, initargs=(free,))


def _keep_to_one_core(free: Any) -> None:
    """Else each process starts as many threads as there are cores, and they wait for each other."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {free.get()})
