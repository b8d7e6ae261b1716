"""Exact numbers: floats read as fractions, and the two arithmetics that compute with them."""

from __future__ import annotations

import functools
import importlib.util
import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped

from istsim._optional import require
from istsim._validation import finite_number, one_of, refuse_masked


class Arithmetic(NamedTuple):
    """Two types of number that compute the same.

    Attributes:
        integer: makes an integer from an int.
        rational: makes a rational number from numerator and denominator.
    """

    integer: Callable[[int], Any]
    rational: Callable[[int, int], Any]


def arithmetic_of(name: str | None) -> Arithmetic:
    """The arithmetic "flint" or "fractions"; for None flint's where python-flint is installed.

    Raises:
        ValueError: for another name.
        ImportError: for "flint" where it is not installed.
    """
    if name is None:
        name = "fractions" if importlib.util.find_spec("flint") is None else "flint"
    if one_of("arithmetic", name, ("flint", "fractions")) == "fractions":
        return Arithmetic(int, Fraction)
    flint = require("flint", extra="certify")
    return Arithmetic(flint.fmpz, flint.fmpq)


def as_fraction(x: Any) -> Fraction:
    """The fraction of least denominator that rounds to a float; ints and fractions as they are.

    So 0.1 is read as 1/10, and every p/q with p and q up to 2^26, computed in floating point, as p/q.

    Raises:
        ValueError: for what is no finite number.

    Example:
        >>> from istsim.certificates import as_fraction
        >>> as_fraction(0.1), as_fraction(1 / 3), as_fraction(-2.5)
        (Fraction(1, 10), Fraction(1, 3), Fraction(-5, 2))
    """
    return fraction("x", x)


def fraction(name: str, x: Any) -> Fraction:
    """The same of an argument of that name."""
    if hasattr(x, "denominator") and not isinstance(x, type):  # ints and fractions of every library
        return Fraction(int(x.numerator), int(x.denominator))
    x = float(finite_number(name, x))
    if x.is_integer():
        return Fraction(x)
    # What lies strictly between the midpoints to both neighbours rounds to x. The midpoints themselves may, but
    # have larger denominators than x.
    exact = Fraction(x)
    below, above = (Fraction(math.nextafter(x, limit)) for limit in (-math.inf, math.inf))
    return simplest_between((below + exact) / 2, (exact + above) / 2)


def as_fractions(values: Any) -> Shaped[np.ndarray, "..."]:
    """An array of floats, ints or fractions as one of fractions, each read by `as_fraction`.

    Example:
        >>> from istsim.certificates import as_fractions
        >>> as_fractions([0.5, 2]).tolist()
        [Fraction(1, 2), Fraction(2, 1)]
    """
    return fractions("values", values)


def fractions(name: str, values: Any) -> Shaped[np.ndarray, "..."]:
    """The same of an argument of that name."""
    refuse_masked(name, values)
    return elementwise(functools.partial(fraction, name), np.array(values, dtype=object))


def elementwise(function: Callable[[Any], Any], values: Any) -> Shaped[np.ndarray, "..."]:
    """The function of every entry, as an array of dtype object."""
    return np.asarray(np.frompyfunc(function, 1, 1)(values), dtype=object)


def simplest_between(low: Fraction, high: Fraction) -> Fraction:
    """The fraction of least denominator strictly between two others; of several integers the one nearest 0."""
    if low < 0 < high:
        return Fraction(0)
    return -_simplest_positive(-high, -low) if high <= 0 else _simplest_positive(low, high)


def _simplest_positive(low: Fraction, high: Fraction | None) -> Fraction:
    """The same for `0 <= low < high`, None standing for infinity: by continued fractions."""
    whole = math.floor(low)
    if high is None or whole + 1 < high:
        return Fraction(whole + 1)
    return whole + 1 / _simplest_positive(1 / (high - whole), None if low == whole else 1 / (low - whole))


def symmetric(name: str, values: Any) -> Shaped[np.ndarray, "d d"]:
    """A symmetric matrix as fractions.

    Raises:
        ValueError: if it is not a symmetric matrix of finite numbers.
    """
    matrix = fractions(name, values)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"{name} must have shape (d, d), got shape {matrix.shape}")
    if differs := np.argwhere(matrix != matrix.T).tolist():
        i, j = differs[0]
        raise ValueError(
            f"{name} must be symmetric, got {matrix[i, j]} at {(i, j)} and {matrix[j, i]} at {(j, i)}; "
            "pass (M + M.T) / 2 if that is what you mean"
        )
    return matrix


def over_common_denominator(values: Any) -> tuple[Shaped[np.ndarray, "..."], int]:
    """Fractions as integers over their least common denominator: sums then need no greatest common divisors."""
    fractions = np.asarray(values, dtype=object)
    common = math.lcm(*(x.denominator for x in fractions.flat))
    return elementwise(lambda x: x.numerator * (common // x.denominator), fractions), common


def number_text(x: Fraction) -> str:
    """A fraction for people: with its decimal value, unless it is short, and without its digits, if they are many."""
    exact = str(x)
    if len(exact) <= 8:
        return exact
    about = f"{Decimal(x.numerator) / Decimal(x.denominator):.9g}"  # floats have a range
    return f"{exact} (about {about})" if len(exact) <= 40 else f"about {about}"
