from __future__ import annotations

import dataclasses
import itertools
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Shaped

from istsim.certificates._rational import arithmetic_of, as_fractions, elementwise, symmetric


@dataclasses.dataclass(frozen=True, eq=False)
class LDL:
    """The rational factorisation `M = L D L'` of a positive semidefinite matrix, L invertible and D diagonal.

    Attributes:
        pivots: the diagonal of D, shape (d,), none of them negative.
        inverse_factor: `L^-1`, shape (d, d): anyone can check that `L^-1 M L^-T = D`.
    """

    pivots: Shaped[np.ndarray, " d"]
    inverse_factor: Shaped[np.ndarray, "d d"] = dataclasses.field(repr=False)

    @property
    def kernel(self) -> Shaped[np.ndarray, "k d"]:
        """A basis of the kernel of M, by rows."""
        return self.inverse_factor[self.pivots == 0]

    @property
    def rank(self) -> int:
        """The rank of M."""
        return int((self.pivots != 0).sum())


def ldl(matrix: Any, *, arithmetic: str | None = None) -> LDL | None:
    """Factorise a symmetric matrix exactly; None if it is not positive semidefinite.

    Args:
        matrix: shape (d, d), of fractions, ints or floats (see `as_fraction`).
        arithmetic: "flint" or "fractions", with equal results; None for flint's where it is installed.

    Raises:
        ValueError: if the matrix is not symmetric.

    Example:
        >>> from istsim.certificates import ldl
        >>> ldl([[1, 1], [1, 1]]).pivots.tolist(), ldl([[1, 2], [2, 1]])
        ([Fraction(1, 1), Fraction(0, 1)], None)
    """
    pivots, inverse_factor, negative = _eliminate(symmetric("matrix", matrix), arithmetic)
    return LDL(pivots, inverse_factor) if negative is None else None


def is_semidefinite(matrix: Any, *, arithmetic: str | None = None) -> bool:
    """Whether a symmetric matrix is positive semidefinite, exactly; rank-deficient ones are no harder.

    Args and errors as for `ldl`.

    Example:
        >>> from istsim.certificates import is_semidefinite
        >>> is_semidefinite([[0.1, 0.2], [0.2, 0.4]]), is_semidefinite([[0.1, 0.2], [0.2, 0.4 - 1e-12]])
        (True, False)
    """
    return ldl(matrix, arithmetic=arithmetic) is not None


def negative_direction(matrix: Any, *, arithmetic: str | None = None) -> Shaped[np.ndarray, " d"] | None:
    """A vector v of integers with `v' M v < 0`, rounded to few digits; None if there is none.

    Args and errors as for `ldl`.

    Example:
        >>> from istsim.certificates import negative_direction
        >>> negative_direction([[1, 2], [2, 1]]).tolist()
        [Fraction(-2, 1), Fraction(1, 1)]
    """
    checked = symmetric("matrix", matrix)
    _, _, negative = _eliminate(checked, arithmetic)
    if negative is None:
        return None
    unit = negative / max(abs(x) for x in negative)
    # What is near enough to a negative direction is one too, so that some rounding succeeds.
    scale = 1
    while True:
        short = elementwise(lambda x: Fraction(round(x)), unit * scale)
        if short @ checked @ short < 0:
            return short
        scale *= 2


def _eliminate(
    matrix: Shaped[np.ndarray, "d d"], arithmetic: str | None
) -> tuple[Shaped[np.ndarray, " d"], Shaped[np.ndarray, "d d"], Shaped[np.ndarray, " d"] | None]:
    """D and L^-1 of `L^-1 M L^-T = D`; or, unfinished, with a direction in which M is negative."""
    rational = arithmetic_of(arithmetic).rational
    rest = elementwise(lambda x: rational(x.numerator, x.denominator), matrix)
    d, zero, one = len(matrix), rational(0, 1), rational(1, 1)
    pivots, rows = np.full(d, zero), np.where(np.eye(d, dtype=bool), one, zero)
    left, negative = list(range(d)), None
    # All along, rest = rows M rows' on the coordinates that are left.
    while left and negative is None:
        lowest, pivot = (choose(left, key=lambda j: rest[j, j]) for choose in (min, max))
        if rest[lowest, lowest] < 0:
            negative = rows[lowest]
        elif rest[pivot, pivot] == 0:
            negative = _negative_pair(rest, rows, left)
            break
        else:
            left.remove(pivot)
            pivots[pivot] = rest[pivot, pivot]
            for j in left:
                factor = rest[j, pivot] / pivots[pivot]
                rows[j] = rows[j] - factor * rows[pivot]
                rest[j] = rest[j] - factor * rest[pivot]
    found = as_fractions(pivots), as_fractions(rows)
    return *found, None if negative is None else as_fractions(negative)


def _negative_pair(rest: Any, rows: Any, left: list[int]) -> Any:
    """A direction in which a matrix with a zero diagonal is negative: there is one unless it is zero."""
    for i, j in itertools.combinations(left, 2):
        if rest[i, j] != 0:
            return rows[i] - rows[j] if rest[i, j] > 0 else rows[i] + rows[j]
    return None
