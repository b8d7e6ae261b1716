from __future__ import annotations

import numpy as np


def permutation(length: int, seed: int, *stream: int) -> np.ndarray:
    """0 to length - 1 in a random order that depends on these numbers alone.

    It is made of a bit generator's raw output, which NumPy promises not to change: it makes no such promise for
    `Generator.permutation`, and a run may be resumed years later.
    """
    bits = np.random.Philox(np.random.SeedSequence(seed, spawn_key=stream)).random_raw(length)
    return np.argsort(bits, kind="stable")


def split(length: int, fraction: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Which examples are for training and which for testing: always the same, at least one for testing."""
    order, cut = permutation(length, 0), length - max(1, round(length * fraction))
    return order[:cut], order[cut:]
