"""Which names occur in a polynomial or an expression, and what a definition of a new one must obey."""

from __future__ import annotations

import dataclasses
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from istsim.derivations._entries import DiagonalPart
from istsim.derivations._expectation import Entry, Mean, ScalarMean, scalar_sources
from istsim.derivations._rewriting import Relation, vanishes
from istsim.derivations._words import Letter, Polynomial, Trace, Word, sources_of


def names_in(value: Any) -> set[Any]:
    """The letters, scalar symbols and values of sequences, such as e(k), of which a value is made."""
    if isinstance(value, Polynomial):
        return set().union(*(_in_word(word) | names_in(number) for word, number in value.terms.items()))
    functions = value.atoms(AppliedUndef)
    found: set[Any] = set(functions)
    for symbol in value.xreplace({function: sp.S.Zero for function in functions}).free_symbols:
        if isinstance(symbol, Trace):
            found |= _in_word(symbol.word)
        elif isinstance(symbol, ScalarMean):
            found |= names_in(symbol.of)
        elif isinstance(symbol, Entry):
            found |= _in_word((symbol.letter,))
        else:
            found.add(symbol)
    return found


def check_definition(relation: Relation, used: set[Any]) -> None:
    """Make sure that a definition adds a name and nothing else.

    Raises:
        ValueError: unless its left side is one unused name that may have the right side's properties.
    """
    left, right = relation.left, relation.right
    new = names_in(left)
    if relation.sign != "=" or len(new) != 1 or new & (used | names_in(right)):
        raise ValueError(f"the left side of a definition must be one new name, got {relation}")
    if not isinstance(left, Polynomial):
        if left not in new or scalar_sources(right):
            raise ValueError(f"a definition must give a name to what is not random, got {relation}")
        return
    ((word, number),) = left.terms.items()
    letter = word[0]
    if len(word) > 1 or number != 1 or letter.diagonal or letter.idempotent:
        raise ValueError(f"a definition must give one plain letter, got {relation}")
    random = frozenset().union(*(sources_of(term) | scalar_sources(value) for term, value in right.terms.items()))
    if not random <= letter.sources or (letter.symmetric and not vanishes(right - right.T)):
        raise ValueError(f"the letter's properties are not those of the right side, got {relation}")


def _in_word(word: Word) -> set[Any]:
    found: set[Any] = set()
    for letter in word:
        plain = dataclasses.replace(letter, shape=letter.T.shape, transposed=False) if letter.transposed else letter
        if isinstance(letter, Mean):
            found |= _in_word(letter.word)
        elif isinstance(letter, DiagonalPart):
            found |= _in_word((letter.of,)) if isinstance(letter.of, Letter) else set()
        else:
            found.add(plain)
    return found
