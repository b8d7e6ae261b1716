from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator

import numpy as np

from istsim._random import random_order
from istsim.sketches._sketch import FixedSizeSketch, check_outcome_count, falling_ratio


@dataclasses.dataclass(frozen=True)
class Permutation(FixedSizeSketch):
    """A uniform random permutation of the coordinates, cut into n blocks of q = d/n: "Perm-q".

    Every coordinate is held by exactly one worker (Shulgin and Richtarik, arXiv 2306.16484,
    Definition 2).

    Args:
        n: number of workers.
        d: number of coordinates, a multiple of n.

    Raises:
        ValueError: if n does not divide d.

    Example:
        >>> import jax, istsim
        >>> sketch = istsim.Permutation(2, 4)
        >>> sketch.sample(jax.random.key(0)).sum(axis=0).tolist()  # one holder each
        [1, 1, 1, 1]
        >>> sketch.inclusion_probability(1)
        0.5
    """

    def __post_init__(self):
        super().__post_init__()
        if self.d % self.n:
            raise ValueError(f"Permutation needs a number of coordinates that n = {self.n} divides, got d = {self.d}")

    @property
    def size(self):
        """The block size q = d/n."""
        return self.d // self.n

    def sample_indices(self, key):
        """The blocks of one random permutation, shape (n, q)."""
        return random_order(key, (self.d,)).reshape(self.n, self.size)

    def inclusion_probability(self, size):
        """`q (q-1) ... / (d (d-1) ...)`, `size` factors each."""
        return falling_ratio(self.size, self.d, size)

    def joint_probability(self, left, right, shared):
        """0 if a coordinate would be held twice, else falling factorials: `q^(left) q^(right) / d^(left+right)`."""
        if shared > 0 or left > self.size or right > self.size or left + right > self.d:
            return 0.0
        ways = math.perm(self.size, left) * math.perm(self.size, right)
        return ways / math.perm(self.d, left + right)

    def outcomes(self):
        """Every way to deal q coordinates to each worker, all equally likely."""
        count = math.factorial(self.d) // math.factorial(self.size) ** self.n
        check_outcome_count(self, count)
        for blocks in _deals(frozenset(range(self.d)), self.size):
            mask = np.zeros((self.n, self.d), bool)
            for worker, block in enumerate(blocks):
                mask[worker, list(block)] = True
            yield mask, 1.0 / count


def _deals(coordinates: frozenset[int], size: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    if not coordinates:
        yield ()
        return
    for block in itertools.combinations(sorted(coordinates), size):
        for rest in _deals(coordinates - set(block), size):
            yield (block, *rest)
