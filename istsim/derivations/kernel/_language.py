"""What a term consists of: its names, and the conditions under which it means anything."""

from __future__ import annotations

import dataclasses
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from istsim.derivations.kernel._relations import Relation
from istsim.derivations.terms._entries import DiagonalPart
from istsim.derivations.terms._expectation import Entry, Mean, ScalarMean
from istsim.derivations.terms._scalars import is_power_of_a_symbol
from istsim.derivations.terms._words import NAME, Inverse, Letter, Polynomial, Power, Trace

PLAIN = sp.Symbol("x").assumptions0
INDEX = sp.Symbol("x", integer=True).assumptions0


@dataclasses.dataclass
class Parts:
    """What a term consists of.

    Attributes:
        letters: its letters, none of them transposed or made of others.
        symbols: its scalar symbols and numbered ones, such as D[i, j], but for what stands in arguments alone.
        values: its values of sequences, such as e(k).
        arguments: the symbols in arguments of sequences.
        exponents: the symbols in exponents.
        conditions: what must be true for the term to mean anything: each relation between numbers.
    """

    letters: set[Letter] = dataclasses.field(default_factory=set)
    symbols: set[sp.Expr] = dataclasses.field(default_factory=set)
    values: set[sp.Expr] = dataclasses.field(default_factory=set)
    arguments: set[sp.Expr] = dataclasses.field(default_factory=set)
    exponents: set[sp.Expr] = dataclasses.field(default_factory=set)
    conditions: set[tuple[str, sp.Expr]] = dataclasses.field(default_factory=set)

    @property
    def names(self) -> set[Any]:
        """All that has a name of its own."""
        functions = {value.func for value in self.values}
        return self.letters | self.symbols | functions | self.arguments | self.exponents

    @property
    def sources(self) -> frozenset[str]:
        """What the letters are random with, whether it is averaged over or not."""
        return frozenset().union(*(letter.sources for letter in self.letters))


def parts(*terms: Any) -> Parts:
    """The parts of polynomials, expressions and relations together.

    Raises:
        ValueError: for what has no meaning in a proof: floats, infinities, functions of sympy's, symbols about which
            sympy assumes anything.
    """
    found = Parts()
    for term in terms:
        if isinstance(term, Relation):
            _add(term.left, found)
            _add(term.right, found)
        else:
            _add(term, found)
    return found


def _add(term: Any, found: Parts) -> None:
    if isinstance(term, Polynomial):
        for word, coefficient in term.terms.items():
            for letter in word:
                _add_letter(letter, found)
            _add(coefficient, found)
        return
    match term:
        case sp.Rational():
            pass
        case Trace():
            for letter in term.word:
                _add_letter(letter, found)
        case ScalarMean():
            _add(term.of, found)
        case Entry():
            _add_letter(term.letter, found)
        case sp.Symbol() if term.assumptions0 == PLAIN and NAME.fullmatch(term.name):
            found.symbols.add(term)
        case sp.Indexed() if all(_is_index(index) for index in term.indices):
            found.symbols.add(term)
        case sp.Sum() if len(term.limits) == 1 and _is_index(term.limits[0][0]):
            for inner in (term.function, *term.limits[0][1:]):
                _add(inner, found)
        case AppliedUndef() if len(term.args) == 1:
            found.values.add(term)
            inner = parts(term.args[0])
            found.arguments |= inner.symbols
        case sp.Add() | sp.Mul() | sp.Abs():
            for argument in term.args:
                _add(argument, found)
        case sp.Pow():
            _add_power(term, found)
        case _:
            raise ValueError(f"{term} has no meaning in a proof: a term is made of plain symbols, numbers and letters")


def _add_power(power: sp.Pow, found: Parts) -> None:
    base, exponent = power.args
    _add(base, found)
    if isinstance(exponent, sp.Rational):
        if exponent < 0 and not base.is_number:
            found.conditions.add(("!=", base))
        if not exponent.is_Integer:
            found.conditions.add((">=", base))
        return
    if not is_power_of_a_symbol(power):
        raise ValueError(f"an exponent is a number or made of natural numbers k as k, 2 k, k + 1, got {power}")
    found.exponents |= exponent.free_symbols
    if any(part.could_extract_minus_sign() for part in sp.Add.make_args(sp.expand(exponent))):
        found.conditions.add(("!=", base))


def _add_letter(letter: Letter, found: Parts) -> None:
    match letter.T if letter.transposed and not letter.symmetric else letter:
        case Mean(word=word):
            for inner in word:
                _add_letter(inner, found)
        case DiagonalPart(of=Letter() as inner) | Inverse(of=Letter() as inner):
            _add_letter(inner, found)
        case Power(base=base, exponent=exponent):
            _add(base, found)
            found.exponents |= exponent.free_symbols
        case plain:
            if not NAME.fullmatch(plain.name):
                raise ValueError(f"{plain.name!r} is not a name of a letter")
            found.letters.add(plain)


def _is_index(symbol: Any) -> bool:
    return isinstance(symbol, sp.Symbol) and symbol.assumptions0 == INDEX


def places(term: Any) -> set[Any]:
    """The coordinates and indices that a term is about: what is said of it is said for all of them."""
    if isinstance(term, Polynomial):
        return set().union(*map(places, term.terms.values()))
    found: set[Any] = set()
    for symbol in term.free_symbols:
        match symbol:
            case Entry():
                found |= set(symbol.at)
            case ScalarMean():
                found |= places(symbol.of)
            case _ if _is_index(symbol):
                found.add(symbol)
    return found
