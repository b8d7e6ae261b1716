"""Sketches over the units of a network: each layer has one of its own."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np

from istsim._arrays import array_namespace, scan
from istsim._random import inverse, leading_axes, random_order, split, taken_along, uniform_of_each
from istsim._validation import keep_checked, natural_number, positive_int
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
        if not isinstance(sketches, Sequence) or not all(isinstance(sketch, Sketch) for sketch in sketches):
            raise ValueError(f"sketches must be a tuple of sketches, such as istsim.RandK(n, d, k), got {sketches!r}")
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
        keys = split(key, len(self.sketches))
        masks = [one.sample(k) for one, k in zip(self.sketches, keys, strict=True)]
        return array_namespace(*masks).concatenate(masks, axis=-1)

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
        keep_checked(self, positive_int, "copies")
        if not 1 <= self.copies <= self.n:
            raise ValueError(f"copies must lie in 1..n = {self.n}, got {self.copies}")
        if not isinstance(self.sizes, tuple | list):
            raise ValueError(f"sizes must be a tuple of d = {self.d} numbers, got {self.sizes!r}")
        object.__setattr__(self, "sizes", tuple(natural_number("sizes", size) for size in self.sizes))
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
        xp = array_namespace(shuffled)
        larger = xp.asarray(np.searchsorted(-np.sort(self.sizes)[::-1], -np.array(self.sizes)))
        order = taken_along(shuffled, xp.argsort(larger[shuffled] * self.d + xp.arange(self.d), axis=-1))
        # Equal loads are ties. Of unequal sizes the smallest must not all go to the same workers.
        equal = len(set(self.sizes)) == 1
        tolerance = 0.5 * self.sizes[0] if equal else _TOLERANCE * sum(self.sizes) * self.copies / self.n
        chances = tolerance * uniform_of_each(key, np.arange(1, self.d + 1), (self.n,))
        chances = xp.moveaxis(xp.take_along_axis(chances, order[..., None], axis=-2), -2, 0)  # (d, ..., n)
        weights = xp.moveaxis(xp.asarray(self.sizes, float)[order], -1, 0)[..., None]
        workers, far = xp.arange(self.n), 4.0 * sum(self.sizes) + 1  # more than any load

        def deal(state, index):
            loads, held_any, part = state  # part: the first of the workers with whom each is connected
            # Each coordinate can make `copies` parts one: those left must suffice for the others.
            left = self.d - 1 - index
            must_connect = (part == workers).sum(axis=-1, keepdims=True) - 1 > left * (self.copies - 1)
            alike = part[..., :, None] == part[..., None, :]
            held = xp.zeros_like(held_any)
            for _ in range(self.copies):
                connected = (held[..., :, None] & alike).any(axis=-2)
                late = connected * xp.where(must_connect, far, tolerance)
                score = loads + chances[index] + late - far * ~held_any
                held = held | (workers == xp.where(held, np.inf, score).argmin(axis=-1)[..., None])
            joined = (held[..., :, None] & alike).any(axis=-2)
            first = xp.where(joined, part, self.n).min(axis=-1, keepdims=True)
            return (loads + held * weights[index], held_any | held, xp.where(joined, first, part)), (held,)

        shape = (*leading_axes(key), self.n)
        start = xp.zeros(shape), xp.zeros(shape, bool), xp.broadcast_to(workers, shape)
        _, (columns,) = scan(xp, deal, start, xp.arange(self.d))
        return xp.take_along_axis(xp.moveaxis(columns, 0, -1), inverse(order)[..., None, :], axis=-1)

    def inclusion_probability(self, size):
        """Known for one coordinate."""
        if size > 1:
            raise NotImplementedError("it depends on the sizes of the coordinates")
        return self.copies / self.n if size else 1.0

    def joint_probability(self, left, right, shared):
        """Not known from numbers of coordinates alone."""
        raise NotImplementedError("it depends on the sizes of the coordinates")
