from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import scipy
from jaxtyping import Float, Shaped

from istsim._arrays import array_namespace
from istsim._types import Array
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
        return cls(diagonals, array_namespace(off_diagonals).pad(off_diagonals, ((0, 0), (1, 1))))

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
        on, before, after = (np.eye(self.dim, k=k, dtype=self.entries.dtype) for k in (0, -1, 1))
        return self.entries[:, :, None] * on + self.below[:, :, None] * before + self.above[:, :, None] * after

    def diagonal(self):
        return self.entries

    def mean(self):
        return TridiagonalHessians(self.entries.mean(axis=0, keepdims=True), self.couplings.mean(axis=0, keepdims=True))

    def scaled(self, scale):
        products = array_namespace(scale).pad(scale[:-1] * scale[1:], 1)
        return TridiagonalHessians(scale**2 * self.entries, products * self.couplings)

    def solve(self, vectors):
        if array_namespace(self.entries, vectors) is jnp:
            solution = jax.lax.linalg.tridiagonal_solve(self.below, self.entries, self.above, vectors[..., None])
            return solution[..., 0]
        roots = map(scipy.linalg.cholesky_banded, np.stack([self.couplings[:, :-1], self.entries], axis=1))
        each = zip(roots, vectors, strict=True)
        return np.stack([scipy.linalg.cho_solve_banded((root, False), vector) for root, vector in each])

    def apply(self, points):
        # What is rolled around the ends meets a coupling of zero.
        xp = array_namespace(self.entries, points)
        return (
            self.entries * points + self.below * xp.roll(points, 1, axis=-1) + self.above * xp.roll(points, -1, axis=-1)
        )

    def apply_rows(self, indices, point):
        return (
            rows_of(self.entries, indices) * point[indices]
            + rows_of(self.couplings, indices) * jnp.roll(point, 1)[indices]
            + rows_of(self.couplings, indices + 1) * jnp.roll(point, -1)[indices]
        )

    def apply_columns(self, indices, values):
        result, workers = jnp.zeros_like(self.entries), jnp.arange(self.num_workers)[:, None]
        before, after = (indices - 1) % self.dim, (indices + 1) % self.dim
        for coefficients, rows in (
            (rows_of(self.entries, indices), indices),
            (rows_of(self.couplings, indices), before),
            (rows_of(self.couplings, indices + 1), after),
        ):
            result = result.at[workers, rows].add(coefficients * values, mode="promise_in_bounds")
        return result

    def apply_block(self, indices, values):
        # In order, coordinates that are coupled are neighbours: no array of length d is needed. Sorting words of
        # a coordinate and its place is several times faster than sorting pairs.
        words = (indices.astype(jnp.uint64) << 32) | jnp.arange(indices.shape[1], dtype=jnp.uint64)
        words = jnp.sort(words, axis=1)
        held, places = (words >> 32).astype(jnp.int32), (words & 0xFFFFFFFF).astype(jnp.int32)
        sorted_values = rows_of(values, places)
        coupled = jnp.where(held[:, 1:] == held[:, :-1] + 1, rows_of(self.couplings, held[:, 1:]), 0)
        from_before = jnp.pad(coupled * sorted_values[:, :-1], ((0, 0), (1, 0)))
        from_after = jnp.pad(coupled * sorted_values[:, 1:], ((0, 0), (0, 1)))
        result = rows_of(self.entries, held) * sorted_values + from_before + from_after
        workers = jnp.arange(self.num_workers)[:, None]
        return jnp.zeros_like(result).at[workers, places].set(result, mode="promise_in_bounds", unique_indices=True)

    def rounding(self):
        entries, couplings = (
            np.maximum(part.max(axis=1), -part.min(axis=1))
            for part in (np.asarray(self.entries), np.asarray(self.couplings))
        )
        return 10 * np.finfo(entries.dtype).eps * (entries + 2 * couplings)

    def is_definite(self, worker, shift):
        entries = np.asarray(self.entries[worker], np.float64)
        banded = np.stack([np.asarray(self.couplings[worker, :-1], np.float64), entries + shift])
        try:
            scipy.linalg.cholesky_banded(banded, overwrite_ab=True, check_finite=False)
        except np.linalg.LinAlgError:
            return False
        return True

    def smallest_eigenvalue(self, worker):
        entries, couplings = np.asarray(self.entries[worker]), np.asarray(self.couplings[worker])
        entries, couplings = entries.astype(np.float64), couplings[1:-1].astype(np.float64)
        size = max(np.abs(entries).max(), np.abs(couplings).max(initial=0.0)) or 1.0
        # LAPACK squares them, which may overflow.
        values = scipy.linalg.eigvalsh_tridiagonal(entries / size, couplings / size, select="i", select_range=(0, 0))
        return float(values[0] * size)
