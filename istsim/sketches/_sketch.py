"""What a sketch is: a random coordinate set for every worker, drawn anew each round."""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from istsim._pytree import Pytree
from istsim._validation import positive_int

MAX_OUTCOMES = 1_000_000


@dataclasses.dataclass(frozen=True)
class Sketch(Pytree, abc.ABC):
    """Base class of all sketches: n workers, each holding a random subset of d coordinates.

    A sketch must be exchangeable: its law may not change when coordinates, or workers, are
    relabelled. Then `inclusion_probability` and `joint_probability` are all that the exact theory
    needs. A subclass is a frozen dataclass that defines these two and `sample`.

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

    @abc.abstractmethod
    def sample(self, key: Any) -> Bool[Array, "n d"]:
        """Draw one round's masks from a JAX key: entry (i, j) says whether worker i holds coordinate j.

        Pure JAX, so that it runs under `jit` and `vmap`.
        """

    @abc.abstractmethod
    def inclusion_probability(self, size: int) -> Any:
        """Probability that one worker holds `size` given distinct coordinates (1 if size is 0)."""

    @abc.abstractmethod
    def joint_probability(self, left: int, right: int, shared: int) -> Any:
        """Probability that one worker holds `left` given coordinates and another worker `right` given ones.

        `shared` of them are the same coordinates, counted in both: `left + right - shared` are distinct.
        """

    def outcomes(self) -> Iterator[tuple[np.ndarray, float]]:
        """All masks (n, d) that can be drawn, each with its probability; for small d only.

        Raises:
            NotImplementedError: if the sketch cannot list its outcomes.
            ValueError: if there are more than a million.
        """
        raise NotImplementedError(f"{type(self).__name__} does not list its outcomes")


@dataclasses.dataclass(frozen=True)
class FixedSizeSketch(Sketch):
    """A sketch under which every worker always holds the same number of coordinates.

    Knowing the number, the simulation gathers only those coordinates.
    """

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """The number of coordinates a worker holds."""

    @abc.abstractmethod
    def sample_indices(self, key: Any) -> Int[Array, "n size"]:
        """Draw one round's sets as lists of distinct coordinates."""

    def sample(self, key: Any) -> Bool[Array, "n d"]:
        """The masks of the same sets."""
        indices = self.sample_indices(key)
        mask = jnp.zeros((self.n, self.d), bool)
        return mask.at[jnp.arange(self.n)[:, None], indices].set(True, mode="promise_in_bounds")


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
