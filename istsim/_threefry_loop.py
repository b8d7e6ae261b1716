"""The hash function threefry2x32 (Salmon et al., 2011), compiled by numba, as it is in JAX."""

# What is here is Python to numba only.
# pyright: basic, reportCallIssue=false

from __future__ import annotations

import inspect
from typing import Any

import numba
import numpy as np


def _compiled(function: Any) -> Any:
    # Without what checks types in the tests, which cannot be compiled.
    return numba.njit(inspect.unwrap(function), cache=True, nogil=True)


@_compiled
def _four_rounds(x0, x1, r0, r1, r2, r3):
    for rotation in (r0, r1, r2, r3):
        x0 = np.uint32(x0 + x1)
        x1 = np.uint32(np.uint32(x1 << rotation) | np.uint32(x1 >> np.uint32(32 - rotation)))
        x1 = np.uint32(x0 ^ x1)
    return x0, x1


@_compiled
def hash_pairs(keys, high, low, found):
    """Hash every pair of words by every key.

    Args:
        keys: (key, 2).
        high, low: (pair,), the words of each pair.
        found: (key, pair), where the hashes go, the first word in the high bits.
    """
    for r in range(len(keys)):
        k0, k1 = keys[r, 0], keys[r, 1]
        k2 = np.uint32(k0 ^ k1 ^ np.uint32(0x1BD11BDA))
        for i in range(len(low)):
            x0, x1 = np.uint32(high[i] + k0), np.uint32(low[i] + k1)
            x0, x1 = _four_rounds(x0, x1, 13, 15, 26, 6)
            x0, x1 = _four_rounds(np.uint32(x0 + k1), np.uint32(x1 + k2 + 1), 17, 29, 16, 24)
            x0, x1 = _four_rounds(np.uint32(x0 + k2), np.uint32(x1 + k0 + 2), 13, 15, 26, 6)
            x0, x1 = _four_rounds(np.uint32(x0 + k0), np.uint32(x1 + k1 + 3), 17, 29, 16, 24)
            x0, x1 = _four_rounds(np.uint32(x0 + k1), np.uint32(x1 + k2 + 4), 13, 15, 26, 6)
            x0, x1 = np.uint32(x0 + k2), np.uint32(x1 + k0 + 5)
            found[r, i] = (np.uint64(x0) << np.uint64(32)) | np.uint64(x1)
