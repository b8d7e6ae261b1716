"""How fast a round can be: its cache lines at the speed at which this machine reads memory."""

from __future__ import annotations

import time

import numpy as np

CACHE_LINE = 64  # bytes


def bytes_of_round(n: int, d: int, item_bytes: int) -> float:
    """Expected bytes that a round of IST with `Permutation(n, d)` moves from memory, in whole cache lines.

    A worker reads q = d/n rows of its matrix; of the `d item_bytes / 64` lines of a row those that hold any of its q
    coordinates, each with probability `1 - (1 - q/d)^(64 / item_bytes)`.

    Example:
        >>> from istsim.benchmark import bytes_of_round
        >>> round(bytes_of_round(10, 1000, 8) / 1e6, 2)
        4.56
    """
    q, per_line = d / n, CACHE_LINE / item_bytes
    return n * q * (d / per_line) * (1 - (1 - q / d) ** per_line) * CACHE_LINE


def read_speed(size: int = 2**28, repeats: int = 5) -> float:
    """Bytes a second at which one core streams an array far larger than its caches: the best of several sums."""
    data = np.ones(size // 8)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        data.sum()
        times.append(time.perf_counter() - start)
    return size / min(times)
