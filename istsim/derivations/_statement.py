"""The statement of a theorem, in the words of its derivation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from istsim.derivations.kernel import vanishes
from istsim.derivations.terms._expectation import ScalarMean
from istsim.derivations.terms._scalars import scalar
from istsim.derivations.terms._words import Polynomial, Trace, inverse, power


def check_meanings(statement: Any, where: Mapping[str, Any]) -> dict[sp.Basic, Any]:
    """What the symbols of a statement stand for in a proof.

    Args:
        statement: the statement.
        where: by name, the meanings of those that are not symbols of the same name.

    Raises:
        ValueError: for a name that the statement does not have, a meaning that is a number, and two symbols with one.
    """
    symbols = {str(symbol): symbol for symbol in statement.free_symbols}
    if unknown := set(where) - set(symbols):
        raise ValueError(f"the statement has the symbols {sorted(symbols)}, got {sorted(unknown)}")
    meanings = {symbols[name]: meaning for name, meaning in where.items()}
    for symbol, meaning in meanings.items():
        if not _has_a_name(meaning):
            raise ValueError(f"{symbol} must stand for what has a name or is an average, got {meaning}")
    plain = [symbol for symbol in symbols.values() if symbol not in meanings and symbol.is_commutative]
    every = [*meanings.values(), *plain]
    for i, first in enumerate(every):
        for second in every[:i]:
            if _shape(first) == _shape(second) and vanishes(first - second):
                raise ValueError(f"two symbols of the statement stand for {first}")
    return meanings


def _shape(meaning: Any) -> tuple[str, str] | None:
    """The dimensions of a matrix; None for a number."""
    return meaning.shape if isinstance(meaning, Polynomial) else None


def _has_a_name(meaning: Any) -> bool:
    if isinstance(meaning, Polynomial):
        return bool(meaning.terms) and all(word for word in meaning.terms)
    return any(isinstance(atom, AppliedUndef | Trace | ScalarMean) for atom in sp.preorder_traversal(scalar(meaning)))


def translate(expression: sp.Basic, where: Mapping[sp.Basic, Any]) -> Any:
    """A sympy expression with polynomials for its matrix symbols, and expressions for its scalar ones.

    Raises:
        ValueError: for a matrix symbol without meaning, or an operation that polynomials do not have.
    """
    if expression in where:
        return where[expression]
    if not isinstance(expression, sp.MatrixExpr):
        return scalar(expression).xreplace(
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
