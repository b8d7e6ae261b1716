"""What a term becomes at another round."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import sympy as sp

from istsim.derivations.terms._expectation import Entry, Mean, ScalarMean, expect
from istsim.derivations.terms._words import Letter, Polynomial, Power, Trace, Word, product, trace


@dataclasses.dataclass(frozen=True)
class AnotherRound:
    """The terms at round `to` in place of those at round k.

    Attributes:
        k: the symbol of the round.
        to: k + 1, or 0.
        letters: what the iterates, and what is defined by them, are there; None where that is not known.
        symbols: what the numbers that are defined by iterates are there; None where that is not known.
    """

    k: sp.Symbol
    to: sp.Expr
    letters: Mapping[Letter, Polynomial | None]
    symbols: Mapping[sp.Symbol, sp.Expr | None]

    def of(self, term: Any) -> Any:
        """A polynomial or an expression there.

        Raises:
            ValueError: for a term of which it is not known what it is there.
        """
        return self._polynomial(term) if isinstance(term, Polynomial) else self._scalar(term)

    def _polynomial(self, polynomial: Polynomial, averaged: frozenset[str] = frozenset()) -> Polynomial:
        total = polynomial * 0
        for word, coefficient in polynomial.terms.items():
            total = total + self._scalar(coefficient, averaged) * self._word(word, polynomial.shape[0], averaged)
        return total

    def _word(self, word: Word, dim: str, averaged: frozenset[str]) -> Any:
        value = product((), word[0].shape[0] if word else dim)
        for letter in word:
            value = value * self._letter(letter, averaged)
        return value

    def _letter(self, letter: Letter, averaged: frozenset[str]) -> Polynomial:
        if letter.transposed:
            return self._letter(letter.T, averaged).T
        unchanged = product((letter,))
        if letter in self.letters:
            # The draws of a round are others in the next one: an average over them holds no iterate that saw them.
            if "round" in averaged and self.to != 0:
                raise ValueError(f"{letter} stands in an average over the draws of a round: take it out first")
            if (there := self.letters[letter]) is None:
                raise ValueError(f"it is not known what {letter} is at another round")
            return there
        if isinstance(letter, Mean):
            inner = self._polynomial(product(letter.word), averaged | {letter.source})
            return expect(inner, *self._sources(letter.source))
        if isinstance(letter, Power):
            if self._polynomial(letter.base).terms != letter.base.terms:
                raise ValueError(f"what {letter} is a power of is another matrix at another round")
            if self.k not in letter.exponent.free_symbols:
                return unchanged
            if letter.exponent != self.k:
                raise ValueError(f"only the power {self.k} of a matrix is known at another round, got {letter}")
            return letter.base * unchanged if self.to == self.k + 1 else letter.base**0
        inner = getattr(letter, "of", None)
        if inner is not None:
            if self._letter(inner, averaged).terms != product((inner,)).terms:
                raise ValueError(f"it is not known what {letter} is at another round")
            return unchanged
        if "past" in letter.sources or ("round" in letter.sources and self.to != 0 and "round" not in averaged):
            raise ValueError(f"it is not known what {letter} is at another round")
        return unchanged

    def _scalar(self, expression: sp.Expr, averaged: frozenset[str] = frozenset()) -> sp.Expr:
        there = expression.subs(self.k, self.to)
        images: dict[sp.Basic, Any] = {symbol: value for symbol, value in self.symbols.items() if there.has(symbol)}
        if unknown := [symbol for symbol, value in images.items() if value is None]:
            raise ValueError(f"it is not known what {unknown[0]} is at another round")
        for atom in there.atoms(Trace, ScalarMean, Entry):
            if isinstance(atom, Trace):
                images[atom] = trace(self._word(atom.word, atom.word[0].shape[0], averaged))
            elif isinstance(atom, ScalarMean):
                images[atom] = expect(self._scalar(atom.of, averaged | {atom.source}), *self._sources(atom.source))
            elif self._letter(atom.letter, averaged).terms != product((atom.letter,)).terms:
                raise ValueError(f"it is not known what {atom} is at another round")
        return sp.expand(there.xreplace(images)) if images else there

    def _sources(self, source: str) -> tuple[str, ...]:
        if source != "past":
            return (source,)
        return ("past", "round") if self.to != 0 else ()
