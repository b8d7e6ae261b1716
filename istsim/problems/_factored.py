from __future__ import annotations

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float

from istsim.problems._hessians import Hessians, rows_of


@dataclasses.dataclass(frozen=True, eq=False)
class FactoredHessians(Hessians):
    """L_i = F_i F_i' + ridge I with F_i of shape (d, m), m well below d.

    The factor is stored coordinate by coordinate, so that a worker's coordinates are contiguous
    rows of it. A multiplication costs 2 k m a worker for k coordinates.
    """

    data_fields = ("factors", "ridge")
    worker_fields = ("factors",)
    factors: Float[Array, "n d m"]
    ridge: Float[Array, ""]

    @property
    def num_workers(self):
        return self.factors.shape[0]

    @property
    def dim(self):
        return self.factors.shape[1]

    def dense(self):
        return jnp.einsum("nim,njm->nij", self.factors, self.factors) + self.ridge * jnp.eye(
            self.dim, dtype=self.factors.dtype
        )

    def mean(self):
        # One matrix product over workers and samples together, never an (n, d, d) array.
        gram = jnp.einsum("nim,njm->ij", self.factors, self.factors)
        return gram / self.num_workers + self.ridge * jnp.eye(self.dim, dtype=self.factors.dtype)

    def apply(self, points):
        samples = jnp.einsum("nim,ni->nm", self.factors, points)
        return jnp.einsum("nim,nm->ni", self.factors, samples) + self.ridge * points

    def apply_rows(self, indices, point):
        samples = jnp.einsum("nim,i->nm", self.factors, point)
        rows = jnp.einsum("nkm,nm->nk", rows_of(self.factors, indices), samples)
        return rows + self.ridge * point[indices]

    def apply_columns(self, indices, values):
        samples = jnp.einsum("nkm,nk->nm", rows_of(self.factors, indices), values)
        result = jnp.einsum("nim,nm->ni", self.factors, samples)
        workers = jnp.arange(self.num_workers)[:, None]
        return result.at[workers, indices].add(self.ridge * values, mode="promise_in_bounds")

    def apply_block(self, indices, values):
        rows = rows_of(self.factors, indices)
        samples = jnp.einsum("nkm,nk->nm", rows, values)
        return jnp.einsum("nkm,nm->nk", rows, samples) + self.ridge * values
