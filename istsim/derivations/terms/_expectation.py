"""Expectations in normal form: linear, with everything that is not random taken out."""

from __future__ import annotations

import dataclasses
from typing import Any

import sympy as sp

from istsim.derivations.terms._scalars import scalar
from istsim.derivations.terms._words import (
    Letter,
    Polynomial,
    Trace,
    Word,
    product,
    sources_of,
    tidy,
    trace,
    trace_of,
    transposed,
    word_key,
    word_latex,
)


@dataclasses.dataclass(frozen=True)
class Mean(Letter):
    """The expectation of a product over one source: a letter that no longer depends on it."""

    word: Word = ()
    source: str = ""

    @property
    def outer(self) -> tuple[Letter, Letter] | None:
        """v and w', if it is E[v w'], over one source or several."""
        word = transposed(self.word) if self.transposed else self.word
        if len(word) == 1:
            return word[0].outer
        return (word[0], word[1]) if len(word) == 2 and word[0].shape[1] == "1" else None


def mean_latex(inside: str, source: str) -> str:
    """The mean in LaTeX; what a run itself draws, past and present rounds, needs no subscript."""
    subscript = "" if source in ("round", "past") else rf"_{{\text{{{source}}}}}"
    return rf"\mathbb{{E}}{subscript}[{inside}]"


class ScalarMean(sp.Symbol):
    """The expectation over one source of a scalar that is not a trace: a real sympy symbol."""

    of: sp.Expr
    source: str
    sources: frozenset[str]

    def __new__(cls, of: sp.Expr, source: str) -> ScalarMean:
        """Of an expression every factor of which depends on the source."""
        mean = sp.Symbol.__xnew__(cls, f"E_{source}[{of}]", real=True)
        mean.of, mean.source, mean.sources = of, source, scalar_sources(of) - {source}
        return mean

    def _hashable_content(self) -> tuple[Any, ...]:
        return self.name, self.of, self.source

    def _latex(self, printer: Any) -> str:
        return mean_latex(printer.doprint(self.of), self.source)


class Entry(sp.Symbol):
    """An entry of a letter, at rows and columns named by index: different names are different coordinates."""

    letter: Letter
    at: tuple[str, ...]
    sources: frozenset[str]

    def __new__(cls, letter: Letter, *at: str) -> Entry:
        """Entry `at` of a matrix (two names) or vector (one)."""
        symbol = sp.Symbol.__xnew__(cls, f"{letter}[{','.join(at)}]", real=True)
        symbol.letter, symbol.at, symbol.sources = letter, at, letter.sources
        return symbol

    def _hashable_content(self) -> tuple[Any, ...]:
        return self.name, self.letter, self.at

    def _latex(self, printer: Any) -> str:
        return f"({self.letter.to_latex()})_{{{''.join(self.at)}}}"

    def _eval_power(self, exponent: Any) -> Any:
        # The entries of a diagonal idempotent matrix are 0 or 1.
        if self.letter.idempotent and self.letter.diagonal and exponent.is_Integer and exponent > 0:
            return self
        return None


def expect(value: Any, *sources: str) -> Any:
    """The expectation of a polynomial or scalar over these sources, all others held fixed, one after another.

    What does not depend on a source is taken out on both sides (in a trace: round the circle); what is left between
    becomes one letter. Different sources are independent by meaning.

    Raises:
        ValueError: for a random coefficient of a random word, which has no normal form here.

    Example:
        >>> from istsim.derivations import expect, matrix, vector
        >>> B, L = matrix("B", random="round"), matrix("L", symmetric=True)
        >>> x = vector("x", random="past")
        >>> expect(x.T * B.T * L * B * x, "round", "past")
        tr(E_past[x x'] E_round[B' L B])
    """
    for source in sources:
        value = _over(value, source) if isinstance(value, Polynomial) else _scalar_over(scalar(value), source)
    return value


def scalar_sources(expression: sp.Expr) -> frozenset[str]:
    """What a scalar expression is random with."""
    return frozenset().union(*(getattr(symbol, "sources", ()) for symbol in expression.free_symbols))


def _over(polynomial: Polynomial, source: str) -> Polynomial:
    total = polynomial * 0
    for word, coefficient in polynomial.terms.items():
        random = [i for i, letter in enumerate(word) if source in letter.sources]
        if random and source in scalar_sources(coefficient):
            raise ValueError(f"coefficient and word both depend on {source!r}: {coefficient} times {word}")
        if random:
            start, end = random[0], random[-1] + 1
            mean = _mean(word[start:end], source)
            total = total + coefficient * (
                product(word[:start], mean.shape[0]) * mean * product(word[end:], mean.shape[1])
            )
        else:
            total = total + _scalar_over(coefficient, source) * Polynomial(polynomial.shape, [(word, sp.S.One)])
    return total


def _scalar_over(expression: sp.Expr, source: str) -> sp.Expr:
    total = sp.S.Zero
    for term in sp.Add.make_args(sp.expand(expression)):
        factors = sp.Mul.make_args(term)
        random = sp.Mul(*(factor for factor in factors if source in scalar_sources(factor)))
        fixed = sp.Mul(*(factor for factor in factors if source not in scalar_sources(factor)))
        if random == 1:
            total += term
        elif isinstance(random, Trace):
            total += fixed * _trace_over(random.word, source)
        elif isinstance(random, ScalarMean) and source < random.source:
            total += fixed * _scalar_over(_scalar_over(random.of, source), random.source)
        else:
            total += fixed * ScalarMean(random, source)
    return sp.expand(total)


def canonical_trace(symbol: Trace) -> sp.Expr:
    """The trace with its means taken anew: of `tr(E[B X B'] L) = tr(X E[B' L B])` there is one normal form.

    A mean is moved to the front of the trace if nothing else in it depends on that source.
    """
    word, sources = symbol.word, set()
    while True:
        for i, letter in enumerate(word):
            rest = word[:i] + word[i + 1 :]
            if isinstance(letter, Mean) and letter.source not in sources_of(rest):
                word = word[:i] + (transposed(letter.word) if letter.transposed else letter.word) + word[i + 1 :]
                sources.add(letter.source)
                break
        else:
            return expect(trace_of(word), *sorted(sources))


def _trace_over(word: Word, source: str) -> sp.Expr:
    """Cut the circle so that the arc with all random letters is shortest, with few means in it, and not a number."""
    arcs = []
    for turn in (word[i:] + word[:i] for i in range(len(word))):
        end = max(i for i, letter in enumerate(turn) if source in letter.sources) + 1
        if source in turn[0].sources and (turn[0].shape[0], turn[end - 1].shape[1]) != ("1", "1"):
            arcs.append((turn[:end], turn[end:]))

    def size(arc: Word) -> tuple[int, int]:
        return len(arc), sum(isinstance(letter, Mean) for letter in arc)

    least = min(size(arc) for arc, _ in arcs)
    means = ((_mean(arc, source), rest) for arc, rest in arcs if size(arc) == least)
    return min((trace(mean * product(rest, mean.shape[1])) for mean, rest in means), key=str)


def _mean(word: Word, source: str) -> Polynomial:
    """The expectation of a product that depends on the source at both ends."""
    shape = (word[0].shape[0], word[-1].shape[1])
    if len(word) == 1 and isinstance(word[0], Mean) and source < word[0].source:
        # The order does not matter; the alphabetically first source is the inner one.
        nested = word[0]
        swapped = _over(_over(product(nested.word), source), nested.source)
        return swapped.T if nested.transposed else swapped
    least = min(tidy(word), tidy(transposed(word)), key=word_key)
    mean = Mean(
        name=f"E_{source}[{' '.join(map(str, least))}]",
        shape=(least[0].shape[0], least[-1].shape[1]),
        symmetric=product(least).terms == product(least).T.terms,
        diagonal=all(letter.diagonal for letter in word),
        sources=sources_of(word) - {source},
        latex=mean_latex(word_latex(least), source),
        word=least,
        source=source,
    )
    return Polynomial(shape, [((mean if least == tidy(word) else mean.T,), sp.S.One)])
