"""The matrix expressions behind each pattern of coinciding indices.

A moment is a sum, over inner indices, of products of matrix entries with a weight that depends only on which
positions hold equal coordinates (see `_patterns`). Each form below sums over all patterns and over
the leading axis of its arrays, one entry a worker; `k[pattern]` holds each worker's coefficient.

There are two versions. Where every coordinate is held on its own, a pattern equates coordinates: its
expression is diagonal or entrywise, and two matrix products a worker serve all 15 patterns of four positions.
Where coordinates are held in groups, a pattern equates groups: what was diagonal becomes block diagonal,
and entrywise products become products of blocks.

Matrices and vectors that vary from round to round may have leading axes: their forms are computed together.

The form of four positions, `F_k(X)[a,b] = sum L[a,c] X[c,e] L[e,b]`, read backwards is the transpose of that of X' with
the patterns reversed. So half of it is enough: `F_k(X) = H_k(X) + H_reversed(k)(X')'`, H having one of each two
mirrored terms and half of each that is its own mirror image. Where only the symmetric part is wanted, as
in a recursion for symmetric moments, half of the work is too.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from istsim._arrays import array_namespace, scan
from istsim._pytree import Pytree
from istsim._types import Array
from istsim.theory._patterns import Pattern

WorkerCoefficients = Mapping[Pattern, Float[Array, " m"]]


class Between(NamedTuple):
    """A matrix X between two L, and the coefficients of the positions (a, c | e, b)."""

    X: Float[Array, "*many d d"]
    k: WorkerCoefficients


class OuterBetween(NamedTuple):
    """The matrix `left right'` between two L, with which products cost no more than with a vector."""

    left: Float[Array, "*many d"]
    right: Float[Array, "*many d"]
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


def transposed(matrices: Float[Array, "*many i j"]) -> Float[Array, "*many j i"]:
    """The transposes of matrices along leading axes."""
    return array_namespace(matrices).swapaxes(matrices, -1, -2)


def on_diagonal(vectors: Float[Array, "*many d"]) -> Float[Array, "*many d d"]:
    """Diagonal matrices of vectors along leading axes."""
    return vectors[..., None] * np.eye(vectors.shape[-1])


def diagonals(matrices: Float[Array, "*many d d"]) -> Float[Array, "*many d"]:
    """The diagonals of matrices along leading axes."""
    return array_namespace(matrices).einsum("...aa->...a", matrices)


def outer(left: Float[Array, "*_ d"], right: Float[Array, "*_ d"]) -> Float[Array, "*_ d d"]:
    """`left right'`, along leading axes."""
    return left[..., :, None] * right[..., None, :]


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
        self, v: Float[Array, "*many d"], s: Float[Array, "m d"], k: WorkerCoefficients
    ) -> Float[Array, "*many d d"]:
        """`sum_c L[a,c] v[c] s[b]` at positions (a, c | b)."""

    @abc.abstractmethod
    def matrix_diagonal(
        self, X: Float[Array, "*many d d"], s: Float[Array, "m d"], k: WorkerCoefficients
    ) -> Float[Array, "*many d d"]:
        """`sum_c L[a,c] X[c,b] s[b]` at positions (a, c | b)."""

    @abc.abstractmethod
    def half(self, terms: Sequence[Between | OuterBetween]) -> Float[Array, "*many d d"]:
        """H, summed over the terms."""

    def matrix_matrix(self, X: Float[Array, "*many d d"], k: WorkerCoefficients) -> Float[Array, "*many d d"]:
        """F: `sum_{c,e} L[a,c] X[c,e] L[e,b]` at positions (a, c | e, b)."""
        return self.half([Between(X, k)]) + transposed(self.half([Between(transposed(X), backwards(k))]))

    def symmetric_part(
        self, X: Float[Array, "*many d d"], k: WorkerCoefficients, outer: OuterBetween | None = None
    ) -> Float[Array, "*many d d"]:
        """A matrix with the symmetric part of F, for a symmetric X and the outer term together."""
        terms: list[Between | OuterBetween] = [Between(X, added(k, backwards(k)))]
        if outer is not None:
            terms += [outer, OuterBetween(outer.right, outer.left, backwards(outer.k))]
        return self.half(terms)


class CoordinateForms(Forms):
    """Every coordinate is held on its own.

    Attributes:
        rows: shape (d, m, d), the L once more, the rows outermost: products with all of them, and sums over the
            workers of products, are then each one product of two matrices.
        D: shape (m, d), the diagonals of L.
        squares, scaled_rows, outers: shape (2, d, d), sums of `L[a,b]^2`, `D[a] L[a,b]` and `D[a] D[b]`, over all but
            the last entry and for the last, since all but the last have equal coefficients.
    """

    data_fields = ("L", "rows", "D", "squares", "scaled_rows", "outers")
    rows: Float[Array, "d m d"]
    D: Float[Array, "m d"]
    squares: Float[Array, "2 d d"]
    scaled_rows: Float[Array, "2 d d"]
    outers: Float[Array, "2 d d"]

    @classmethod
    def of_matrices(cls, L: Float[Array, "m d d"]) -> CoordinateForms:
        """Compute the sums."""
        forms, xp = object.__new__(cls), array_namespace(L)
        D = diagonals(L)

        def sums(of_workers: Any) -> Float[Array, "2 d d"]:
            return xp.stack([of_workers(L[:-1], D[:-1]), of_workers(L[-1:], D[-1:])])

        vars(forms).update(
            L=L,
            rows=xp.stack(L, axis=1),
            D=D,
            squares=sums(lambda L, D: xp.einsum("mab,mab->ab", L, L)),
            scaled_rows=sums(lambda L, D: xp.einsum("ma,mab->ab", D, L)),
            outers=sums(lambda L, D: D.T @ D),
        )
        return forms

    def _times(self, X: Float[Array, "*many d d"]) -> Float[Array, "*many d m d"]:
        """`L X` for every L, the rows outermost: one matrix product."""
        d, m, _ = self.rows.shape
        return (self.rows.reshape(d * m, d) @ X).reshape(*X.shape[:-2], d, m, d)

    def vector_vector(self, r, s, k):
        """Outer products, and their diagonals."""
        return (k[0, 1][:, None] * r).T @ s + on_diagonal(k[0, 0] @ (r * s))

    def matrix_vector(self, v, s, k):
        """Outer products with L v."""
        k = {pattern: value[:, None] for pattern, value in k.items()}
        v = v[..., None, :]
        Lv, Dv = (v @ self.L.reshape(-1, v.shape[-1]).T).reshape(*v.shape[:-2], *self.D.shape), self.D * v
        outers = transposed(k[0, 1, 2] * Lv + k[0, 0, 1] * Dv) @ s  # none; a = c
        columns = self._weighted_columns(k[0, 1, 1] * v * s)  # c = b
        diagonal = ((k[0, 1, 0] * Lv + k[0, 0, 0] * Dv) * s).sum(axis=-2)  # a = b; all
        return outers + columns + on_diagonal(diagonal)

    def matrix_diagonal(self, X, s, k):
        """One matrix product a worker."""
        xp = array_namespace(X, self.L)
        k = {pattern: value[:, None] for pattern, value in k.items()}
        LX, x = self._times(X), diagonals(X)[..., None, :]
        whole = xp.einsum("...amb,mb->...ab", LX, k[0, 1, 2] * s) + X * ((k[0, 0, 1] * self.D).T @ s)  # none; a = c
        columns = self._weighted_columns(k[0, 1, 1] * x * s)  # c = b
        LX_diagonal = xp.einsum("...ama->...ma", LX)
        diagonal = ((k[0, 1, 0] * LX_diagonal + k[0, 0, 0] * self.D * x) * s).sum(axis=-2)  # a = b; all
        return whole + columns + on_diagonal(diagonal)

    def half(self, terms):
        """The products L X, and one more for all that ends in "times L"."""
        rows, D = self.rows, self.D
        d, m, _ = rows.shape
        xp = array_namespace(rows, *(value for term in terms for value in term[:-1]))
        before_L: Any = 0.0
        between: Any = 0.0
        held_twice: Any = 0.0
        row_weights: Any = 0.0
        diagonal: Any = 0.0
        result: Any = 0.0
        for term in terms:
            k = {pattern: value[:, None] for pattern, value in term.k.items()}
            ends = {pattern: value[np.array([0, -1])] for pattern, value in term.k.items()}
            if isinstance(term, Between):
                X, x, LX = term.X, diagonals(term.X)[..., None, :], self._times(term.X)
                LX_diagonal = xp.einsum("...ama->...ma", LX)
                before_L += k[0, 1, 2, 3] / 2 * LX  # none
                result += xp.einsum("...amb,mb->...ab", LX, k[0, 1, 2, 2] * D)  # e = b
                diagonal += k[0, 1, 2, 0] * xp.einsum("...ame,ame->...ma", LX, rows) / 2  # a = b
            else:
                X, x = outer(term.left, term.right), (term.left * term.right)[..., None, :]
                L_left, L_right = (self._with_vector(vector) for vector in (term.left, term.right))
                LX_diagonal = L_left * term.right[..., None, :]
                result += transposed(k[0, 1, 2, 3] * L_left) @ L_right / 2  # none
                result += transposed(k[0, 1, 2, 2] * L_left) @ (D * term.right[..., None, :])  # e = b
                diagonal += k[0, 1, 2, 0] * L_left * L_right / 2  # a = b
            between += k[0, 1, 1, 2] * x / 2  # c = e
            held_twice += k[0, 1, 1, 0] * x / 2  # a = b, c = e
            row_weights += k[0, 1, 0, 2] * LX_diagonal  # a = e
            diagonal += k[0, 1, 0, 0] * D * LX_diagonal + k[0, 0, 0, 0] * D * D * x / 2  # a = e = b; all

            def of(pattern: Pattern, sums: Float[Array, "2 d d"], ends: Any = ends) -> Float[Array, "d d"]:
                return ends[pattern][0] * sums[0] + ends[pattern][1] * sums[1]

            result += X * of((0, 0, 1, 1), self.outers) / 2 + transposed(X) * of((0, 1, 0, 1), self.squares) / 2
            result += transposed(x) * of((0, 0, 0, 1), self.scaled_rows)  # a = c = e
        # All workers but the last have the same coefficients, and so the same entry here.
        squared = held_twice[..., 0, :] @ self.squares[0] + held_twice[..., -1, :] @ self.squares[1]
        result += self._weighted_rows(row_weights) + on_diagonal(diagonal.sum(axis=-2) + squared)
        before_L = before_L + between[..., None, :, :] * rows
        return result + before_L.reshape(*before_L.shape[:-3], d, m * d) @ self.L.reshape(m * d, d)

    def _with_vector(self, vector: Float[Array, "*many d"]) -> Float[Array, "*many m d"]:
        """`L v` for every L."""
        m, d = self.D.shape
        return (vector @ self.L.reshape(m * d, d).T).reshape(*vector.shape[:-1], m, d)

    def _weighted_columns(self, weights: Float[Array, "*many m d"]) -> Float[Array, "*many d d"]:
        """`sum_m L_m diag(weights_m)`."""
        return transposed(self._weighted_rows(weights))  # the L are symmetric

    def _weighted_rows(self, weights: Float[Array, "*many m d"]) -> Float[Array, "*many d d"]:
        """`sum_m diag(weights_m) L_m`."""
        if array_namespace(weights, self.L) is np:
            return np.einsum("...ma,mab->...ab", weights, self.L)

        # One worker after the other: XLA adds up over a leading axis of large arrays ten times more slowly.
        def add(total: Any, index: Any) -> Any:
            return total + weights[..., index, :, None] * self.L[index], ()

        start = jnp.zeros((*weights.shape[:-2], *self.L.shape[1:]))
        return scan(jnp, add, start, jnp.arange(len(self.L)))[0]


class GroupForms(Forms):
    """Coordinates of one group are held together.

    Attributes:
        groups: the group of every coordinate, from 0 on.
    """

    data_fields = ("L",)
    groups: tuple[int, ...]

    def __init__(self, L: Float[Array, "m d d"], groups: tuple[int, ...]):
        self.L, self.groups = L, groups

    def _together(self, matrices: Float[Array, "*many d d"]) -> Float[Array, "*many d d"]:
        """The entries whose two coordinates are of one group, the others 0."""
        labels = np.asarray(self.groups)
        return array_namespace(matrices).where(labels[:, None] == labels, matrices, 0)

    def vector_vector(self, r, s, k):
        """Outer products, and their diagonal blocks."""
        whole, inside = ((k[pattern][:, None] * r).T @ s for pattern in ((0, 1), (0, 0)))
        return whole + self._together(inside)

    def matrix_vector(self, v, s, k):
        """As `matrix_diagonal` with `X = v 1'`."""
        return self.matrix_diagonal(outer(v, np.ones(v.shape[-1])), s, k)

    def matrix_diagonal(self, X, s, k):
        """Two matrix products a worker, and one of their block diagonals."""
        k = {pattern: value[:, None, None] for pattern, value in k.items()}
        L, block, X = self.L, self._together(self.L), X[..., None, :, :]
        LX, X_inside = L @ X, self._together(X)
        whole = k[0, 1, 2] * LX + k[0, 0, 1] * (block @ X) + k[0, 1, 1] * (L @ X_inside)
        inside = self._together(k[0, 1, 0] * LX + k[0, 0, 0] * (block @ X))
        return ((whole + inside) * s[:, None, :]).sum(axis=-3)

    def half(self, terms):
        """All of F, halved."""
        matrices = [
            term if isinstance(term, Between) else Between(outer(term.left, term.right), term.k) for term in terms
        ]
        return sum(self.matrix_matrix(term.X, term.k) for term in matrices) / 2

    def matrix_matrix(self, X, k):
        """Products from the left, gathered by what they are multiplied with from the right."""
        k = {pattern: value[:, None, None] for pattern, value in k.items()}
        L, block, X = self.L, self._together(self.L), X[..., None, :, :]
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
        products = before_L @ L + before_block @ block + L @ after_L
        products += self._crossed(k[0, 1, 0, 1] * L, X, L)  # a = e, c = b
        return (products + self._together(before_L_inside @ L)).sum(axis=-3)

    def _crossed(self, left: Any, X: Any, right: Any) -> Float[Array, "*many m d d"]:
        """`sum L[a,c] X[c,e] L[e,b]` with c in b's group and e in a's, for every worker: by pairs of groups."""
        xp, labels = array_namespace(left, X), np.asarray(self.groups)
        members = [np.flatnonzero(labels == group) for group in range(labels.max() + 1)]
        size, d = max(map(len, members)), len(labels)
        # Groups padded to one size by an index beyond the last, where a matrix is zero.
        index, place = np.full((len(members), size), d), np.empty(d, int)
        for group, inside in enumerate(members):
            index[group, : len(inside)], place[inside] = inside, np.arange(len(inside))
        rows, columns = index[:, None, :, None], index[None, :, None, :]

        def blocks(matrix: Any) -> Any:
            """Shape (..., group, group, size, size)."""
            return xp.pad(matrix, [(0, 0)] * (matrix.ndim - 2) + [(0, 1), (0, 1)])[..., rows, columns]

        middle = xp.swapaxes(blocks(X), -4, -3)  # that of (b's group, a's group)
        product = blocks(left) @ middle @ blocks(right)
        return product[..., labels[:, None], labels, place[:, None], place]
