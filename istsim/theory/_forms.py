"""The matrix expressions behind each pattern of coinciding indices.

Each function sums over the leading axis of its arrays, one entry a worker, and over all patterns;
`k[pattern]` holds each worker's coefficient. Only two matrix products a worker are needed for four
positions; the other patterns are diagonal and Hadamard operations.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, Float

from istsim.theory._patterns import Pattern

WorkerCoefficients = Mapping[Pattern, Float[Array, " m"]]


def vector_vector(r: Float[Array, "m d"], k: WorkerCoefficients) -> Float[Array, "d d"]:
    """`sum r[a] r[b]` at positions (a | b)."""
    return jnp.einsum("m,ma,mb->ab", k[0, 1], r, r) + jnp.diag(k[0, 0] @ (r * r))


def matrix_vector(
    L: Float[Array, "m d d"], v: Float[Array, " d"], r: Float[Array, "m d"], k: WorkerCoefficients
) -> Float[Array, "d d"]:
    """`sum_c L[a,c] v[c] r[b]` at positions (a, c | b)."""
    k = {pattern: value[:, None] for pattern, value in k.items()}
    Lv, Dv = L @ v, jnp.einsum("maa->ma", L) * v
    outer = jnp.einsum("ma,mb->ab", k[0, 1, 2] * Lv + k[0, 0, 1] * Dv, r)  # none; a = c
    columns = jnp.einsum("mab,mb->ab", L, k[0, 1, 1] * v * r)  # c = b
    on_diagonal = ((k[0, 1, 0] * Lv + k[0, 0, 0] * Dv) * r).sum(axis=0)  # a = b; all
    return outer + columns + jnp.diag(on_diagonal)


def matrix_matrix(L: Float[Array, "m d d"], X: Float[Array, "d d"], k: WorkerCoefficients) -> Float[Array, "d d"]:
    """`sum_{c,e} L[a,c] X[c,e] L[b,e]` at positions (a, c | e, b), for symmetric L and any X."""
    k = {pattern: value[:, None] for pattern, value in k.items()}
    D, x = jnp.einsum("maa->ma", L), jnp.diag(X)
    LX = L @ X
    LX_diagonal, XL_diagonal = jnp.einsum("maa->ma", LX), jnp.einsum("be,meb->mb", X, L)

    # One product for all that ends in "times L": none; a = c; c = e.
    before_L = k[0, 1, 2, 3][..., None] * LX + (k[0, 0, 1, 2] * D)[..., None] * X
    before_L += L * (k[0, 1, 1, 2] * x)[:, None, :]
    result = jnp.einsum("mae,meb->ab", before_L, L)
    result += jnp.einsum("mab,mb->ab", LX, k[0, 1, 2, 2] * D)  # e = b
    result += X * jnp.einsum("ma,mb->ab", k[0, 0, 1, 1] * D, D)  # a = c, e = b
    rows = k[0, 1, 0, 2] * LX_diagonal + k[0, 0, 0, 1] * D * x  # a = e; a = c = e
    columns = k[0, 1, 2, 1] * XL_diagonal + k[0, 1, 1, 1] * D * x  # c = b; c = e = b
    hadamard = k[0, 1, 0, 1][..., None] * X.T * L  # a = e, c = b
    result += jnp.sum(L * (rows[:, :, None] + columns[:, None, :] + hadamard), axis=0)
    on_diagonal = (
        k[0, 1, 2, 0] * jnp.sum(LX * L, axis=2)  # a = b
        + k[0, 0, 1, 0] * D * XL_diagonal  # a = c = b
        + k[0, 1, 0, 0] * D * LX_diagonal  # a = e = b
        + k[0, 1, 1, 0] * ((L * L) @ x)  # a = b, c = e
        + k[0, 0, 0, 0] * D * D * x  # all
    )
    return result + jnp.diag(on_diagonal.sum(axis=0))
