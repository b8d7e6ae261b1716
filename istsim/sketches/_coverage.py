from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from typing import Any

import numpy as np

from istsim._random import random_order, split
from istsim._validation import positive_int
from istsim.sketches._sketch import MAX_OUTCOMES, Sketch


@dataclasses.dataclass(frozen=True)
class Coverage(Sketch):
    """Every coordinate is held by exactly `copies` workers, and loads differ by at most 1.

    Coordinates and workers are permuted uniformly; then position t of the coordinates goes to the
    positions (t c, ..., t c + c - 1) mod n of the workers, c being `copies`.

    Args:
        n: number of workers.
        d: number of coordinates.
        copies: holders of each coordinate, from 1 to n.

    Raises:
        ValueError: if copies lies outside 1..n.

    Example:
        >>> import jax, istsim
        >>> istsim.Coverage(4, 6, 2).sample(jax.random.key(0)).sum(axis=0).tolist()
        [2, 2, 2, 2, 2, 2]
    """

    copies: int

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "copies", positive_int("copies", self.copies))
        if self.copies > self.n:
            raise ValueError(f"copies must be at most n = {self.n}, got {self.copies}")

    def sample(self, key):
        """One round's masks, shape (n, d)."""
        workers_key, coordinates_key = split(key)
        rows, columns = random_order(workers_key, (self.n,)), random_order(coordinates_key, (self.d,))
        return _dealt(self, rows[..., :, None], columns[..., None, :])

    def inclusion_probability(self, size):
        """Counted: how many `size`-tuples of positions each worker holds."""
        ways = sum(math.perm(load, size) * count for load, count in _loads(self))
        return ways / (self.n * math.perm(self.d, size)) if size <= self.d else 0.0

    def joint_probability(self, left, right, shared):
        """Counted over all pairs of workers, from their loads and the positions they share."""
        distinct = left + right - shared
        if self.n == 1 or distinct > self.d:
            return 0.0
        ways = sum(_placements(*pair, left, right, shared) * count for pair, count in _pairs(self))
        return ways / (self.n * (self.n - 1) * math.perm(self.d, distinct))

    @property
    def holders(self):
        """The number of copies."""
        return self.copies

    def outcomes(self):
        """Every relabelling of workers and coordinates; equal masks are listed once."""
        count = math.factorial(self.n) * math.factorial(self.d)
        if count > MAX_OUTCOMES:  # of these, as equal masks are found one by one
            raise ValueError(
                f"outcomes() goes through at most {MAX_OUTCOMES} relabellings, but {self} has {count}, and up to that "
                "many masks; use a smaller n or d"
            )
        found: dict[bytes, int] = {}
        design = _design(self)
        for rows in itertools.permutations(range(self.n)):
            relabelled = design[list(rows)]
            for columns in itertools.permutations(range(self.d)):
                mask = relabelled[:, list(columns)].tobytes()
                found[mask] = found.get(mask, 0) + 1
        for mask, times in found.items():
            yield np.frombuffer(mask, bool).reshape(self.n, self.d), times / count


@functools.lru_cache(maxsize=32)
def _design(sketch: Coverage) -> np.ndarray:
    """The masks before relabelling, shape (n, d)."""
    return _dealt(sketch, np.arange(sketch.n)[:, None], np.arange(sketch.d))


def _dealt(sketch: Coverage, worker: Any, position: Any) -> Any:
    """Whether that position of the coordinates goes to that position of the workers."""
    return (worker - position * sketch.copies) % sketch.n < sketch.copies


@functools.lru_cache(maxsize=32)
def _loads(sketch: Coverage) -> list[tuple[int, int]]:
    """How many workers hold how many coordinates: (load, number of workers)."""
    loads, counts = np.unique(_design(sketch).sum(axis=1), return_counts=True)
    return list(zip(loads.tolist(), counts.tolist(), strict=True))


@functools.lru_cache(maxsize=32)
def _pairs(sketch: Coverage) -> list[tuple[tuple[int, int, int], int]]:
    """For ordered pairs of different workers: ((load, other load, shared positions), number of pairs)."""
    design = _design(sketch).astype(np.int64)
    loads, shared = design.sum(axis=1), design @ design.T
    different = ~np.eye(sketch.n, dtype=bool)
    triples = np.stack(np.broadcast_arrays(loads[:, None], loads[None, :], shared), axis=-1)[different]
    kinds, counts = np.unique(triples, axis=0, return_counts=True)
    return [(tuple(kind), count) for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True)]


def _placements(load: int, other_load: int, common: int, left: int, right: int, shared: int) -> int:
    """Ways to place distinct coordinates so that one worker holds the left and another the right ones."""
    ways, left_only, right_only = 0, left - shared, right - shared
    for in_common in range(left_only + 1):  # of the left-only coordinates, those on common positions
        ways += (
            math.perm(common, shared + in_common)
            * math.comb(left_only, in_common)
            * math.perm(load - common, left_only - in_common)
            * math.perm(max(other_load - shared - in_common, 0), right_only)
        )
    return ways
