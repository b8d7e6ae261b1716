"""What a term consists of: its names, and the conditions under which it means anything."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from istsim.derivations.kernel._relations import Relation
from istsim.derivations.terms._entries import DiagonalPart, diagonal_of
from istsim.derivations.terms._expectation import Entry, Mean, ScalarMean
from istsim.derivations.terms._scalars import is_natural, is_whole
from istsim.derivations.terms._words import (
    NAME,
    Inverse,
    Letter,
    Polynomial,
    Power,
    Trace,
    Word,
    inverse,
    power,
    product,
    sources_of,
)

PLAIN = sp.Symbol("x").assumptions0
INDEX = sp.Symbol("x", integer=True).assumptions0
# sympy must assume nothing of a number with an index, or of a sequence: it would simplify what may be false.
INDEXED = sp.IndexedBase("x")[sp.Symbol("i", integer=True)].assumptions0


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
        dimensions: the labels of its dimensions but 1, which are numbers of these names.
    """

    letters: set[Letter] = dataclasses.field(default_factory=set)
    symbols: set[sp.Expr] = dataclasses.field(default_factory=set)
    values: set[sp.Expr] = dataclasses.field(default_factory=set)
    arguments: set[sp.Expr] = dataclasses.field(default_factory=set)
    exponents: set[sp.Expr] = dataclasses.field(default_factory=set)
    conditions: set[tuple[str, sp.Expr]] = dataclasses.field(default_factory=set)
    dimensions: set[str] = dataclasses.field(default_factory=set)

    @property
    def names(self) -> set[Any]:
        """All that has a name of its own."""
        functions = {value.func for value in self.values}
        return self.letters | self.symbols | functions | self.arguments | self.exponents


def parts(*terms: Any) -> Parts:
    """The parts of polynomials, expressions and relations together.

    Raises:
        ValueError: for what has no meaning in a proof: floats, infinities, functions of sympy's, symbols about which
            sympy assumes anything, letters that have properties which those they are made of do not give them.
    """
    found = Parts()
    for term in terms:
        if isinstance(term, Relation):
            if type(term) is not Relation:
                raise ValueError(f"there are no other kinds of relations, got {type(term)}")
            _add(term.left, found)
            _add(term.right, found)
        else:
            _add(term, found)
    return found


def _add(term: Any, found: Parts) -> None:
    if isinstance(term, Polynomial):
        if type(term) is not Polynomial:
            raise ValueError(f"there are no other kinds of polynomials, got {type(term)}")
        found.dimensions |= {label for label in term.shape if label != "1"}
        for word, coefficient in term.terms.items():
            _add_word(word, term.shape if word else (term.shape[0], term.shape[0]), found)
            _add(coefficient, found)
        return
    match term:
        case sp.Rational():
            pass
        case Trace() if type(term) is Trace:
            _add_word(term.word, (term.word[0].shape[0], term.word[0].shape[0]), found)
        case ScalarMean() if type(term) is ScalarMean:
            _add(term.of, found)
        case Entry() if type(term) is Entry and len(term.at) == 2 - (term.letter.shape[1] == "1"):
            _add_letter(term.letter, found)
        case sp.Symbol() if type(term) is sp.Symbol and term.assumptions0 == PLAIN and NAME.fullmatch(term.name):
            found.symbols.add(term)
        case sp.Indexed() if all(is_index(index) for index in term.indices) and term.assumptions0 == INDEXED:
            found.symbols.add(term)
        case sp.Sum() if len(term.limits) == 1 and is_index(term.limits[0][0]):
            if any(term.limits[0][0] in places(mean.of) for mean in term.function.atoms(ScalarMean)):
                raise ValueError(f"the index of a sum is not that of an average within it: {term}")
            for inner in (term.function, *term.limits[0][1:]):
                _add(inner, found)
        case AppliedUndef() if len(term.args) == 1 and is_natural(term.args[0]) and _is_plain(term):
            found.values.add(term)
            found.arguments |= parts(term.args[0]).symbols
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
        if exponent < 0 and (base == 0 or not isinstance(base, sp.Rational)):  # a sum of roots may be 0
            found.conditions.add(("!=", base))
        if not exponent.is_Integer:
            found.conditions.add((">=", base))
        return
    if not is_whole(exponent):
        raise ValueError(f"an exponent is a number or made of natural numbers k as k, 2 k, k + 1, got {power}")
    found.exponents |= exponent.free_symbols
    if any(part.could_extract_minus_sign() for part in sp.Add.make_args(sp.expand(exponent))):
        found.conditions.add(("!=", base))


def _add_word(word: Word, shape: tuple[str, str], found: Parts) -> None:
    inner = [label for letter in word for label in letter.shape]
    if [shape[0], *inner, shape[1]][::2] != [shape[0], *inner, shape[1]][1::2]:
        raise ValueError(f"the dimensions of {' '.join(map(str, word))} do not fit")
    for letter in word:
        _add_letter(letter, found)


def _add_letter(letter: Letter, found: Parts) -> None:
    letter = letter.T if letter.transposed and not letter.symmetric else letter
    found.dimensions |= {label for label in letter.shape if label != "1"}
    if type(letter) is Letter and NAME.fullmatch(letter.name):
        found.letters.add(letter)
    elif not _is_as_made(letter):
        raise ValueError(f"{letter.name!r} is not a name of a letter, nor made of other letters by a rule")
    match letter:
        case Mean(word=word):
            _add_word(word, (word[0].shape[0], word[-1].shape[1]), found)
        case DiagonalPart(of=Letter() as inner) | Inverse(of=Letter() as inner):
            _add_letter(inner, found)
        case Power(base=base, exponent=exponent):
            if not is_natural(exponent):
                raise ValueError(f"an exponent of a matrix is a natural number, got {letter}")
            _add(base, found)
            found.exponents |= exponent.free_symbols


@functools.lru_cache(maxsize=10_000)
def _is_as_made(letter: Letter) -> bool:
    """Whether a letter that is made of others has just the properties that these give it."""
    if type(letter) is Mean and letter.word:
        word = letter.word
        return letter == Mean(
            name=f"E_{letter.source}[{' '.join(map(str, word))}]",
            shape=(word[0].shape[0], word[-1].shape[1]),
            symmetric=product(word).terms == product(word).T.terms,
            diagonal=all(inner.diagonal for inner in word),
            sources=sources_of(word) - {letter.source},
            word=word,
            source=letter.source,
        )
    if type(letter) is DiagonalPart and letter.of is not None:
        made = diagonal_of(product((letter.of,)))
    elif type(letter) is Inverse and letter.of is not None:
        made = inverse(product((letter.of,)))
    elif type(letter) is Power:
        made = power(letter.base, letter.exponent)
    else:
        return False
    return dict(made.terms) == {(letter,): 1}


def is_index(symbol: Any) -> bool:
    """Whether it is a symbol for the numbers of numbered symbols: an integer, of which no more is known."""
    return isinstance(symbol, sp.Symbol) and symbol.assumptions0 == INDEX


def _is_plain(value: Any) -> bool:
    """Whether sympy assumes nothing of what a function is."""
    return value.func == sp.Function(value.func.__name__)


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
            case _ if is_index(symbol):
                found.add(symbol)
    return found
