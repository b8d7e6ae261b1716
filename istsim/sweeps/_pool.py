"""Processes of our own: one a core, each with that core to itself."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection, wait
from typing import Any

from istsim._cores import cores
from istsim._files import remove_unfinished
from istsim._interruption import starting_a_process

CANNOT_START = (
    "the processes end as they start. In a script, put what starts them under "
    "`if __name__ == '__main__':`, because each of them imports it"
)

_SECONDS_TO_END = 2.0


class ProcessPool(ProcessPoolExecutor):
    """Spawned processes, that end when this one does, however it ends, or leaves them by anything but an `Exception`.

    Forked ones would hang once JAX has started.
    """

    def __init__(self, size: int):
        context = multiprocessing.get_context("spawn")
        free = context.Queue()
        for core in cores()[:size]:
            free.put(core)
        # Nothing is ever sent. Nobody else holds the other end, so that it closes with this process.
        self._watched, self._alive = context.Pipe(duplex=False)
        super().__init__(size, mp_context=context, initializer=_begin, initargs=(free, self._watched))

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """What starts processes, as they are needed."""
        with starting_a_process():
            return super().submit(function, *arguments, **named)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        """Wait for what runs, unless all is to end now."""
        if kind is not None and not issubclass(kind, Exception):
            self._end()
        super().__exit__(kind, error, trace)

    def _end(self) -> None:
        processes = list((self._processes or {}).values())
        self._alive.close()
        latest = time.monotonic() + _SECONDS_TO_END
        for process in processes:  # those that are only just starting do not watch yet
            process.join(max(0.0, latest - time.monotonic()))
            process.kill()


def starts() -> bool:
    """Whether a process can be started: in a script without `if __name__ == "__main__":` none can."""
    try:
        with ProcessPool(1) as pool:
            pool.submit(os.getpid).result()
    except BrokenProcessPool:
        return False
    return True


def end_if_imported_by_one_of_us() -> None:
    """End a process that is only just importing the script it was started from; who started it says what to do."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        sys.exit(1)


def _begin(free: Any, alive: Connection) -> None:
    from tqdm import tqdm

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the process that started this one, which says so
    threading.Thread(target=_end_with, args=(alive,), daemon=True).start()
    # tqdm's own is known to all processes, and would be left behind.
    tqdm.set_lock(threading.RLock())
    _keep_to_one_core(free)


def _end_with(alive: Connection) -> None:
    """End this process when the one that started it is gone, which else would be waited for in vain."""
    wait([alive])
    remove_unfinished()
    os._exit(1)


def _keep_to_one_core(free: Any) -> None:
    """Else each process starts as many threads as there are cores, and they wait for each other."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {free.get()})
