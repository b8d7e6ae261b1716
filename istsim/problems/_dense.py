from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from istsim._arrays import array_namespace
from istsim._types import Array
from istsim.problems._hessians import Hessians, multiply_each, rows_of


@dataclasses.dataclass(frozen=True, eq=False)
class DenseHessians(Hessians):
    """L_i without structure: one (n, d, d) array; in NumPy with leading axes where they differ from round to round."""

    data_fields = ("matrices",)
    worker_fields = ("matrices",)
    matrices: Float[Array, "*rounds n d d"]

    @property
    def num_workers(self):
        return self.matrices.shape[0]

    @property
    def dim(self):
        return self.matrices.shape[1]

    def dense(self):
        return self.matrices

    def diagonal(self):
        return array_namespace(self.matrices).einsum("nii->ni", self.matrices)

    def mean(self):
        return DenseHessians(self.matrices.mean(axis=0, keepdims=True))

    def scaled(self, scale):
        return DenseHessians(scale[:, None] * self.matrices * scale)

    def solve(self, vectors):
        return array_namespace(self.matrices, vectors).linalg.solve(self.matrices, vectors[..., None])[..., 0]

    def apply(self, points):
        return multiply_each(self.matrices, points)

    def apply_rows(self, indices, point):
        return rows_of(self.matrices, indices) @ point

    def apply_columns(self, indices, values):
        # Columns are rows, by symmetry; rows are contiguous in memory.
        return jnp.einsum("nkj,nk->nj", rows_of(self.matrices, indices), values)

    def apply_block(self, indices, values):
        if array_namespace(self.matrices, indices) is np:  # of many rounds and points
            # Of one flat array, which NumPy gathers in half the time that it takes for three indices.
            rows = (np.arange(self.num_workers)[:, None] * self.dim + indices.astype(np.int64)) * self.dim
            block = np.take(self.matrices.reshape(-1), rows[..., None] + indices[..., None, :], mode="clip")
            return np.einsum("...ij,...j->...i", block, values)
        workers = jnp.arange(self.num_workers)[:, None, None]
        block = jnp.asarray(self.matrices).at[workers, indices[:, :, None], indices[:, None, :]]
        return jnp.einsum("nij,nj->ni", block.get(mode="promise_in_bounds"), values)

    def rounding(self):
        matrices = np.asarray(self.matrices)
        return 10 * self.dim * np.finfo(matrices.dtype).eps * np.linalg.norm(matrices, axis=(1, 2))

    def is_definite(self, worker, shift):
        # By Cholesky's factorisation, several times cheaper than eigenvalues.
        try:
            np.linalg.cholesky(np.asarray(self.matrices[worker], np.float64) + shift * np.eye(self.dim))
        except np.linalg.LinAlgError:
            return False
        return True

    def smallest_eigenvalue(self, worker):
        return float(np.linalg.eigvalsh(np.asarray(self.matrices[worker], np.float64))[0])
