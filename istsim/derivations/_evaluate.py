"""Numbers in the place of letters."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import sympy as sp

from istsim.derivations._entries import DiagonalPart
from istsim.derivations._expectation import Mean, ScalarMean
from istsim.derivations._words import Letter, Polynomial, Trace, Word


def evaluate(
    value: Any,
    arrays: Mapping[str, np.ndarray],
    *,
    dims: Mapping[str, int],
    outcomes: Mapping[str, int] | None = None,
    at: Mapping[str, int] | None = None,
) -> Any:
    """A polynomial or scalar as numbers, by its normal form.

    Args:
        value: a polynomial, or an expression whose only symbols are traces, means and dimensions.
        arrays: for each letter by name, its entries; a random letter has one leading axis for each of its sources, in
            alphabetical order, over equally likely outcomes. Vectors have shape (d, 1).
        dims: the sizes of the dimensions, by their labels in the letters' shapes.
        outcomes: the number of outcomes of each source.
        at: which outcome of each source is meant, if the value is random.

    Returns:
        An array, or a float.

    Example:
        >>> import numpy as np
        >>> from istsim.derivations import evaluate, expect, matrix
        >>> B = matrix("B", random="round")
        >>> evaluate(expect(B, "round"), {"B": np.array([[[1.0]], [[3.0]]])}, dims={"d": 1}, outcomes={"round": 2})
        array([[2.]])
    """
    point = _Point(arrays, {**dims, "1": 1}, outcomes or {}, at or {})
    return point.polynomial(value) if isinstance(value, Polynomial) else point.scalar(value)


@dataclasses.dataclass(frozen=True)
class _Point:
    """Numbers for the letters, and an outcome of each source."""

    arrays: Mapping[str, np.ndarray]
    dims: Mapping[str, int]
    outcomes: Mapping[str, int]
    at: Mapping[str, int]

    def polynomial(self, value: Polynomial) -> np.ndarray:
        total = np.zeros([self.dims[label] for label in value.shape])
        for word, number in value.terms.items():
            total = total + self.scalar(number) * (self.word(word) if word else np.eye(*total.shape))
        return total

    def scalar(self, expression: sp.Expr) -> float:
        numbers: dict[Any, Any] = {sp.Symbol(label): size for label, size in self.dims.items()}
        for symbol in expression.free_symbols:
            if isinstance(symbol, Trace):
                numbers[symbol] = float(np.trace(self.word(symbol.word)))
            elif isinstance(symbol, ScalarMean):
                numbers[symbol] = self.mean(symbol.source, lambda point, of=symbol.of: point.scalar(of))
        return float(expression.xreplace(numbers))

    def word(self, word: Word) -> np.ndarray:
        return functools.reduce(np.matmul, (self.letter(letter) for letter in word))

    def letter(self, letter: Letter) -> np.ndarray:
        if letter.transposed:
            return self.letter(letter.T).T
        if isinstance(letter, Mean):
            return self.mean(letter.source, lambda point: point.word(letter.word))
        if isinstance(letter, DiagonalPart) and letter.of is not None:
            return np.diag(np.diag(self.letter(letter.of)))
        return self.arrays[letter.name][tuple(self.at[source] for source in sorted(letter.sources))]

    def mean(self, source: str, function: Callable[[_Point], Any]) -> Any:
        points = (dataclasses.replace(self, at={**self.at, source: index}) for index in range(self.outcomes[source]))
        return sum(map(function, points)) / self.outcomes[source]
