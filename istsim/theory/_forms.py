"""The matrix expressions behind each pattern of coinciding indices.

Each function sums over workers (the leading axis) and over all patterns, weighted by their
coefficients. Only two matrix products a worker are needed for four positions; the other patterns
are diagonal and Hadamard operations.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from istsim.theory._patterns import Coefficients


def vector_vector(r: Float[Array, "m d"], s: Float[Array, "m d"], k: Coefficients) -> Float[Array, "d d"]:
    """`sum r[a] s[b]` at positions (a | b)."""
    return k[0, 1] * jnp.einsum("ma,mb->ab", r, s) + jnp.diag(k[0, 0] * (r * s).sum(axis=0))


def matrix_vector(
    L: Float[Array, "m d d"], v: Float[Array, " d"], r: Float[Array, "m d"], k: Coefficients
) -> Float[Array, "d d"]:
    """`sum_c L[a,c] v[c] r[b]` at positions (a, c | b)."""
    diagonal = jnp.einsum("maa->ma", L)
    Lv, Dv = L @ v, diagonal * v
    outer = jnp.einsum("ma,mb->ab", k[0, 1, 2] * Lv + k[0, 0, 1] * Dv, r)  # none; a = c
    columns = k[0, 1, 1] * jnp.einsum("mab,b,mb->ab", L, v, r)  # c = b
    on_diagonal = ((k[0, 1, 0] * Lv + k[0, 0, 0] * Dv) * r).sum(axis=0)  # a = b; all
    return outer + columns + jnp.diag(on_diagonal)


def matrix_matrix(L: Float[Array, "m d d"], X: Float[Array, "d d"], k: Coefficients) -> Float[Array, "d d"]:
    """`sum_{c,e} L[a,c] X[c,e] L[b,e]` at positions (a, c | e, b), for symmetric L and any X."""
    D = jnp.einsum("maa->ma", L)  # diagonals of the L_i
    x = jnp.diag(X)
    LX = L @ X
    LX_diagonal = jnp.einsum("maa->ma", LX)
    XL_diagonal = jnp.einsum("be,meb->mb", X, L)

    # One product for all that ends in "times L": none; a = c; c = e.
    before_L = k[0, 1, 2, 3] * LX + k[0, 0, 1, 2] * D[:, :, None] * X + k[0, 1, 1, 2] * L * x
    result = jnp.einsum("mae,meb->ab", before_L, L)
    result += k[0, 1, 2, 2] * jnp.einsum("mab,mb->ab", LX, D)  # e = b
    result += k[0, 0, 1, 1] * X * jnp.einsum("ma,mb->ab", D, D)  # a = c, e = b
    result += k[0, 1, 0, 1] * X.T * (L * L).sum(axis=0)  # a = e, c = b
    rows = k[0, 1, 0, 2] * LX_diagonal + k[0, 0, 0, 1] * D * x  # a = e; a = c = e
    columns = k[0, 1, 2, 1] * XL_diagonal + k[0, 1, 1, 1] * D * x  # c = b; c = e = b
    result += jnp.einsum("mab,ma->ab", L, rows) + jnp.einsum("mab,mb->ab", L, columns)
    on_diagonal = (
        k[0, 1, 2, 0] * jnp.einsum("mae,mae->a", LX, L)  # a = b
        + k[0, 0, 1, 0] * (D * XL_diagonal).sum(axis=0)  # a = c = b
        + k[0, 1, 0, 0] * (D * LX_diagonal).sum(axis=0)  # a = e = b
        + k[0, 1, 1, 0] * (L * L).sum(axis=0) @ x  # a = b, c = e
        + k[0, 0, 0, 0] * (D * D).sum(axis=0) * x  # all
    )
    return result + jnp.diag(on_diagonal)
