"""The statement of a theorem, in the words of its derivation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp

from istsim.derivations._scalars import scalar
from istsim.derivations._words import Letter, Polynomial, inverse, product


def power(A: Polynomial, k: sp.Expr) -> Polynomial:
    """A symbolic power of a square polynomial, as one letter."""
    letter = Letter(f"({A})^{k}", A.shape, latex=f"({A.to_latex()})^{{{sp.latex(k)}}}")
    return product((letter,))


def translate(expression: sp.Basic, where: Mapping[sp.Basic, Any]) -> Any:
    """A sympy expression with polynomials for its matrix symbols, and expressions for its scalar ones.

    Raises:
        ValueError: for a matrix symbol without meaning, or an operation that polynomials do not have.
    """
    if expression in where:
        return where[expression]
    if not isinstance(expression, sp.MatrixExpr):
        return scalar(expression).subs(
            {symbol: scalar(value) for symbol, value in where.items() if symbol.is_commutative}
        )
    parts = [translate(argument, where) for argument in expression.args]
    match expression:
        case sp.Identity():
            return sp.S.One
        case sp.MatAdd():
            return sum(parts[1:], parts[0])
        case sp.MatMul():
            return _product(parts)
        case sp.Inverse():
            return inverse(parts[0])
        case sp.MatPow() if not expression.exp.is_number:
            return power(parts[0], parts[1])
    raise ValueError(f"{expression} has no meaning yet: give it one by `where`")


def _product(parts: list[Any]) -> Any:
    product = parts[0]
    for part in parts[1:]:
        product = product * part
    return product
