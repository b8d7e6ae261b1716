from __future__ import annotations

import dataclasses

import numpy as np

from istsim._random import split, uniform
from istsim.sketches import Permutation, Sketch


@dataclasses.dataclass(frozen=True)
class AllOrOne(Sketch):
    """With some probability all workers hold everything; else the coordinates are dealt as by `Permutation`.

    It is exchangeable, but how many workers hold a coordinate depends on what else a worker holds, as it does for none
    of the sketches of `istsim.sketches`. So premises are tried with it: a proof may not know of such a sketch.

    Args:
        n: number of workers.
        d: number of coordinates.
        probability: that all workers hold everything, between 0 and 1.
    """

    probability: float

    @property
    def _dealt(self) -> Permutation:
        return Permutation(self.n, self.d)

    def sample(self, key):
        """One round's masks, shape (n, d)."""
        coin, rest = split(key)
        return (uniform(coin, (1, 1)) < self.probability) | self._dealt.sample(rest)

    def inclusion_probability(self, size):
        """1 where all hold everything."""
        return self._mixed(self._dealt.inclusion_probability(size))

    def joint_probability(self, left, right, shared):
        """Likewise."""
        return self._mixed(self._dealt.joint_probability(left, right, shared))

    def reported_probability(self, participants):
        """Likewise."""
        return self._mixed(self._dealt.reported_probability(participants))

    def outcomes(self):
        """Everything, and those of the permutation."""
        yield np.ones((self.n, self.d), bool), self.probability
        for mask, probability in self._dealt.outcomes():
            yield mask, (1 - self.probability) * probability

    def _mixed(self, otherwise: float) -> float:
        return self.probability + (1 - self.probability) * otherwise
