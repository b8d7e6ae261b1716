"""Sketches over the units of a network: each layer has one of its own."""

from __future__ import annotations

import dataclasses
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import random

from istsim._random import random_order
from istsim.sketches import Sketch


@dataclasses.dataclass(frozen=True, init=False)
class PerLayer(Sketch):
    """Independent sketches for consecutive stretches of the coordinates, one for each layer.

    Not exchangeable: coordinates of one layer are dependent, those of two are not. It can be enumerated.

    Args:
        sketches: for the same number of workers.

    Raises:
        ValueError: if there is none, or for different numbers of workers.

    Example:
        >>> import jax, istsim
        >>> from istsim import networks
        >>> sketch = networks.PerLayer((istsim.Permutation(2, 4), istsim.Permutation(2, 2)))
        >>> sketch.sample(jax.random.key(0)).sum(axis=1).tolist(), len(list(sketch.outcomes()))
        ([3, 3], 12)
    """

    data_fields = ("sketches",)
    sketches: tuple[Sketch, ...]

    def __init__(self, sketches: tuple[Sketch, ...]):
        workers = {sketch.n for sketch in sketches}
        if len(workers) != 1:
            raise ValueError(f"sketches must be for the same number of workers, got {sketches}")
        vars(self).update(n=workers.pop(), d=sum(sketch.d for sketch in sketches), sketches=tuple(sketches))

    @property
    def exchangeable(self):
        """No."""
        return False

    def sample(self, key):
        """One round's masks, shape (n, d)."""
        keys = random.split(key, len(self.sketches))
        return jnp.concatenate([one.sample(k) for one, k in zip(self.sketches, keys, strict=True)], axis=1)

    def inclusion_probability(self, size):
        """Not known from numbers of coordinates alone."""
        raise NotImplementedError("it depends on the layers in which the coordinates lie")

    def joint_probability(self, left, right, shared):
        """Not known from numbers of coordinates alone."""
        raise NotImplementedError("it depends on the layers in which the coordinates lie")

    def outcomes(self):
        """All combinations of those of the layers."""
        for combination in itertools.product(*(list(sketch.outcomes()) for sketch in self.sketches)):
            masks, probabilities = zip(*combination, strict=True)
            yield np.concatenate(masks, axis=1), math.prod(probabilities)


_TOLERANCE = 0.05  # of the mean load


@dataclasses.dataclass(frozen=True)
class BalancedCoverage(Sketch):
    """Every coordinate on exactly `copies` workers, which are connected, and as equally loaded as its `sizes` allow.

    From the largest coordinate down, each goes to the workers with the smallest loads so far, those first that hold
    nothing; between loads that differ by less than a twentieth of their mean chance decides. Residual blocks of very
    different sizes need it.

    Workers are connected by the coordinates that they share, in every draw in which they can be: where `d (copies - 1)`
    is at least `n - 1`. Among loads that differ little, workers that are not connected yet are preferred; and where
    what is left is just enough to connect all, which concerns the smallest coordinates, they come first whatever their
    loads. In contrast to `Coverage`, such masks may thus stay as they are.

    Args:
        n: number of workers.
        d: number of coordinates.
        copies: holders of each, from 1 to n.
        sizes: shape (d,), what a coordinate weighs.

    Raises:
        ValueError: if copies lies outside 1..n, or sizes has another length.

    Example:
        >>> import jax, numpy as np
        >>> from istsim import networks
        >>> sketch = networks.BalancedCoverage(4, 4, 2, (6, 3, 2, 1))
        >>> mask = sketch.sample(jax.random.key(0))
        >>> mask.sum(axis=0).tolist(), sorted((mask @ np.array([6, 3, 2, 1])).tolist())
        ([2, 2, 2, 2], [5, 6, 6, 7])
    """

    copies: int
    sizes: tuple[int, ...]

    def __post_init__(self):
        super().__post_init__()
        if not 1 <= self.copies <= self.n:
            raise ValueError(f"copies must lie in 1..n = {self.n}, got {self.copies}")
        if len(self.sizes) != self.d:
            raise ValueError(f"sizes must be d = {self.d} numbers, got {len(self.sizes)}")

    @property
    def exchangeable(self):
        """Only if all coordinates weigh the same, and then `Coverage` says more."""
        return False

    @property
    def holders(self):
        """The number of copies."""
        return self.copies

    def sample(self, key):
        """One round's masks, shape (n, d)."""
        # In random order among those of equal size, and workers in random order among those of equal load.
        shuffled = random_order(key, (self.d,))
        sizes = jnp.asarray(self.sizes, jnp.float64)
        # Equal loads are ties. Of unequal sizes the smallest must not all go to the same workers.
        equal = len(set(self.sizes)) == 1
        tolerance = 0.5 * self.sizes[0] if equal else _TOLERANCE * sum(self.sizes) * self.copies / self.n
        order = shuffled[jnp.argsort(-sizes[shuffled], stable=True)]
        workers, far = jnp.arange(self.n), 4.0 * sum(self.sizes) + 1  # more than any load

        def deal(state, dealt):
            loads, held_any, part = state  # part: the first of the workers with whom each is connected
            coordinate, left = dealt
            chance = random.uniform(random.fold_in(key, coordinate + 1), (self.n,))
            # Each coordinate can make `copies` parts one: those left must suffice for the others.
            must_connect = (part == workers).sum() - 1 > left * (self.copies - 1)

            def choose(_, held):
                connected = (held[:, None] & (part[:, None] == part)).any(axis=0)
                late = connected * jnp.where(must_connect, far, tolerance)
                score = loads + tolerance * chance + late - far * ~held_any
                return held.at[jnp.argmin(jnp.where(held, jnp.inf, score))].set(True)

            held = jax.lax.fori_loop(0, self.copies, choose, jnp.zeros(self.n, bool))
            joined = (held[:, None] & (part[:, None] == part)).any(axis=0)
            part = jnp.where(joined, jnp.where(joined, part, self.n).min(), part)
            return (loads + held * sizes[coordinate], held_any | held, part), held

        start = jnp.zeros(self.n), jnp.zeros(self.n, bool), workers
        _, columns = jax.lax.scan(deal, start, (order, jnp.arange(self.d)[::-1]))  # (d, n)
        return jnp.zeros((self.n, self.d), bool).at[:, order].set(columns.T)

    def inclusion_probability(self, size):
        """Known for one coordinate."""
        if size > 1:
            raise NotImplementedError("it depends on the sizes of the coordinates")
        return self.copies / self.n if size else 1.0

    def joint_probability(self, left, right, shared):
        """Not known from numbers of coordinates alone."""
        raise NotImplementedError("it depends on the sizes of the coordinates")
