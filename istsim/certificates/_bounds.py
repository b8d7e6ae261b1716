from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from istsim._validation import positive_int
from istsim.certificates._decision import Decision, decide
from istsim.certificates._definite import LDL, is_semidefinite, ldl
from istsim.certificates._rational import number_text, simplest_between, symmetric


@dataclasses.dataclass(frozen=True)
class Bound:
    """A rational bound that is proved, beside one that is a little sharper and refuted.

    Attributes:
        value: the bound; None if there is none.
        is_sharp: whether it is proved that no sharper number is a bound; else only that the neighbour is none.
        proof: the inequality with the value, which holds; None if there is no value.
        neighbour: a slightly sharper number; None if there is no value.
        refutation: the inequality with the neighbour, which fails; or, if there is no value, with any number.
    """

    value: Fraction | None
    is_sharp: bool
    proof: Decision | None
    neighbour: Fraction | None
    refutation: Decision

    def __str__(self) -> str:
        return str(self.refutation) if self.proof is None else f"{self.proof}\n{self.refutation}"


def least_theta(V: Any, W: Any, *, digits: int = 9, arithmetic: str | None = None) -> Bound:
    """The least theta with `V <= theta W`, exactly where it is a fraction of few digits, else rounded up.

    It is theta of Theorem 1 (Shulgin and Richtarik, arXiv 2306.16484, version 1) for `V = E[B' Lbar B]`. There is
    none if the kernel of W is not within that of V, which is decided exactly, too.

    Args:
        V: shape (d, d), positive semidefinite, of fractions, ints or floats (see `as_fraction`).
        W: shape (d, d), positive semidefinite and not zero.
        digits: after rounding up, theta has so many; one less in the last of them is refuted.
        arithmetic: "flint" or "fractions", with equal results; None for flint's where it is installed.

    Raises:
        ValueError: if V or W is not positive semidefinite, or W is zero.

    Example:
        >>> from istsim.certificates import least_theta
        >>> print(least_theta([[1, 1], [1, 1]], [[3, 0], [0, 3]], digits=3))
        true: V <= 2/3 W
        false: V <= 1997/3000 (about 0.665666667) W: right less left is -3/500 at v = (1, 1)
    """
    V, W, digits = symmetric("V", V), symmetric("W", W), _checked(digits)
    factors = ldl(W, arithmetic=arithmetic)
    if factors is None or factors.rank == 0:
        raise ValueError("W must be positive semidefinite and not zero")
    if not is_semidefinite(V, arithmetic=arithmetic):
        raise ValueError("V must be positive semidefinite")
    for v in factors.kernel:
        if (value := v @ V @ v) > 0:
            return Bound(None, False, None, None, Decision("V <= theta W for some theta", False, tuple(v), -value))

    def inequality(theta: Fraction) -> Decision:
        return decide(f"V <= {number_text(theta)} W", theta * W - V, arithmetic=arithmetic)

    theta, step, is_sharp = _least_multiple(V, W, factors, digits, arithmetic)
    return Bound(theta, is_sharp, inequality(theta), theta - step, inequality(theta - step))


def largest_rate(W: Any, Lbar: Any, *, digits: int = 9, arithmetic: str | None = None) -> Bound:
    """The largest lambda with `W >= lambda Lbar`, exactly where it is a fraction of few digits, else rounded down.

    It is the smallest eigenvalue of `Lbar^-1/2 W Lbar^-1/2`: the rate of Theorem 1 (Shulgin and Richtarik,
    arXiv 2306.16484, version 1). It may be negative.

    Args:
        W: shape (d, d), symmetric, of fractions, ints or floats (see `as_fraction`).
        Lbar: shape (d, d), positive definite.
        digits, arithmetic: as for `least_theta`.

    Raises:
        ValueError: if W is not symmetric or Lbar not positive definite.

    Example:
        >>> from istsim.certificates import largest_rate
        >>> largest_rate([[2, 1], [1, 2]], [[3, 0], [0, 3]]).value
        Fraction(1, 3)
    """
    W, Lbar, digits = symmetric("W", W), symmetric("Lbar", Lbar), _checked(digits)
    factors = ldl(Lbar, arithmetic=arithmetic)
    if factors is None or factors.rank < len(Lbar):
        raise ValueError("Lbar must be positive definite")

    def inequality(rate: Fraction) -> Decision:
        return decide(f"{number_text(rate)} Lbar <= W", W - rate * Lbar, arithmetic=arithmetic)

    negated, step, is_sharp = _least_multiple(-W, Lbar, factors, digits, arithmetic)
    return Bound(-negated, is_sharp, inequality(-negated), step - negated, inequality(step - negated))


def _least_multiple(
    V: Shaped[np.ndarray, "d d"], W: Shaped[np.ndarray, "d d"], factors: LDL, digits: int, arithmetic: str | None
) -> tuple[Fraction, Fraction, bool]:
    """A t with `V <= t W`, a step such that t - step has it not, and whether t is the least.

    V vanishes on the kernel of W, of which the factors are given.
    """
    eigenvalues = _float_eigenvalues(V, factors)
    largest, size = Fraction(eigenvalues[-1]), Fraction(abs(eigenvalues).max()) or Fraction(1)
    close = size / 10**11
    step = Fraction(10) ** (math.floor(math.log10(abs(largest) if abs(largest) > close else size)) + 1 - digits)

    # The least t may be a fraction of few digits. A t at which t W - V is positive semidefinite and of less rank than
    # W is the least: any smaller one is too small along what the kernel has gained.
    guess = simplest_between(largest - close, largest + close)
    at_guess = ldl(guess * W - V, arithmetic=arithmetic)
    if at_guess is not None and at_guess.rank < factors.rank:
        return guess, step, True

    def fails(multiple: int) -> bool:
        return not is_semidefinite(multiple * step * W - V, arithmetic=arithmetic)

    return _first_false(fails, start=math.ceil(largest / step)) * step, step, False


def _float_eigenvalues(V: Shaped[np.ndarray, "d d"], factors: LDL) -> Float[np.ndarray, " _"]:
    """The eigenvalues, in ascending order, of V in coordinates in which W is the identity, its kernel left out."""
    positive = factors.pivots > 0
    rows = factors.inverse_factor[positive]
    root = np.sqrt(factors.pivots[positive].astype(float))
    return np.linalg.eigvalsh((rows @ V @ rows.T).astype(float) / np.outer(root, root))


def _first_false(predicate: Callable[[int], bool], start: int) -> int:
    """The first integer at which a predicate that is true below some number and false above is false."""
    low, high, width = start - 1, start, 1
    while not predicate(low):
        low, width = low - width, 2 * width
    while predicate(high):
        high, width = high + width, 2 * width
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if predicate(middle) else (low, middle)
    return high


def _checked(digits: int) -> int:
    """Digits that are few enough to be told: Python turns no more than 4300 into text."""
    found = positive_int("digits", digits)
    if found > 1000:
        raise ValueError(f"digits must be at most 1000, got {digits}")
    return found
