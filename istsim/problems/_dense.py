from __future__ import annotations

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float

from istsim.problems._hessians import Hessians, rows_of


@dataclasses.dataclass(frozen=True, eq=False)
class DenseHessians(Hessians):
    """L_i without structure: one (n, d, d) array."""

    data_fields = ("matrices",)
    worker_fields = ("matrices",)
    matrices: Float[Array, "n d d"]

    @property
    def num_workers(self):
        return self.matrices.shape[0]

    @property
    def dim(self):
        return self.matrices.shape[1]

    def dense(self):
        return self.matrices

    def mean(self):
        return self.matrices.mean(axis=0)

    def apply(self, points):
        return jnp.einsum("nij,nj->ni", self.matrices, points)

    def apply_rows(self, indices, point):
        return rows_of(self.matrices, indices) @ point

    def apply_columns(self, indices, values):
        # Columns are rows, by symmetry; rows are contiguous in memory.
        return jnp.einsum("nkj,nk->nj", rows_of(self.matrices, indices), values)

    def apply_block(self, indices, values):
        workers = jnp.arange(self.num_workers)[:, None, None]
        block = self.matrices.at[workers, indices[:, :, None], indices[:, None, :]]
        return jnp.einsum("nij,nj->ni", block.get(mode="promise_in_bounds"), values)
