"""NumPy's matrix products by one thread each, for a time.

OpenBLAS, which NumPy's wheels bring, has threads of its own. They wait for the next product without sleeping, and so
take the cores from the threads of the loops.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

_PREFIXES, _SUFFIXES = ("scipy_openblas", "openblas"), ("64_", "")
_lock, _runs, _before = threading.Lock(), 0, 0


@contextlib.contextmanager
def one_thread_a_product() -> Iterator[None]:
    """Within it; nothing changes where NumPy has another library. Several threads may be in it at once."""
    global _runs, _before
    get, put = _function("get"), _function("set")
    if get is None or put is None:
        yield
        return
    with _lock:
        if _runs == 0:
            _before = get()
            put(1)
        _runs += 1
    try:
        yield
    finally:
        with _lock:
            _runs -= 1
            if _runs == 0:
                put(_before)


def _function(verb: str) -> Any:
    """OpenBLAS's function that gets or sets the number of threads; None if NumPy does not use it."""
    core: Any = getattr(np, "_core", None) or np.core  # the name before NumPy 2
    try:
        library = ctypes.CDLL(core._multiarray_umath.__file__)  # finds what NumPy itself is linked to
    except OSError:
        return None
    names = (f"{prefix}_{verb}_num_threads{suffix}" for prefix in _PREFIXES for suffix in _SUFFIXES)
    return next((getattr(library, name) for name in names if hasattr(library, name)), None)
