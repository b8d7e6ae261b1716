from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

from istsim.certificates._definite import negative_direction
from istsim.certificates._rational import number_text, symmetric


@dataclasses.dataclass(frozen=True)
class Decision:
    """What was decided about one matrix inequality, `M >= 0` for a symmetric M.

    Attributes:
        claim: the inequality, as text.
        holds: whether it is true.
        witness: if it is false, a vector v with `v' M v < 0`; else None.
        value: `v' M v` for the witness.
    """

    claim: str
    holds: bool
    witness: tuple[Fraction, ...] | None = None
    value: Fraction | None = None

    def __str__(self) -> str:
        if self.witness is None or self.value is None:
            return f"true: {self.claim}"
        v = ", ".join(map(str, self.witness))
        return f"false: {self.claim}: right less left is {number_text(self.value)} at v = ({v})"


def decide(claim: str, matrix: Any, *, arithmetic: str | None = None) -> Decision:
    """Decide exactly whether a symmetric matrix is positive semidefinite.

    Args:
        claim: the inequality for which the matrix stands: its right side less its left one.
        matrix: shape (d, d), of fractions, ints or floats (see `as_fraction`).
        arithmetic: "flint" or "fractions", with equal results; None for flint's where it is installed.

    Raises:
        ValueError: if the matrix is not symmetric.

    Example:
        >>> from istsim.certificates import decide
        >>> print(decide("[[1, 1], [1, 1]] <= 3/2 I", [[0.5, -1], [-1, 0.5]]))
        false: [[1, 1], [1, 1]] <= 3/2 I: right less left is -3/2 at v = (2, 1)
    """
    M = symmetric("matrix", matrix)
    v: Any = negative_direction(M, arithmetic=arithmetic)
    return Decision(claim, True) if v is None else Decision(claim, False, tuple(v), v @ M @ v)
