"""Scalar inequalities for all values of their symbols, by z3."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

import sympy as sp

from istsim._optional import require
from istsim.derivations.kernel._relations import Relation
from istsim.derivations.terms._scalars import split_powers
from istsim.derivations.terms._words import Polynomial

# What z3 may spend before it gives up, in its own deterministic units: a few seconds.
RESOURCES = 20_000_000


class CounterexampleError(ValueError):
    """Raised for a claim that is false somewhere, or that z3 cannot decide."""


def holds_for_all(claim: Relation, given: Iterable[Relation] = ()) -> None:
    """Make sure that a relation between real numbers follows from others, whatever the values of the symbols.

    Sums, products, quotients, integer powers and absolute values are understood; anything else, such as a trace, `e(k)`
    or `rho**k`, is a real number of which nothing is known.

    Args:
        claim: the relation.
        given: relations between numbers that may be used.

    Raises:
        CounterexampleError: with values of the symbols at which the claim fails, or if z3 finds neither a proof nor
            such values.
        ValueError: for relations between matrices.
        ImportError: if z3 is not installed.

    Example:
        >>> import sympy as sp
        >>> from istsim.derivations import at_most, holds_for_all
        >>> a, b = sp.symbols("a b")
        >>> holds_for_all(at_most(2 * a * b, a**2 + b**2))
        >>> holds_for_all(at_most(a * b, a**2))
        Traceback (most recent call last):
            ...
        istsim.derivations.kernel._reals.CounterexampleError: a*b <= a**2 fails at a = -1, b = -2
    """
    z3 = require("z3", extra="certify")
    numbers: dict[sp.Expr, Any] = {}
    solver = z3.Solver()
    solver.set("rlimit", RESOURCES)
    for relation in given:
        solver.add(_to_z3(relation, numbers, z3))
    solver.add(z3.Not(_to_z3(claim, numbers, z3)))
    answer = solver.check()
    if answer == z3.unsat:
        return
    if answer == z3.unknown:
        raise CounterexampleError(f"undecided whether {claim}: {solver.reason_unknown()}")
    model = solver.model()
    values = (f"{symbol} = {model.eval(number, model_completion=True)}" for symbol, number in numbers.items())
    raise CounterexampleError(f"{claim} fails at {', '.join(sorted(values))}")


def _to_z3(relation: Relation, numbers: dict[sp.Expr, Any], z3: Any) -> Any:
    if isinstance(relation.left, Polynomial) or isinstance(relation.right, Polynomial):
        raise ValueError(f"z3 decides relations between numbers, got {relation}")
    left, right = (_term(split_powers(side), numbers, z3) for side in (relation.left, relation.right))
    return {"=": left == right, "<=": left <= right, "<": left < right}[relation.sign]


def _term(expression: sp.Expr, numbers: dict[sp.Expr, Any], z3: Any) -> Any:
    """The z3 term of an expression; `numbers` collects the unknowns."""
    if isinstance(expression, sp.Rational):
        return z3.RealVal(f"{expression.p}/{expression.q}")
    if isinstance(expression, sp.Pow) and expression.exp.is_Integer:
        base, exponent = _term(expression.base, numbers, z3), int(expression.exp)
        power = z3.RealVal(1)
        for _ in range(abs(exponent)):
            power = power * base
        return power if exponent > 0 else z3.RealVal(1) / power
    if isinstance(expression, sp.Add | sp.Mul | sp.Abs):
        terms = [_term(argument, numbers, z3) for argument in expression.args]
        if isinstance(expression, sp.Abs):
            return z3.If(terms[0] >= 0, terms[0], -terms[0])
        return z3.Sum(terms) if isinstance(expression, sp.Add) else z3.Product(terms)
    if expression not in numbers:
        numbers[expression] = z3.Real(f"unknown {len(numbers)}")
    return numbers[expression]


def follows(sign: str, value: sp.Expr, given: Iterable[Relation]) -> bool:
    """Whether a number is known not to be 0 ("!="), or not to be negative (">="), by relations between numbers."""
    given = list(given)
    claims = [Relation(sp.S.Zero, "<", value), Relation(value, "<", sp.S.Zero), None]
    if sign == ">=":
        claims = [Relation(sp.S.Zero, "<=", value)]
    for claim in claims:
        # Last, that it is not 0, though of unknown sign: that it is 0 contradicts what is given.
        known, shown = (given, claim) if claim is not None else ([*given, Relation(value, "=", sp.S.Zero)], FALSE)
        with contextlib.suppress(CounterexampleError):
            holds_for_all(shown, known)
            return True
    return False


FALSE = Relation(sp.S.One, "<=", sp.S.Zero)
