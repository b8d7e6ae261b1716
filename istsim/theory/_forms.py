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
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from istsim._arrays import array_namespace
from istsim._pytree import Pytree
from istsim._types import Array
from istsim.theory._patterns import Pattern

WorkerCoefficients = Mapping[Pattern, Float[Array, " m"]]


class Between(NamedTuple):
    """A matrix X between two L, and the coefficients of the positions (a, c | e, b) as `Forms.prepared` makes them."""

    X: Float[Array, "*many d d"]
    k: Any


class OuterBetween(NamedTuple):
    """The matrix `left right'` between two L, with which products cost no more than with a vector."""

    left: Float[Array, "*many d"]
    right: Float[Array, "*many d"]
    k: Any


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
    """The expressions for n symmetric matrices L (and perhaps their sum, as one more worker's)."""

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

    def prepared(self, k: WorkerCoefficients) -> Any:
        """The coefficients of four positions with all that follows from them and the L alone."""
        return k

    @abc.abstractmethod
    def half(self, terms: Sequence[Between | OuterBetween]) -> Float[Array, "*many d d"]:
        """H, summed over the terms."""

    def matrix_matrix(self, X: Float[Array, "*many d d"], k: WorkerCoefficients) -> Float[Array, "*many d d"]:
        """F: `sum_{c,e} L[a,c] X[c,e] L[e,b]` at positions (a, c | e, b)."""
        one, other = self.prepared(k), self.prepared(backwards(k))
        return self.half([Between(X, one)]) + transposed(self.half([Between(transposed(X), other)]))

    def symmetric_form(
        self, k: WorkerCoefficients, k_outer: WorkerCoefficients | None = None
    ) -> Callable[..., Float[Array, "*many d d"]]:
        """For round after round: a function that gives a matrix with the symmetric part of F.

        Args:
            k: The coefficients of F, for a symmetric X.
            k_outer: Those of F for another matrix, `left right'`, that is added.

        Returns:
            A function of X and, for the other matrix, of left and right.
        """
        inside = self.prepared(added(k, backwards(k)))
        one, other = (self.prepared(each) for each in (k_outer, backwards(k_outer))) if k_outer else (None, None)

        def form(X: Any, left: Any = None, right: Any = None) -> Any:
            terms: list[Between | OuterBetween] = [Between(X, inside)]
            if left is not None:
                terms += [OuterBetween(left, right, one), OuterBetween(right, left, other)]
            return self.half(terms)

        return form


class Prepared(NamedTuple):
    """What patterns of the positions (a, c | e, b) multiply, where every coordinate is held on its own.

    Named by which positions are equal; those of shape (m, 1) or (m, d) belong to the L, the others are (d, d). What is
    its own mirror image is halved.
    """

    none: Any
    eb: Any
    ab: Any
    ce: Any
    ab_ce: Any
    ae: Any
    aeb: Any
    all: Any
    ac_eb: Any
    ae_cb: Any
    ace: Any


class CoordinateForms(Forms):
    """Every coordinate is held on its own.

    Attributes:
        rows: shape (d, m, d), the L with the rows outermost: products with all of them, and sums over the workers of
            products, are then each one product of two matrices.
        D: shape (m, d), the diagonals of L.
        squares, scaled_rows, outers: shape (2, d, d), sums of `L[a,b]^2`, `D[a] L[a,b]` and `D[a] D[b]`, over all but
            the last entry and for the last, since all but the last have equal coefficients.
    """

    data_fields = ("rows", "D", "squares", "scaled_rows", "outers")
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
        Lv, Dv = self._with_vector(v[..., 0, :]), self.D * v
        outers = transposed(k[0, 1, 2] * Lv + k[0, 0, 1] * Dv) @ s  # none; a = c
        columns = self._weighted_columns(k[0, 1, 1] * v * s)  # c = b
        diagonal = ((k[0, 1, 0] * Lv + k[0, 0, 0] * Dv) * s).sum(axis=-2)  # a = b; all
        return outers + columns + on_diagonal(diagonal)

    def matrix_diagonal(self, X, s, k):
        """One matrix product a worker."""
        xp = array_namespace(X, self.rows)
        k = {pattern: value[:, None] for pattern, value in k.items()}
        LX, x = self._times(X), diagonals(X)[..., None, :]
        whole = xp.einsum("...amb,mb->...ab", LX, k[0, 1, 2] * s) + X * ((k[0, 0, 1] * self.D).T @ s)  # none; a = c
        columns = self._weighted_columns(k[0, 1, 1] * x * s)  # c = b
        LX_diagonal = xp.einsum("...ama->...ma", LX)
        diagonal = ((k[0, 1, 0] * LX_diagonal + k[0, 0, 0] * self.D * x) * s).sum(axis=-2)  # a = b; all
        return whole + columns + on_diagonal(diagonal)

    def prepared(self, k):
        """See `Prepared`."""
        D, each = self.D, {pattern: value[:, None] for pattern, value in k.items()}

        def ends(pattern: Pattern, sums: Float[Array, "2 d d"]) -> Any:
            return k[pattern][0] * sums[0] + k[pattern][-1] * sums[1]

        return Prepared(
            none=each[0, 1, 2, 3] / 2,
            eb=each[0, 1, 2, 2] * D,
            ab=each[0, 1, 2, 0] / 2,
            ce=each[0, 1, 1, 2] / 2,
            ab_ce=each[0, 1, 1, 0] / 2,
            ae=each[0, 1, 0, 2],
            aeb=each[0, 1, 0, 0] * D,
            all=each[0, 0, 0, 0] * D * D / 2,
            ac_eb=ends((0, 0, 1, 1), self.outers) / 2,
            ae_cb=ends((0, 1, 0, 1), self.squares) / 2,
            ace=ends((0, 0, 0, 1), self.scaled_rows),
        )

    def half(self, terms):
        """The products L X, and one more for all that ends in "times L"."""
        rows, xp = self.rows, array_namespace(self.rows, *(value for term in terms for value in term[:-1]))
        d, m, _ = rows.shape
        before_L: Any = 0.0
        between: Any = 0.0
        held_twice: Any = 0.0
        row_weights: Any = 0.0
        diagonal: Any = 0.0
        result: Any = 0.0
        for term in terms:
            k: Prepared = term.k
            if isinstance(term, Between):
                X, x, LX = term.X, diagonals(term.X)[..., None, :], self._times(term.X)
                LX_diagonal = xp.einsum("...ama->...ma", LX).copy()
                result += xp.einsum("...amb,mb->...ab", LX, k.eb)
                diagonal += k.ab * xp.einsum("...ame,ame->...ma", LX, rows)
                LX *= k.none  # in place in NumPy, as all further sums: new arrays cost as much as the arithmetic
                before_L = LX
            else:
                X, x = outer(term.left, term.right), (term.left * term.right)[..., None, :]
                L_left, L_right = (self._with_vector(vector) for vector in (term.left, term.right))
                LX_diagonal = L_left * term.right[..., None, :]
                result += transposed(k.none * L_left) @ L_right + transposed(L_left) @ (k.eb * term.right[..., None, :])
                diagonal += k.ab * L_left * L_right
            between += k.ce * x
            held_twice += k.ab_ce * x
            row_weights += k.ae * LX_diagonal
            diagonal += k.aeb * LX_diagonal + k.all * x
            result += X * k.ac_eb
            result += transposed(X) * k.ae_cb
            result += transposed(x) * k.ace
        # All workers but the last have the same coefficients, and so the same entry here.
        squared = held_twice[..., 0, :] @ self.squares[0] + held_twice[..., -1, :] @ self.squares[1]
        result += self._weighted_rows(row_weights)
        result += on_diagonal(diagonal.sum(axis=-2) + squared)
        before_L += between[..., None, :, :] * rows
        # The L are symmetric: their rows are their columns.
        result += before_L.reshape(*before_L.shape[:-3], d, m * d) @ rows.reshape(d, m * d).T
        return result

    def _with_vector(self, vector: Float[Array, "*many d"]) -> Float[Array, "*many m d"]:
        """`L v` for every L."""
        d, m, _ = self.rows.shape
        return transposed((vector @ self.rows.reshape(d * m, d).T).reshape(*vector.shape[:-1], d, m))

    def _weighted_columns(self, weights: Float[Array, "*many m d"]) -> Float[Array, "*many d d"]:
        """`sum_m L_m diag(weights_m)`."""
        return transposed(self._weighted_rows(weights))  # the L are symmetric

    def _weighted_rows(self, weights: Float[Array, "*many m d"]) -> Float[Array, "*many d d"]:
        """`sum_m diag(weights_m) L_m`."""
        return array_namespace(weights, self.rows).einsum("...ma,amb->...ab", weights, self.rows)


class GroupForms(Forms):
    """Coordinates of one group are held together.

    Attributes:
        groups: the group of every coordinate, from 0 on.
    """

    data_fields = ("L",)
    L: Float[Array, "m d d"]
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
