from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from istsim._random import inverse, random_order, split, taken_along
from istsim.sketches._sketch import Sketch, check_outcome_count, falling_ratio, missed_probability


@dataclasses.dataclass(frozen=True)
class Permutation(Sketch):
    """A uniform random permutation of the coordinates, dealt to the workers: "Perm-q".

    With d = q n it is cut into n blocks of q (Shulgin and Richtarik, arXiv 2306.16484, Definition 2).
    With more coordinates than workers, in general, blocks have q = floor(d/n) or q + 1 coordinates, and
    which workers get the longer ones is drawn uniformly. With more workers than coordinates every
    worker holds one, so that each coordinate is held floor(n/d) or ceil(n/d) times, and which ones are
    held more often is drawn uniformly.

    Args:
        n: number of workers.
        d: number of coordinates.

    Example:
        >>> import jax, istsim
        >>> istsim.Permutation(2, 5).sample(jax.random.key(0)).sum(axis=0).tolist()  # one holder each
        [1, 1, 1, 1, 1]
        >>> istsim.Permutation(2, 5).inclusion_probability(1)
        0.5
        >>> istsim.Permutation(5, 2).sample(jax.random.key(0)).sum(axis=1).tolist()  # one coordinate each
        [1, 1, 1, 1, 1]
    """

    @property
    def size(self):
        """The number q = d/n where n divides d, 1 where there are more workers than coordinates, else None."""
        if self.n > self.d:
            return 1
        return None if self.d % self.n else self.d // self.n

    @property
    def order_shape(self):
        """One order of all coordinates, where all workers hold equally many."""
        return None if self.n > self.d or self.size is None else (self.d,)

    def cut(self, order):
        """Blocks of q."""
        return order.reshape(*order.shape[:-1], self.n, self.d // self.n)

    def sample_indices(self, key):
        """Each worker's coordinates, where all hold equally many."""
        if self.n <= self.d:
            return super().sample_indices(key)
        workers_key, coordinates_key = split(key)
        position = inverse(random_order(workers_key, (self.n,))) % self.d
        return taken_along(random_order(coordinates_key, (self.d,)), position)[..., None]

    def sample(self, key):
        """One round's masks, shape (n, d)."""
        if self.size is not None:
            return super().sample(key)
        workers_key, coordinates_key = split(key)
        sizes = self.d // self.n + (random_order(workers_key, (self.n,)) < self.d % self.n)
        ends = sizes.cumsum(axis=-1)
        position = inverse(random_order(coordinates_key, (self.d,)))[..., None, :]
        return ((ends - sizes)[..., None] <= position) & (position < ends[..., None])

    def inclusion_probability(self, size):
        """Falling factorials `q^(size) / d^(size)`, averaged over the block sizes there are."""
        return sum(share * falling_ratio(block, self.d, size) for block, share in self._block_sizes())

    def joint_probability(self, left, right, shared):
        """By counting: which two sizes two workers' blocks have, and how they hold the coordinates."""
        if self.n > self.d:
            return self._joint_of_single_coordinates(left, right, shared)
        if shared > 0 or left + right > self.d or self.n == 1:
            return 0.0
        q, longer, n = self.d // self.n, self.d % self.n, self.n
        pairs = {
            (q + 1, q + 1): longer * (longer - 1),
            (q + 1, q): longer * (n - longer),
            (q, q + 1): (n - longer) * longer,
            (q, q): (n - longer) * (n - longer - 1),
        }
        ways = sum(count * math.perm(a, left) * math.perm(b, right) for (a, b), count in pairs.items())
        return ways / (n * (n - 1) * math.perm(self.d, left + right))

    def _joint_of_single_coordinates(self, left: int, right: int, shared: int) -> float:
        if left == 0 or right == 0:
            return self.inclusion_probability(left + right)
        if left > 1 or right > 1 or left + right - shared > self.d:
            return 0.0
        fewer, more = self.n // self.d, self.n % self.d  # `more` coordinates have one holder more
        pairs = (more * (fewer + 1) * fewer + (self.d - more) * fewer * (fewer - 1)) / self.d
        together = pairs / (self.n * (self.n - 1))
        return together if shared else (1 / self.d - together) / (self.d - 1)

    @property
    def holders(self):
        """One where there are no more workers than coordinates, else n/d where d divides n, else None."""
        if self.n <= self.d:
            return 1
        return None if self.n % self.d else self.n // self.d

    def reported_probability(self, participants):
        """From the number of holders of a coordinate: 1, or floor(n/d) or ceil(n/d)."""
        if self.holders is not None:
            return super().reported_probability(participants)
        fewer, more = self.n // self.d, self.n % self.d
        missed = [missed_probability(holders, self.n, participants) for holders in (fewer, fewer + 1)]
        return 1 - (missed[0] * (self.d - more) + missed[1] * more) / self.d

    def _block_sizes(self) -> list[tuple[int, float]]:
        """The sizes a worker's block may have, with their probabilities."""
        if self.n > self.d:
            return [(1, 1.0)]
        q, longer = self.d // self.n, self.d % self.n
        return [(q, 1 - longer / self.n), (q + 1, longer / self.n)] if longer else [(q, 1.0)]

    def outcomes(self):
        """Every way to deal, all equally likely."""
        # With more workers than coordinates it is the workers that are dealt to the coordinates.
        places, items = (self.n, self.d) if self.n <= self.d else (self.d, self.n)
        q, longer = items // places, items % places
        count = math.comb(places, longer) * math.factorial(items)
        count //= math.factorial(q + 1) ** longer * math.factorial(q) ** (places - longer)
        check_outcome_count(self, count)
        for chosen in itertools.combinations(range(places), longer):
            sizes = [q + (place in chosen) for place in range(places)]
            for blocks in _deals(frozenset(range(items)), sizes):
                mask = np.zeros((places, items), bool)
                for place, block in enumerate(blocks):
                    mask[place, list(block)] = True
                yield (mask if self.n <= self.d else mask.T), 1.0 / count


def _deals(items: frozenset[int], sizes: Sequence[int]) -> Iterator[tuple[tuple[int, ...], ...]]:
    if not sizes:
        yield ()
        return
    for block in itertools.combinations(sorted(items), sizes[0]):
        for rest in _deals(items - set(block), sizes[1:]):
            yield (block, *rest)
