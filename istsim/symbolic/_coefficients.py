"""Coefficients of the patterns of coinciding coordinates, as formulas: see `istsim.theory._patterns`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import sympy as sp

from istsim.theory._patterns import Pattern, patterns, strictly_finer

Coefficients = dict[Pattern, sp.Expr]
# What multiplies which matrix.
Terms = Mapping[sp.MatrixExpr, sp.Expr]


def coefficients(
    left: Sequence[bool], right: Sequence[bool], expectation: Callable[[set[int], set[int]], sp.Expr]
) -> Coefficients:
    """The coefficients of the patterns of the left and right positions, those that are zero left out.

    Args:
        left, right: whether each position is masked.
        expectation: probability that one worker holds the coordinates at masked positions on the left, and one, the
            same or another, those on the right.
    """
    found: dict[Pattern, sp.Expr] = {}
    for pattern in patterns(len(left) + len(right)):
        held = [label for label, masked in zip(pattern, (*left, *right), strict=True) if masked]
        count_left = sum(left)
        weight = expectation(set(held[:count_left]), set(held[count_left:]))
        found[pattern] = sp.factor(weight - sum(found[finer] for finer in strictly_finer(pattern)))
    return {pattern: value for pattern, value in found.items() if value != 0}


def total(terms: Terms) -> sp.MatrixExpr:
    """The sum of the terms."""
    return sp.MatAdd(*(factor * matrix for matrix, factor in terms.items())).doit()
