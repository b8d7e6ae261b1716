"""Rewriting by equalities: equals for equals, in the normal form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sympy as sp

from istsim.derivations.kernel._relations import Relation
from istsim.derivations.terms._expectation import Mean, ScalarMean, canonical_trace, expect
from istsim.derivations.terms._words import Polynomial, Trace, Word, product, trace, transposed

LIMIT = 200


def reduce(value: Any, rules: Iterable[Relation]) -> Any:
    """Rewrite left sides of equalities by their right ones until none is left.

    A left side must be one product of letters with a number as coefficient, or a product of scalar symbols. The result
    equals the value wherever the equalities hold; whether equal values reach the same result depends on the rules.

    Args:
        value: a polynomial or a sympy expression.
        rules: equalities.

    Raises:
        ValueError: for a rule of another form, or rules that go round in circles.

    Example:
        >>> from istsim.derivations import equal, matrix, reduce, vector
        >>> L, inverse, b = matrix("L", symmetric=True), matrix("K", symmetric=True), vector("b")
        >>> reduce(b.T * inverse * L * b, [equal(inverse * L, L**0)])
        b' b
    """
    words: dict[Word, Polynomial] = {}
    symbols: dict[sp.Expr, sp.Expr] = {}
    for rule in rules:
        _orient(rule, words, symbols)
    for _ in range(LIMIT):
        rewritten = _rewrite(value, words, symbols)
        if _same(rewritten, value):
            return value
        value = rewritten
    raise ValueError(f"the rules go on for ever: after {LIMIT} passes there is {value}")


def _orient(rule: Relation, words: dict[Word, Polynomial], symbols: dict[sp.Expr, sp.Expr]) -> None:
    if rule.sign != "=":
        raise ValueError(f"only equalities rewrite, got {rule}")
    if not isinstance(rule.left, Polynomial):
        if not all(factor.is_Symbol or factor.is_Function for factor in sp.Mul.make_args(rule.left)):
            raise ValueError(f"the left side of a scalar rule must be a product of symbols, got {rule}")
        symbols[rule.left] = rule.right
        return
    terms = list(rule.left.terms.items())
    if len(terms) != 1 or not terms[0][0] or not terms[0][1].is_number:
        raise ValueError(f"the left side of a rule must be one product of letters, got {rule}")
    ((word, number),) = terms
    words[transposed(word)] = rule.right.T / number
    words[word] = rule.right / number


def _rewrite(value: Any, words: dict[Word, Polynomial], symbols: dict[sp.Expr, sp.Expr]) -> Any:
    if isinstance(value, Polynomial):
        total = Polynomial(value.shape, [])
        for word, coefficient in value.terms.items():
            total = total + _rewrite_word(word, value.shape, words) * _rewrite(coefficient, words, symbols)
        return total
    atoms = {symbol: _rewrite_trace(symbol, words) for symbol in value.atoms(Trace)}
    atoms |= {mean: expect(_rewrite(mean.of, words, symbols), mean.source) for mean in value.atoms(ScalarMean)}
    changed = {symbol: new for symbol, new in atoms.items() if new != symbol}
    # Products are replaced one by one, after single symbols.
    single = {symbol: new for symbol, new in symbols.items() if not symbol.is_Mul and value.has(symbol)}
    value = sp.expand(value.xreplace(changed | single)) if changed or single else value
    for several in (symbol for symbol in symbols if symbol.is_Mul):
        value = value.subs(several, symbols[several])
    return value


def _rewrite_word(word: Word, shape: tuple[str, str], words: dict[Word, Polynomial]) -> Polynomial:
    for start in range(len(word)):
        length, replacement = _rewrite_here(word[start:], words)
        if length:
            before, after = word[:start], word[start + length :]
            return product(before, replacement.shape[0]) * replacement * product(after, replacement.shape[1])
    return Polynomial(shape, [(word, sp.S.One)])


def _rewrite_trace(symbol: Trace, words: dict[Word, Polynomial]) -> sp.Expr:
    for start in range(len(symbol.word)):
        turn = symbol.word[start:] + symbol.word[:start]
        length, replacement = _rewrite_here(turn, words)
        if length:
            return trace(replacement * product(turn[length:], replacement.shape[1]))
    return canonical_trace(symbol)


def _rewrite_here(word: Word, words: dict[Word, Polynomial]) -> tuple[int, Polynomial]:
    """How many letters at the start of a product are rewritten, and to what."""
    for pattern, replacement in words.items():
        if word[: len(pattern)] == pattern:
            return len(pattern), replacement
    unchanged = product(word[:1])
    if not isinstance(word[0], Mean):
        return 0, unchanged
    mean: Any = word[0].T if word[0].transposed else word[0]
    inner = _rewrite_word(mean.word, mean.shape, words)
    outer = expect(inner, mean.source)
    outer = outer.T if word[0].transposed else outer
    return (0, unchanged) if outer.terms == unchanged.terms else (1, outer)


def _same(first: Any, second: Any) -> bool:
    return first.terms == second.terms if isinstance(first, Polynomial) else first == second
