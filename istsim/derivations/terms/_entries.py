"""Matrix identities by their entries: one on the diagonal, one off it."""

from __future__ import annotations

import dataclasses
from typing import Any

import sympy as sp

from istsim.derivations.terms._expectation import Entry, Mean, expect
from istsim.derivations.terms._words import Letter, Polynomial, Word, product


@dataclasses.dataclass(frozen=True)
class DiagonalPart(Letter):
    """The diagonal of another letter."""

    of: Letter | None = None


def diagonal_of(A: Polynomial) -> Polynomial:
    """The diagonal matrix with the diagonal of A, for one letter A.

    Example:
        >>> from istsim.derivations import diagonal_of, entry, matrix
        >>> L = matrix("L", symmetric=True)
        >>> entry(diagonal_of(L) - L, "a", "a"), entry(diagonal_of(L), "a", "b")
        (0, 0)
    """
    words = dict(A.terms)
    if len(words) != 1 or set(words.values()) != {1} or len(next(iter(words))) != 1:
        raise ValueError(f"only a single letter has its diagonal here, got {A}")
    ((letter,),) = words
    diagonal = DiagonalPart(
        f"Diag({letter})",
        letter.shape,
        symmetric=True,
        diagonal=True,
        sources=letter.sources,
        latex=rf"\operatorname{{Diag}}({letter.to_latex()})",
        of=letter,
    )
    return product((diagonal,))


def entry(polynomial: Polynomial, *at: str) -> sp.Expr:
    """An entry of a polynomial, as a sympy expression in the entries of its letters.

    Args:
        polynomial: products of diagonal letters and at most one other.
        at: names of the row and, for matrices, the column; different names are different coordinates.

    Raises:
        ValueError: for a product that is a sum over inner coordinates.

    Example:
        >>> from istsim.derivations import entry, matrix
        >>> P, L = matrix("P", diagonal=True, idempotent=True), matrix("L", symmetric=True)
        >>> entry(P * L * P, "a", "b")
        L[a,b]*P[a,a]*P[b,b]
    """
    total = sum((value * _word_entry(word, at) for word, value in polynomial.terms.items()), sp.S.Zero)
    return sp.expand(total)


def _word_entry(word: Word, at: tuple[str, ...]) -> sp.Expr:
    full = [i for i, letter in enumerate(word) if not letter.diagonal]
    if len(full) > 1:
        raise ValueError(f"an entry of {' '.join(map(str, word))} is a sum over inner coordinates")
    row, column = at[0], at[-1]
    if not full:
        return sp.Mul(*(_letter_entry(letter, (row, row)) for letter in word)) if row == column else sp.S.Zero
    left, middle, right = word[: full[0]], word[full[0]], word[full[0] + 1 :]
    outer = [_letter_entry(letter, (row, row)) for letter in left]
    outer += [_letter_entry(letter, (column, column)) for letter in right]
    return sp.Mul(*outer, _letter_entry(middle, at))


def _letter_entry(letter: Letter, at: tuple[str, ...]) -> Any:
    if letter.transposed:
        return _letter_entry(letter.T, at[::-1])
    if isinstance(letter, Mean):
        return expect(entry(product(letter.word), *at), letter.source)
    if isinstance(letter, DiagonalPart) and letter.of is not None:
        return _letter_entry(letter.of, at)
    return Entry(letter, *(sorted(at) if letter.symmetric else at))
