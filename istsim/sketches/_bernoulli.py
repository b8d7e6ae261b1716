from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from istsim._random import uniform
from istsim._types import Scalar
from istsim._validation import finite_number, is_concrete
from istsim.sketches._sketch import Sketch, check_outcome_count


@dataclasses.dataclass(frozen=True)
class Bernoulli(Sketch):
    """Every worker holds every coordinate with probability p, all independently.

    Args:
        n: number of workers.
        d: number of coordinates.
        p: in (0, 1]; may be traced by JAX, so that exact results can be differentiated in it.

    Raises:
        ValueError: if p lies outside (0, 1].

    Example:
        >>> import istsim
        >>> istsim.Bernoulli(2, 3, 0.5).inclusion_probability(2)
        0.25
    """

    data_fields = ("p",)
    p: Scalar

    @property
    def independent_workers(self):
        """They are."""
        return True

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "p", finite_number("p", self.p))
        if is_concrete(self.p) and not 0 < self.p <= 1:
            raise ValueError(f"p must lie in (0, 1], got {self.p}")

    def sample(self, key):
        """Independent coins, shape (n, d)."""
        return uniform(key, (self.n, self.d)) < self.p

    def inclusion_probability(self, size):
        """`p^size`."""
        return self.p**size

    def joint_probability(self, left, right, shared):
        """`p^(left + right)`, as workers draw independently."""
        return self.p ** (left + right)

    def outcomes(self):
        """Every mask of n d coins."""
        check_outcome_count(self, 2 ** (self.n * self.d))
        for coins in itertools.product((False, True), repeat=self.n * self.d):
            mask = np.array(coins).reshape(self.n, self.d)
            held = int(mask.sum())
            yield mask, float(self.p**held * (1 - self.p) ** (mask.size - held))
