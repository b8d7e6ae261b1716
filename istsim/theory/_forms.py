"""The matrix expressions behind each pattern of coinciding indices.

A moment is a sum, over inner indices, of products of matrix entries with a weight that depends only on which
positions hold equal coordinates (see `_patterns`). Each form below sums over all patterns and over
the leading axis of its arrays, one entry a worker; `k[pattern]` holds each worker's coefficient.

There are two versions. Where every coordinate is held on its own, a pattern equates coordinates: its
expression is diagonal or entrywise, and two matrix products a worker serve all 15 patterns of four positions.
Where coordinates are held in groups, a pattern equates groups: what was diagonal becomes block diagonal,
and entrywise products become products of blocks.

The form of four positions, `F_k(X)[a,b] = sum L[a,c] X[c,e] L[e,b]`, read backwards is the transpose of that of X' with
the patterns reversed. So half of it is enough: `F_k(X) = H_k(X) + H_reversed(k)(X')'`, H having one of each two
mirrored terms and half of each that is its own mirror image. Where only the symmetric part is wanted, as
in a recursion for symmetric moments, half of the work is too.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from istsim._pytree import Pytree
from istsim._types import Array
from istsim.theory._patterns import Pattern

WorkerCoefficients = Mapping[Pattern, Float[Array, " m"]]


class Between(NamedTuple):
    """A matrix X between two L, and the coefficients of the positions (a, c | e, b)."""

    X: Float[Array, "d d"]
    k: WorkerCoefficients


class OuterBetween(NamedTuple):
    """The matrix `left right'` between two L, with which products cost no more than with a vector."""

    left: Float[Array, " d"]
    right: Float[Array, " d"]
    k: WorkerCoefficients


def backwards(k: WorkerCoefficients) -> WorkerCoefficients:
    """The coefficients of the positions read from right to left."""

    def turned(pattern: Pattern) -> Pattern:
        names: dict[int, int] = {}
        return tuple(names.setdefault(label, len(names)) for label in reversed(pattern))

    return {turned(pattern): value for pattern, value in k.items()}


def added(k: WorkerCoefficients, other: WorkerCoefficients) -> WorkerCoefficients:
    """The sums of two sets of coefficients."""
    return {pattern: value + other[pattern] for pattern, value in k.items()}


class Forms(Pytree, abc.ABC):
    """The expressions for n symmetric matrices L (and perhaps their sum, as one more worker's).

    Attributes:
        L: shape (m, d, d).
    """

    L: Float[Array, "m d d"]

    @staticmethod
    def of(L: Float[Array, "m d d"], labels: Int[np.ndarray, " d"]) -> Forms:
        """The forms for coordinates with these labels; equal ones are always held together."""
        groups = np.unique(labels, return_inverse=True)[1]
        if groups.max() + 1 == len(labels):
            return CoordinateForms.of_matrices(L)
        return GroupForms(L, tuple(groups.tolist()))

    @abc.abstractmethod
    def vector_vector(
        self, r: Float[Array, "w d"], s: Float[Array, "w d"], k: WorkerCoefficients
    ) -> Float[Array, "d d"]:
        """`sum r[a] s[b]` at positions (a | b)."""

    @abc.abstractmethod
    def matrix_vector(
        self, v: Float[Array, " d"], s: Float[Array, "m d"], k: WorkerCoefficients
    ) -> Float[Array, "d d"]:
        """`sum_c L[a,c] v[c] s[b]` at positions (a, c | b)."""

    @abc.abstractmethod
    def matrix_diagonal(
        self, X: Float[Array, "d d"], s: Float[Array, "m d"], k: WorkerCoefficients
    ) -> Float[Array, "d d"]:
        """`sum_c L[a,c] X[c,b] s[b]` at positions (a, c | b)."""

    @abc.abstractmethod
    def half(self, terms: Sequence[Between | OuterBetween]) -> Float[Array, "d d"]:
        """H, summed over the terms."""

    def matrix_matrix(self, X: Float[Array, "d d"], k: WorkerCoefficients) -> Float[Array, "d d"]:
        """F: `sum_{c,e} L[a,c] X[c,e] L[e,b]` at positions (a, c | e, b)."""
        return self.half([Between(X, k)]) + self.half([Between(X.T, backwards(k))]).T

    def symmetric_part(
        self, X: Float[Array, "d d"], k: WorkerCoefficients, outer: OuterBetween | None = None
    ) -> Float[Array, "d d"]:
        """A matrix with the symmetric part of F, for a symmetric X and the outer term together."""
        terms: list[Between | OuterBetween] = [Between(X, added(k, backwards(k)))]
        if outer is not None:
            terms += [outer, OuterBetween(outer.right, outer.left, backwards(outer.k))]
        return self.half(terms)


class CoordinateForms(Forms):
    """Every coordinate is held on its own.

    Attributes:
        D: shape (m, d), the diagonals of L.
        squares, rows, outers: shape (2, d, d), sums of `L[a,b]^2`, `D[a] L[a,b]` and `D[a] D[b]`, over all but the
            last entry and for the last, since all but the last have equal coefficients.
    """

    data_fields = ("L", "D", "squares", "rows", "outers")
    D: Float[Array, "m d"]
    squares: Float[Array, "2 d d"]
    rows: Float[Array, "2 d d"]
    outers: Float[Array, "2 d d"]

    @classmethod
    def of_matrices(cls, L: Float[Array, "m d d"]) -> CoordinateForms:
        """Compute the sums."""
        forms, D = object.__new__(cls), jnp.einsum("maa->ma", L)

        def summed(of_worker: Any) -> Float[Array, "2 d d"]:
            def add(total: Any, worker: Any) -> Any:
                return total + of_worker(*worker), None

            total, _ = jax.lax.scan(add, jnp.zeros_like(L[0]), (L[:-1], D[:-1]))
            return jnp.stack([total, of_worker(L[-1], D[-1])])

        squares, rows = summed(lambda L, D: L * L), summed(lambda L, D: D[:, None] * L)
        vars(forms).update(L=L, D=D, squares=squares, rows=rows, outers=summed(lambda L, D: jnp.outer(D, D)))
        return forms

    def vector_vector(self, r, s, k):
        """Outer products, and their diagonals."""
        return (k[0, 1][:, None] * r).T @ s + jnp.diag(k[0, 0] @ (r * s))

    def matrix_vector(self, v, s, k):
        """Outer products with L v."""
        k = {pattern: value[:, None] for pattern, value in k.items()}
        Lv, Dv = self.L @ v, self.D * v
        outer = (k[0, 1, 2] * Lv + k[0, 0, 1] * Dv).T @ s  # none; a = c
        columns = _weighted_sum(self.L, k[0, 1, 1] * v * s)  # c = b
        on_diagonal = ((k[0, 1, 0] * Lv + k[0, 0, 0] * Dv) * s).sum(axis=0)  # a = b; all
        return outer + columns + jnp.diag(on_diagonal)

    def matrix_diagonal(self, X, s, k):
        """One matrix product a worker."""
        k = {pattern: value[:, None] for pattern, value in k.items()}
        LX, x = self.L @ X, jnp.diag(X)
        whole = _weighted_sum(LX, k[0, 1, 2] * s) + X * ((k[0, 0, 1] * self.D).T @ s)  # none; a = c
        columns = _weighted_sum(self.L, k[0, 1, 1] * x * s)  # c = b
        LX_diagonal = jnp.einsum("maa->ma", LX)
        on_diagonal = ((k[0, 1, 0] * LX_diagonal + k[0, 0, 0] * self.D * x) * s).sum(axis=0)  # a = b; all
        return whole + columns + jnp.diag(on_diagonal)

    def half(self, terms):
        """The products L X, and one more for all that ends in "times L"."""
        L, D = self.L, self.D
        before_L = jnp.zeros_like(L)
        between = held_twice = rows = on_diagonal = jnp.zeros_like(D)
        result = jnp.zeros_like(L[0])
        for term in terms:
            k = {pattern: value[:, None] for pattern, value in term.k.items()}
            ends = {pattern: value[jnp.array([0, -1])] for pattern, value in term.k.items()}
            if isinstance(term, Between):
                X, x, LX = term.X, jnp.diag(term.X), L @ term.X
                LX_diagonal = jnp.einsum("maa->ma", LX)
                before_L += k[0, 1, 2, 3][..., None] * LX / 2  # none
                result += _weighted_sum(LX, k[0, 1, 2, 2] * D)  # e = b
                on_diagonal += k[0, 1, 2, 0] * jnp.einsum("mae,mae->ma", LX, L) / 2  # a = b
            else:
                X, x = jnp.outer(term.left, term.right), term.left * term.right
                L_left, L_right = L @ term.left, L @ term.right
                LX_diagonal = L_left * term.right
                result += (k[0, 1, 2, 3] * L_left).T @ L_right / 2  # none
                result += (k[0, 1, 2, 2] * L_left).T @ (D * term.right)  # e = b
                on_diagonal += k[0, 1, 2, 0] * L_left * L_right / 2  # a = b
            between += k[0, 1, 1, 2] * x / 2  # c = e
            held_twice += k[0, 1, 1, 0] * x / 2  # a = b, c = e
            rows += k[0, 1, 0, 2] * LX_diagonal  # a = e
            on_diagonal += k[0, 1, 0, 0] * D * LX_diagonal + k[0, 0, 0, 0] * D * D * x / 2  # a = e = b; all

            def of(pattern: Pattern, sums: Float[Array, "2 d d"], ends: Any = ends) -> Float[Array, "d d"]:
                return jnp.tensordot(ends[pattern], sums, axes=1)

            result += X * of((0, 0, 1, 1), self.outers) / 2 + X.T * of((0, 1, 0, 1), self.squares) / 2
            result += x[:, None] * of((0, 0, 0, 1), self.rows)  # a = c = e
        # All workers but the last have the same coefficients, and so the same row here.
        squared = self.squares[0] @ held_twice[0] + self.squares[1] @ held_twice[-1]
        result += _weighted_sum(L, rows, on_rows=True) + jnp.diag(on_diagonal.sum(axis=0) + squared)
        return result + jnp.einsum("mae,meb->ab", before_L + L * between[:, None, :], L)


def _weighted_sum(
    matrices: Float[Array, "m d d"], weights: Float[Array, "m d"], *, on_rows: bool = False
) -> Float[Array, "d d"]:
    """`sum_m matrices[m] diag(weights[m])`, or with the diagonals on the left.

    One worker after the other: XLA adds up over a leading axis of large arrays ten times more slowly.
    """

    def add(total: Any, worker: Any) -> Any:
        matrix, weight = worker
        return total + matrix * (weight[:, None] if on_rows else weight), None

    return jax.lax.scan(add, jnp.zeros_like(matrices[0]), (matrices, weights))[0]


class GroupForms(Forms):
    """Coordinates of one group are held together.

    Attributes:
        groups: the group of every coordinate, from 0 on.
    """

    data_fields = ("L",)
    groups: tuple[int, ...]

    def __init__(self, L: Float[Array, "m d d"], groups: tuple[int, ...]):
        self.L, self.groups = L, groups

    def _together(self, matrices: Float[Array, "... d d"]) -> Float[Array, "... d d"]:
        """The entries whose two coordinates are of one group, the others 0."""
        labels = np.asarray(self.groups)
        return jnp.where(labels[:, None] == labels, matrices, 0)

    def vector_vector(self, r, s, k):
        """Outer products, and their diagonal blocks."""
        whole, inside = ((k[pattern][:, None] * r).T @ s for pattern in ((0, 1), (0, 0)))
        return whole + self._together(inside)

    def matrix_vector(self, v, s, k):
        """As `matrix_diagonal` with `X = v 1'`."""
        return self.matrix_diagonal(jnp.broadcast_to(v[:, None], self.L.shape[1:]), s, k)

    def matrix_diagonal(self, X, s, k):
        """Two matrix products a worker, and one of their block diagonals."""
        k = {pattern: value[:, None, None] for pattern, value in k.items()}
        L, block = self.L, self._together(self.L)
        LX, X_inside = L @ X, self._together(X)
        whole = k[0, 1, 2] * LX + k[0, 0, 1] * (block @ X) + k[0, 1, 1] * (L @ X_inside)
        inside = self._together(k[0, 1, 0] * LX + k[0, 0, 0] * (block @ X))
        return jnp.sum((whole + inside) * s[:, None, :], axis=0)

    def half(self, terms):
        """All of F, halved."""
        matrices = [
            term if isinstance(term, Between) else Between(jnp.outer(term.left, term.right), term.k) for term in terms
        ]
        return jnp.sum(jnp.stack([self.matrix_matrix(term.X, term.k) for term in matrices]), axis=0) / 2

    def matrix_matrix(self, X, k):
        """Products from the left, gathered by what they are multiplied with from the right."""
        k = {pattern: value[:, None, None] for pattern, value in k.items()}
        L, block = self.L, self._together(self.L)
        LX, XL, block_X, X_block = L @ X, X @ L, block @ X, X @ block
        LX_inside, block_X_inside, L_X_inside = self._together(LX), self._together(block_X), L @ self._together(X)
        before_L = k[0, 1, 2, 3] * LX + k[0, 0, 1, 2] * block_X  # none; a = c
        before_L += k[0, 1, 1, 2] * L_X_inside  # c = e
        before_L += k[0, 1, 0, 2] * LX_inside + k[0, 0, 0, 1] * block_X_inside  # a = e; a = c = e
        before_block = k[0, 1, 2, 2] * LX + k[0, 0, 1, 1] * block_X  # e = b; a = c, e = b
        before_block += k[0, 1, 0, 0] * LX_inside + k[0, 0, 0, 0] * block_X_inside  # a = e = b; all
        # a = b; a = c = b; a = b, c = e
        before_L_inside = k[0, 1, 2, 0] * LX + k[0, 0, 1, 0] * block_X + k[0, 1, 1, 0] * L_X_inside
        # c = b; c = e = b
        after_L = k[0, 1, 2, 1] * self._together(XL) + k[0, 1, 1, 1] * self._together(X_block)
        result = self._crossed(k[0, 1, 0, 1] * L, X, L)  # a = e, c = b
        for left, right in ((before_L, L), (before_block, block), (L, after_L)):
            result += jnp.einsum("mae,meb->ab", left, right)
        return result + self._together(jnp.einsum("mae,meb->ab", before_L_inside, L))

    def _crossed(self, left: Any, X: Any, right: Any) -> Float[Array, "d d"]:
        """`sum L[a,c] X[c,e] L[e,b]` with c in b's group and e in a's, summed over workers: by pairs of groups."""
        labels = np.asarray(self.groups)
        members = [np.flatnonzero(labels == group) for group in range(labels.max() + 1)]
        size, d = max(map(len, members)), len(labels)
        # Groups padded to one size by an index beyond the last: zero when read, dropped when written.
        index = np.full((len(members), size), d)
        for group, inside in enumerate(members):
            index[group, : len(inside)] = inside
        rows, columns = index[:, None, :, None], index[None, :, None, :]

        def blocks(matrix: Any) -> Any:
            """Shape (..., group, group, size, size)."""
            return jnp.pad(matrix, [(0, 0)] * (matrix.ndim - 2) + [(0, 1), (0, 1)])[..., rows, columns]

        middle = jnp.swapaxes(blocks(X), -4, -3)  # that of (b's group, a's group)
        product = (blocks(left) @ middle @ blocks(right)).sum(axis=0)
        return jnp.zeros((d, d), product.dtype).at[rows, columns].set(product, mode="drop")
