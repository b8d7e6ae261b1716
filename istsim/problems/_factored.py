from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from istsim._arrays import array_namespace
from istsim._types import Array
from istsim.problems._dense import DenseHessians
from istsim.problems._hessians import Hessians, multiply_each, rows_of


@dataclasses.dataclass(frozen=True, eq=False)
class FactoredHessians(Hessians):
    """L_i = F_i F_i' + diag(ridge) with F_i of shape (d, m), m well below d.

    The factor is stored coordinate by coordinate, so that a worker's coordinates are contiguous
    rows of it. A multiplication costs 2 k m a worker for k coordinates.
    """

    data_fields = ("factors", "ridge")
    worker_fields = ("factors",)
    factors: Float[Array, "n d m"]
    ridge: Float[Array, " d"]

    @property
    def num_workers(self):
        return self.factors.shape[0]

    @property
    def dim(self):
        return self.factors.shape[1]

    def dense(self):
        xp = array_namespace(self.factors)
        return self.factors @ self.factors.transpose(0, 2, 1) + xp.diag(self.ridge)

    def diagonal(self):
        return (self.factors**2).sum(axis=2) + self.ridge

    def mean(self):
        n, d, m = self.factors.shape
        together = self.factors.transpose(1, 0, 2).reshape(d, n * m)
        if is_factor_cheaper(d, n * m):
            return FactoredHessians(together[None] / np.sqrt(n), self.ridge)
        # One matrix product over workers and samples together, never an (n, d, d) array.
        return DenseHessians((together @ together.T / n + array_namespace(together).diag(self.ridge))[None])

    def scaled(self, scale):
        return FactoredHessians(scale[:, None] * self.factors, scale**2 * self.ridge)

    def solve(self, vectors):
        # Woodbury's formula: one m x m system. Where the ridge is small it loses digits, which two
        # steps of refinement give back.
        xp = array_namespace(self.factors, vectors)
        light = self.factors / self.ridge[:, None]
        small = self.factors.transpose(0, 2, 1) @ light + np.eye(self.factors.shape[2])

        def solved(right):
            inner = xp.linalg.solve(small, light.transpose(0, 2, 1) @ right[..., None])
            return right / self.ridge - (light @ inner)[..., 0]

        solution = solved(vectors)
        for _ in range(2):
            solution = solution + solved(vectors - self.apply(solution))
        return solution

    def apply(self, points):
        samples = multiply_each(self.factors.transpose(0, 2, 1), points)
        return multiply_each(self.factors, samples) + self.ridge * points

    def apply_rows(self, indices, point):
        samples = jnp.einsum("nim,i->nm", self.factors, point)
        rows = jnp.einsum("nkm,nm->nk", rows_of(self.factors, indices), samples)
        return rows + (self.ridge * point)[indices]

    def apply_columns(self, indices, values):
        samples = jnp.einsum("nkm,nk->nm", rows_of(self.factors, indices), values)
        result = jnp.einsum("nim,nm->ni", self.factors, samples)
        workers = jnp.arange(self.num_workers)[:, None]
        return result.at[workers, indices].add(self.ridge[indices] * values, mode="promise_in_bounds")

    def apply_block(self, indices, values):
        rows = rows_of(self.factors, indices)
        samples = jnp.einsum("nkm,nk->nm", rows, values)
        return jnp.einsum("nkm,nm->nk", rows, samples) + self.ridge[indices] * values

    def rounding(self):
        factors = np.asarray(self.factors)
        grams = factors.transpose(0, 2, 1) @ factors
        norms = np.linalg.norm(grams, axis=(1, 2)) + np.linalg.norm(np.asarray(self.ridge))
        return 10 * self.dim * np.finfo(norms.dtype).eps * norms

    def is_definite(self, worker, shift):
        return self.smallest_eigenvalue(worker) > -shift

    def smallest_eigenvalue(self, worker):
        # The factor's rank is below d: no more than the ridge is certain.
        return float(self.ridge.min())


def is_factor_cheaper(d: int, m: int) -> bool:
    """Whether a (d, m) factor is multiplied with, twice, for less than the (d, d) matrix."""
    return m < d / 2
