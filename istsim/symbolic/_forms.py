"""The matrix expressions behind each pattern of coinciding coordinates, for symmetric L with the diagonal D.

Under a `Grouped` sketch "equal" means "in one group" and diagonals are block diagonals.
"""

from __future__ import annotations

import sympy as sp

from istsim.methods._method import Method
from istsim.sketches._grouped import Grouped
from istsim.symbolic import _symbols as s
from istsim.symbolic._workers import sketch_of
from istsim.theory import NotCoveredError
from istsim.theory._patterns import Pattern

Forms = dict[Pattern, sp.MatrixExpr]

# The one pattern whose expression is not made of products of matrices where coordinates are grouped.
CROSSED = (0, 1, 0, 1)


def matrix_matrix(L: sp.MatrixExpr, D: sp.MatrixExpr, method: Method) -> Forms:
    """`sum_{c,e} L[a,c] X[c,e] L[e,b]` at positions (a, c | e, b)."""
    X = s.X

    def diagonal(Y: sp.MatrixExpr) -> sp.MatrixExpr:
        return diagonal_of(Y, method)

    return {
        (0, 1, 2, 3): L * X * L,
        (0, 0, 1, 2): D * X * L,
        (0, 1, 2, 2): L * X * D,
        (0, 1, 1, 2): L * diagonal(X) * L,
        (0, 1, 2, 0): diagonal(L * X * L),
        (0, 1, 0, 2): diagonal(L * X) * L,
        (0, 1, 2, 1): L * diagonal(X * L),
        (0, 0, 1, 1): D * X * D,
        (0, 1, 1, 0): diagonal(L * diagonal(X) * L),
        CROSSED: sp.HadamardProduct(L, X.T, L),
        (0, 0, 0, 1): D * diagonal(X) * L,
        (0, 1, 1, 1): L * diagonal(X) * D,
        (0, 0, 1, 0): diagonal(D * X * L),
        (0, 1, 0, 0): diagonal(L * X * D),
        (0, 0, 0, 0): D * diagonal(X) * D,
    }


def matrix_diagonal(method: Method) -> Forms:
    """`sum_c Lbar[a,c] X[c,b]` at positions (a, c | b)."""
    L, D, X = s.Lbar, s.Dbar, s.X
    return {
        (0, 1, 2): L * X,
        (0, 0, 1): D * X,
        (0, 1, 1): L * diagonal_of(X, method),
        (0, 1, 0): diagonal_of(L * X, method),
        (0, 0, 0): D * diagonal_of(X, method),
    }


def diagonal_matrix(method: Method) -> Forms:
    """`sum_c X[a,c] Lbar[c,b]` at positions (b, c | a): the transpose of the former for X'."""
    L, D, X = s.Lbar, s.Dbar, s.X
    return {
        (0, 1, 2): X * L,
        (0, 0, 1): X * D,
        (0, 1, 1): diagonal_of(X, method) * L,
        (0, 1, 0): diagonal_of(X * L, method),
        (0, 0, 0): diagonal_of(X, method) * D,
    }


def diagonal_of(Y: sp.MatrixExpr, method: Method) -> sp.MatrixExpr:
    """The entries of Y whose coordinates are always held together."""
    return sp.HadamardProduct(s.E if isinstance(sketch_of(method), Grouped) else s.identity, Y)


def check_expressible(patterns: set[Pattern], method: Method) -> None:
    """Raise NotCoveredError where a pattern has no expression in matrices."""
    if CROSSED in patterns and isinstance(sketch_of(method), Grouped):
        raise NotCoveredError(
            "formulas of second moments with grouped coordinates are for methods that mask the model or the gradient, "
            f"not both, got {method}; istsim.theory.second_moment has its numbers"
        )
