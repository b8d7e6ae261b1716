"""What a sketch is: a random coordinate set for every worker, drawn anew each round."""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Int

from istsim._pytree import Pytree
from istsim._random import random_order
from istsim._types import Array
from istsim._validation import positive_int

MAX_OUTCOMES = 1_000_000


@dataclasses.dataclass(frozen=True)
class Sketch(Pytree, abc.ABC):
    """Base class of all sketches: n workers, each holding a random subset of d coordinates.

    A sketch should be exchangeable: its law should not change when coordinates, or workers, are
    relabelled. Then `inclusion_probability` and `joint_probability` are all that the exact theory
    needs. One that is not must say so by `exchangeable`; it can be simulated and enumerated. A
    subclass is a frozen dataclass that defines these two and `sample` (or, where every worker
    always holds equally many coordinates, `size` and `sample_indices`).

    Args:
        n: number of workers.
        d: number of coordinates.
    """

    n: int
    d: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", positive_int("n", self.n))
        object.__setattr__(self, "d", positive_int("d", self.d))

    @property
    def num_workers(self) -> int:
        """n, the number of workers."""
        return self.n

    @property
    def dim(self) -> int:
        """d, the number of coordinates."""
        return self.d

    @property
    def size(self) -> int | None:
        """The number of coordinates that every worker always holds; None if it varies.

        Knowing the number, the simulation gathers only those coordinates.
        """
        return None

    @property
    def exchangeable(self) -> bool:
        """Whether the law stays the same when coordinates, or workers, are relabelled. Formulas need it."""
        return True

    @property
    def independent_workers(self) -> bool:
        """Whether the workers' sets are drawn independently of each other."""
        return False

    @property
    def holders(self) -> int | None:
        """The number of workers that hold a coordinate, if it is always the same for all; else None."""
        return None

    @property
    def labels(self) -> np.ndarray:
        """Labels of the coordinates, shape (d,); equal ones are always held together. All differ but for `Grouped`."""
        return np.arange(self.d)

    @property
    def order_shape(self) -> tuple[int, ...] | None:
        """The shape of the random orders, along the last axis, whose cuts the sets are; None if they are not.

        Knowing it, the simulation may sort many rounds' orders at once.
        """
        return None

    def cut(self, order: Any) -> Any:
        """The sets of any number of rounds, `(..., n, size)`, from random orders of shape `(..., *order_shape)`."""
        raise NotImplementedError(f"{self} is not cut from a random order")

    def sample_indices(self, key: Any) -> Int[Array, "*rounds n size"]:
        """Draw one round's sets as lists of distinct coordinates, where their `size` is fixed."""
        if self.order_shape is None:
            raise NotImplementedError(f"{self} has no fixed size: use sample")
        return self.cut(random_order(key, self.order_shape))

    def sample(self, key: Any) -> Bool[Array, "*rounds n d"]:
        """Draw one round's masks from a JAX key: entry (i, j) says whether worker i holds coordinate j.

        Pure JAX, so that it runs under `jit` and `vmap`. A sketch of fixed size may define
        `sample_indices` instead.
        """
        indices = self.sample_indices(key)
        if isinstance(indices, np.ndarray):
            mask = np.zeros((*indices.shape[:-1], self.d), bool)
            np.put_along_axis(mask, indices, True, axis=-1)
            return mask
        mask = jnp.zeros((self.n, self.d), bool)
        return mask.at[jnp.arange(self.n)[:, None], indices].set(True, mode="promise_in_bounds")

    @abc.abstractmethod
    def inclusion_probability(self, size: int) -> Any:
        """Probability that one worker holds `size` given distinct coordinates (1 if size is 0)."""

    @abc.abstractmethod
    def joint_probability(self, left: int, right: int, shared: int) -> Any:
        """Probability that one worker holds `left` given coordinates and another worker `right` given ones.

        `shared` of them are the same coordinates, counted in both: `left + right - shared` are distinct.
        """

    def reported_probability(self, participants: int) -> Any:
        """Probability that at least one of `participants` workers, drawn uniformly, holds a given coordinate.

        The exact mean of the merge "owners" needs it. It is known where `independent_workers` or `holders` is, and may
        be defined where every worker holds a single coordinate. Elsewhere it is not enough: the number of a
        coordinate's other holders may depend on what else a worker holds.
        """
        if self.independent_workers:
            return 1 - (1 - self.inclusion_probability(1)) ** participants
        if self.holders is not None:
            return 1 - missed_probability(self.holders, self.n, participants)
        raise NotImplementedError(
            f"{type(self).__name__} does not define reported_probability, which exact results for merge='owners' "
            "need; enumerate its outcomes or simulate instead"
        )

    def outcomes(self) -> Iterator[tuple[np.ndarray, float]]:
        """All masks (n, d) that can be drawn, each with its probability; for small d only.

        Raises:
            NotImplementedError: if the sketch cannot list its outcomes.
            ValueError: if there are more than a million.
        """
        raise NotImplementedError(f"{type(self).__name__} does not list its outcomes")


def missed_probability(holders: int, workers: int, participants: int) -> float:
    """Probability that none of `participants` workers, drawn uniformly, is one of the `holders`."""
    return math.comb(workers - holders, participants) / math.comb(workers, participants)


def falling_ratio(size: int, total: int, count: int) -> float:
    """`size (size-1) ... / (total (total-1) ...)`, `count` factors each; 0 where size < count.

    The probability that a uniform `size`-subset of `total` coordinates holds `count` given ones.
    """
    return math.perm(size, count) / math.perm(total, count) if count <= size else 0.0


def check_outcome_count(sketch: Sketch, count: int) -> None:
    """Refuse to list more outcomes than anyone can wait for."""
    if count > MAX_OUTCOMES:
        raise ValueError(
            f"outcomes() lists at most {MAX_OUTCOMES} masks, but {sketch} has {count}; use a smaller n or d"
        )


def are_other_holders_independent(sketch: Sketch) -> bool:
    """Whether the number of a coordinate's other holders is known not to depend on what else a worker holds."""
    single = sketch.dim == 1 or sketch.inclusion_probability(2) == 0
    return sketch.independent_workers or sketch.holders is not None or bool(single)


def needs_jax(sketch: Sketch) -> bool:
    """Whether the sketch, or one that it is made of, is drawn by a user's own function, which knows JAX's keys only."""
    kind = type(sketch)
    if not all(str(draw.__module__).startswith("istsim.") for draw in (kind.sample, kind.sample_indices)):
        return True
    return any(map(needs_jax, _parts(sketch)))


def is_own(sketch: Sketch) -> bool:
    """Whether the sketch, or one that it is made of, is of a user's own class, which may draw anything."""
    return not type(sketch).__module__.startswith("istsim.") or any(map(is_own, _parts(sketch)))


def _parts(sketch: Sketch) -> list[Sketch]:
    """The sketches that it is made of."""
    fields = [getattr(sketch, name) for name in sketch.data_fields]
    return list(filter(_is_sketch, jax.tree.leaves(fields, is_leaf=_is_sketch)))


def _is_sketch(part: Any) -> bool:
    return isinstance(part, Sketch)
