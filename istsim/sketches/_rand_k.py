from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np

from istsim._validation import positive_int
from istsim.sketches._sketch import Sketch, check_outcome_count, falling_ratio


@dataclasses.dataclass(frozen=True)
class RandK(Sketch):
    """Every worker draws k coordinates uniformly, independently of the others.

    Source: Shulgin and Richtarik, arXiv 2306.16484, equation (4) of version 1.

    Args:
        n: number of workers.
        d: number of coordinates.
        k: coordinates a worker, from 1 to d.

    Raises:
        ValueError: if k lies outside 1..d.

    Example:
        >>> import jax, istsim
        >>> istsim.RandK(3, 5, 2).sample(jax.random.key(0)).sum(axis=1).tolist()
        [2, 2, 2]
    """

    k: int

    @property
    def independent_workers(self):
        """They are."""
        return True

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "k", positive_int("k", self.k))
        if self.k > self.d:
            raise ValueError(f"k must be at most d = {self.d}, got {self.k}")

    @property
    def size(self):
        """The number of coordinates a worker draws, k."""
        return self.k

    @property
    def order_shape(self):
        """One order of all coordinates a worker."""
        return (self.n, self.d)

    def cut(self, order):
        """The first k of each."""
        return order[..., : self.k]

    def inclusion_probability(self, size):
        """`k (k-1) ... / (d (d-1) ...)`, `size` factors each."""
        return falling_ratio(self.k, self.d, size)

    def joint_probability(self, left, right, shared):
        """The product, as workers draw independently."""
        return self.inclusion_probability(left) * self.inclusion_probability(right)

    def outcomes(self):
        """Every choice of n subsets of size k, all equally likely."""
        count = math.comb(self.d, self.k) ** self.n
        check_outcome_count(self, count)
        subsets = list(itertools.combinations(range(self.d), self.k))
        for chosen in itertools.product(subsets, repeat=self.n):
            mask = np.zeros((self.n, self.d), bool)
            for worker, subset in enumerate(chosen):
                mask[worker, list(subset)] = True
            yield mask, 1.0 / count
