"""The n matrices L_i, kept in whatever structure they have.

A structure says how to multiply and solve; nothing else in istsim knows how the L_i are stored. Index
arrays hold, for each worker, the distinct coordinates it was dealt.
"""

from __future__ import annotations

import abc
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from istsim._arrays import array_namespace
from istsim._pytree import Pytree
from istsim._types import Array

Tree = TypeVar("Tree")


class Hessians(Pytree, abc.ABC):
    """The symmetric positive semidefinite matrices L_1..L_n, each (d, d)."""

    @property
    @abc.abstractmethod
    def num_workers(self) -> int: ...

    @property
    @abc.abstractmethod
    def dim(self) -> int: ...

    @abc.abstractmethod
    def dense(self) -> Float[Array, "n d d"]:
        """All L_i as one array."""

    @abc.abstractmethod
    def diagonal(self) -> Float[Array, "n d"]:
        """The diagonals of the L_i."""

    @abc.abstractmethod
    def mean(self) -> Hessians:
        """Lbar, the average of the L_i, as that of a single worker."""

    @abc.abstractmethod
    def scaled(self, scale: Float[Array, " d"]) -> Hessians:
        """`diag(scale) L_i diag(scale)`."""

    def astype(self, dtype: Any) -> Hessians:
        """The same matrices in another precision."""
        return cast(self, dtype)

    @abc.abstractmethod
    def solve(self, vectors: Float[Array, "n d"]) -> Float[Array, "n d"]:
        """`L_i^-1 v_i` for each worker's own vector, where the L_i are positive definite."""

    @abc.abstractmethod
    def apply(self, points: Float[Array, "... n d"]) -> Float[Array, "... n d"]:
        """L_i x_i for each worker's own points x_i."""

    @abc.abstractmethod
    def apply_rows(self, indices: Int[Array, "n k"], point: Float[Array, " d"]) -> Float[Array, "n k"]:
        """The entries of L_i x at each worker's indices."""

    @abc.abstractmethod
    def apply_columns(self, indices: Int[Array, "n k"], values: Float[Array, "n k"]) -> Float[Array, "n d"]:
        """L_i x_i, where x_i is zero but for `values` at the indices."""

    @abc.abstractmethod
    def apply_block(self, indices: Int[Array, "n k"], values: Float[Array, "n k"]) -> Float[Array, "n k"]:
        """The entries of L_i x_i at the indices, where x_i is zero but for `values` there."""

    # Checks, on real values only.

    @abc.abstractmethod
    def rounding(self) -> Float[np.ndarray, " n"]:
        """The size of eigenvalues that rounding alone can produce in each L_i."""

    @abc.abstractmethod
    def is_definite(self, worker: int, shift: float) -> bool:
        """Whether `L_i + shift I` is positive definite, for one worker."""

    @abc.abstractmethod
    def smallest_eigenvalue(self, worker: int) -> float:
        """The smallest eigenvalue of one worker's L_i."""


def cast(tree: Tree, dtype: Any) -> Tree:
    """A tree with its floating-point arrays in another precision, and all others as they are."""

    def convert(array: Array) -> Array:
        return array.astype(dtype) if jnp.issubdtype(array.dtype, jnp.floating) else array

    return jax.tree.map(convert, tree)


def multiply_each(
    matrices: Float[Array, "*rounds n i j"], points: Float[Array, "*points n j"]
) -> Float[Array, "*_ n i"]:
    """Each worker's matrix times each of its points."""
    if array_namespace(matrices, points) is jnp:
        return jnp.einsum("nij,...nj->...ni", matrices, points)
    # NumPy's einsum would not use BLAS: one product of matrices a worker does.
    if matrices.ndim > 3:  # as many matrices as points
        return (matrices @ points[..., None])[..., 0]
    n, i, j = matrices.shape
    products = np.moveaxis(points, -2, 0).reshape(n, -1, j) @ matrices.transpose(0, 2, 1)
    return np.moveaxis(products.reshape(n, *points.shape[:-2], i), 0, -2)


def rows_of(table: Float[Array, "n d ..."], indices: Int[Array, "*_ n k"]) -> Float[Array, "..."]:
    """For each worker the rows of its table at its indices, which are known to be in range; in NumPy of many rounds."""
    workers = np.arange(indices.shape[-2])[:, None]
    if array_namespace(table, indices) is np:
        return table[workers, indices]
    return jnp.asarray(table).at[workers, indices].get(mode="promise_in_bounds")
