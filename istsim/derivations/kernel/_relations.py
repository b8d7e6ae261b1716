"""Relations between terms: what may be claimed, whether it is true or not."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import sympy as sp

from istsim.derivations.terms._scalars import is_zero, scalar
from istsim.derivations.terms._words import Polynomial


@dataclasses.dataclass(frozen=True, eq=False)
class Relation:
    """`left = right`, `left <= right` or `left < right`; between matrices `<=` means that the difference is PSD.

    A relation is a claim, which anyone may write down. That it is true is said by a `Fact`, which only the rules of
    `Kernel` make.

    Attributes:
        left, right: polynomials of one shape, or sympy expressions.
        sign: "=", "<=" or "<".
    """

    left: Any
    sign: str
    right: Any

    def __post_init__(self) -> None:
        if self.sign not in ("=", "<=", "<"):
            raise ValueError(f"a relation is =, <= or <, got {self.sign!r}")
        left, right = _side(self.left), _side(self.right)
        # A number beside a matrix is that multiple of the identity; this also refuses unequal shapes.
        difference = right - left
        if isinstance(difference, Polynomial):
            zero = difference * 0
            left, right = zero + left, zero + right
            if self.sign == "<" or (self.sign == "<=" and left.shape[0] != left.shape[1]):
                raise ValueError(f"matrices are compared by <=, if they are square, got {left} {self.sign} {right}")
        object.__setattr__(self, "left", left)
        object.__setattr__(self, "right", right)

    @property
    def difference(self) -> Any:
        """`right - left`."""
        return self.right - self.left

    @property
    def of_matrices(self) -> bool:
        """Whether the sides are matrices or vectors, not numbers."""
        return isinstance(self.left, Polynomial)

    def is_same(self, other: Relation) -> bool:
        """Whether the other one says the same: the same sign between the same sides."""
        return (
            self.sign == other.sign
            and self.of_matrices == other.of_matrices
            and (not self.of_matrices or self.left.shape == other.left.shape)
            and vanishes(self.left - other.left)
            and vanishes(self.right - other.right)
        )

    def __str__(self) -> str:
        return f"{self.left} {self.sign} {self.right}"

    def to_latex(self, names: Mapping[sp.Basic, str] | None = None) -> str:
        """As LaTeX; names gives that of scalar symbols that are not called as they are printed."""
        inequality = r"\preceq" if self.of_matrices else r"\le"
        sign = {"=": "=", "<=": inequality, "<": "<"}[self.sign]
        return f"{to_latex(self.left, names)} {sign} {to_latex(self.right, names)}"


def equal(left: Any, right: Any) -> Relation:
    """`left = right`."""
    return Relation(left, "=", right)


def at_most(left: Any, right: Any) -> Relation:
    """`left <= right`: between matrices, `right - left` is positive semidefinite."""
    return Relation(left, "<=", right)


def less(left: Any, right: Any) -> Relation:
    """`left < right`, between numbers."""
    return Relation(left, "<", right)


def vanishes(value: Any) -> bool:
    """Whether a polynomial or an expression is 0 identically, wherever it is defined."""
    return value.is_zero if isinstance(value, Polynomial) else is_zero(value)


def to_latex(value: Any, names: Mapping[sp.Basic, str] | None = None) -> str:
    """A polynomial or an expression in LaTeX."""
    return value.to_latex(names) if isinstance(value, Polynomial) else sp.latex(value, symbol_names=dict(names or {}))


def _side(value: Any) -> Any:
    return value if isinstance(value, Polynomial) else scalar(value)
