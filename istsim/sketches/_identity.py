from __future__ import annotations

import dataclasses

import numpy as np

from istsim._random import leading_axes
from istsim.sketches._sketch import Sketch


@dataclasses.dataclass(frozen=True)
class Identity(Sketch):
    """Every worker holds every coordinate.

    Args:
        n: number of workers.
        d: number of coordinates.

    Example:
        >>> import istsim
        >>> istsim.Identity(2, 3).inclusion_probability(2)
        1.0
    """

    @property
    def independent_workers(self):
        """They are."""
        return True

    def sample(self, key):
        """The mask of ones, shape (n, d); the key is not used."""
        return np.ones((*leading_axes(key), self.n, self.d), bool)

    def inclusion_probability(self, size):
        """Always 1."""
        return 1.0

    def joint_probability(self, left, right, shared):
        """Always 1."""
        return 1.0

    @property
    def holders(self):
        """All n workers."""
        return self.n

    def outcomes(self):
        """The one mask there is."""
        yield np.ones((self.n, self.d), bool), 1.0
