"""How fast a round can be: its cache lines at the speed at which this machine reads memory."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from istsim.benchmark._workload import Workload

READ_BYTES = 2**28
_CACHE_LINE = 64  # bytes


def bytes_of_round(workload: Workload) -> float:
    """Expected bytes of the L_i that a round of one trajectory moves from memory, in whole cache lines.

    Of a row of d items, of which a worker needs q at random, those lines are read that hold any: each with probability
    `1 - (1 - q/d)^(items in a line)`. Dense L_i have q such rows a worker; factored ones q contiguous rows of m items;
    tridiagonal ones two, the diagonal and what is beside it.

    Example:
        >>> from istsim.benchmark import Workload, bytes_of_round
        >>> round(bytes_of_round(Workload(10, 1000)) / 1e6, 2)
        4.56
    """
    n, d, items = workload.n, workload.d, np.dtype(workload.dtype).itemsize
    q, in_line = d / n, _CACHE_LINE / items
    row = d / in_line * (1 - (1 - q / d) ** in_line) * _CACHE_LINE
    return n * {"dense": q * row, "factored": q * workload.rank * items, "tridiagonal": 2 * row}[workload.structure]


def reading() -> Callable[[int], object]:
    """Streams `READ_BYTES` so many times, by one core or the accelerator: far more than its caches hold."""
    if jax.default_backend() == "cpu":
        data = np.ones(READ_BYTES // 8)
        return lambda times: [data.sum() for _ in range(times)]
    on_device, total = jnp.ones(READ_BYTES // 4, jnp.float32), jax.jit(jnp.sum)
    return lambda times: jax.block_until_ready([total(on_device) for _ in range(times)])
