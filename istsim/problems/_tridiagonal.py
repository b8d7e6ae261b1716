from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float, Shaped

from istsim.problems._hessians import Hessians, rows_of


@dataclasses.dataclass(frozen=True, eq=False)
class TridiagonalHessians(Hessians):
    """L_i with entries on the diagonal and beside it: 2 n d numbers in all.

    Attributes:
        entries: the diagonals.
        couplings: position j couples the coordinates j - 1 and j; zero at both ends.
    """

    data_fields = ("entries", "couplings")
    worker_fields = ("entries", "couplings")
    entries: Float[Array, "n d"]
    couplings: Shaped[Array, "n _"]

    @classmethod
    def of(cls, diagonals: Float[Array, "n d"], off_diagonals: Shaped[Array, "n _"]) -> TridiagonalHessians:
        """From the diagonals, and the off-diagonals of shape (n, d - 1)."""
        return cls(diagonals, jnp.pad(off_diagonals, ((0, 0), (1, 1))))

    @property
    def num_workers(self):
        return self.entries.shape[0]

    @property
    def dim(self):
        return self.entries.shape[1]

    @property
    def below(self):
        """What couples each coordinate to the one before it, (n, d)."""
        return self.couplings[:, :-1]

    @property
    def above(self):
        """What couples each coordinate to the one after it, (n, d)."""
        return self.couplings[:, 1:]

    def dense(self):
        index = jnp.arange(self.dim)
        result = jnp.zeros((self.num_workers, self.dim, self.dim), self.entries.dtype)
        result = result.at[:, index, index].set(self.entries)
        result = result.at[:, index[1:], index[:-1]].set(self.below[:, 1:])
        return result.at[:, index[:-1], index[1:]].set(self.above[:, :-1])

    def diagonal(self):
        return self.entries

    def mean(self):
        return TridiagonalHessians(self.entries.mean(axis=0, keepdims=True), self.couplings.mean(axis=0, keepdims=True))

    def scaled(self, scale):
        products = jnp.pad(scale[:-1] * scale[1:], 1)
        return TridiagonalHessians(scale**2 * self.entries, products * self.couplings)

    def solve(self, vectors):
        solution = jax.lax.linalg.tridiagonal_solve(self.below, self.entries, self.above, vectors[..., None])
        return solution[..., 0]

    def apply(self, points):
        # What is rolled around the ends meets a coupling of zero.
        return (
            self.entries * points
            + self.below * jnp.roll(points, 1, axis=-1)
            + self.above * jnp.roll(points, -1, axis=-1)
        )

    def apply_rows(self, indices, point):
        return (
            rows_of(self.entries, indices) * point[indices]
            + rows_of(self.below, indices) * jnp.roll(point, 1)[indices]
            + rows_of(self.above, indices) * jnp.roll(point, -1)[indices]
        )

    def apply_columns(self, indices, values):
        result, workers = jnp.zeros_like(self.entries), jnp.arange(self.num_workers)[:, None]
        before, after = (indices - 1) % self.dim, (indices + 1) % self.dim
        for entries, rows in ((self.entries, indices), (self.below, before), (self.above, after)):
            result = result.at[workers, rows].add(rows_of(entries, indices) * values, mode="promise_in_bounds")
        return result

    def apply_block(self, indices, values):
        # In sorted order, coordinates that are coupled are neighbours: no array of length d is needed.
        ranks = jnp.broadcast_to(jnp.arange(indices.shape[1]), indices.shape)
        held, places = jax.lax.sort((indices, ranks), num_keys=1)
        coupled = jnp.where(held[:, 1:] == held[:, :-1] + 1, rows_of(self.below, held)[:, 1:], 0)
        workers = jnp.arange(self.num_workers)[:, None]
        result = rows_of(self.entries, indices) * values
        result = result.at[workers, places[:, 1:]].add(coupled * rows_of(values, places[:, :-1]))
        return result.at[workers, places[:, :-1]].add(coupled * rows_of(values, places[:, 1:]))

    def rounding(self):
        entries, couplings = np.abs(self.entries), np.abs(self.couplings)
        return 10 * np.finfo(entries.dtype).eps * (entries.max(axis=1) + 2 * couplings.max(axis=1))

    def is_definite(self, worker, shift):
        entries = np.asarray(self.entries[worker], np.float64)
        banded = np.stack([np.asarray(self.below[worker], np.float64), entries + shift])
        try:
            scipy.linalg.cholesky_banded(banded, check_finite=False)
        except np.linalg.LinAlgError:
            return False
        return True

    def smallest_eigenvalue(self, worker):
        entries, couplings = np.asarray(self.entries[worker]), np.asarray(self.couplings[worker])
        values = scipy.linalg.eigvalsh_tridiagonal(
            entries.astype(np.float64), couplings[1:-1].astype(np.float64), select="i", select_range=(0, 0)
        )
        return float(values[0])
