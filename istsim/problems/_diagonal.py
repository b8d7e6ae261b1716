from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from istsim._types import Array
from istsim.problems._hessians import Hessians, rows_of


@dataclasses.dataclass(frozen=True, eq=False)
class DiagonalHessians(Hessians):
    """L_i = diag(entries_i)."""

    data_fields = ("entries",)
    worker_fields = ("entries",)
    entries: Float[Array, "n d"]

    @property
    def num_workers(self):
        return self.entries.shape[0]

    @property
    def dim(self):
        return self.entries.shape[1]

    def dense(self):
        return self.entries[:, :, None] * np.eye(self.dim, dtype=self.entries.dtype)

    def diagonal(self):
        return self.entries

    def mean(self):
        return DiagonalHessians(self.entries.mean(axis=0, keepdims=True))

    def scaled(self, scale):
        return DiagonalHessians(scale**2 * self.entries)

    def solve(self, vectors):
        return vectors / self.entries

    def apply(self, points):
        return self.entries * points

    def apply_rows(self, indices, point):
        return rows_of(self.entries, indices) * point[indices]

    def apply_columns(self, indices, values):
        workers = jnp.arange(self.num_workers)[:, None]
        result = jnp.zeros_like(self.entries)
        return result.at[workers, indices].set(self.apply_block(indices, values), mode="promise_in_bounds")

    def apply_block(self, indices, values):
        return rows_of(self.entries, indices) * values

    def rounding(self):
        entries = np.asarray(self.entries)
        return 10 * np.finfo(entries.dtype).eps * np.abs(entries).max(axis=1)

    def is_definite(self, worker, shift):
        return self.smallest_eigenvalue(worker) > -shift

    def smallest_eigenvalue(self, worker):
        return float(self.entries[worker].min())
