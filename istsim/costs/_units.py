"""Quantities as people write them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction

from istsim._validation import instance_of

BYTES = {"TB": 1e12, "GB": 1e9, "MB": 1e6, "kB": 1e3}
MEMORY = {"TiB": 2.0**40, "GiB": 2.0**30, "MiB": 2.0**20, "KiB": 2.0**10}
OPERATIONS = {"PFLOP": 1e15, "TFLOP": 1e12, "GFLOP": 1e9, "MFLOP": 1e6, "kFLOP": 1e3}
SECONDS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}

_PREFIXES = {
    **{"": Fraction(1), "k": Fraction(10**3), "K": Fraction(10**3), "M": Fraction(10**6), "G": Fraction(10**9)},
    **{"T": Fraction(10**12), "P": Fraction(10**15)},
    **{name: Fraction(2) ** (10 * power) for power, name in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi"), start=1)},
    **{"m": Fraction(1, 10**3), "u": Fraction(1, 10**6), "µ": Fraction(1, 10**6), "n": Fraction(1, 10**9)},
}
_LARGE = tuple(prefix for prefix, factor in _PREFIXES.items() if factor >= 1)
_SMALL = tuple(prefix for prefix, factor in _PREFIXES.items() if factor <= 1)


def quantity(name: str, text: str, unit: str) -> float:
    """A number with a unit, which may have a prefix: k, M, G, T, P; Ki, Mi, Gi, Ti, Pi for bytes; m, u, n for seconds.

    Args:
        name: what it is, for the error.
        text: such as "24GiB".
        unit: such as "B", "B/s", "s" or "FLOP/s".

    Raises:
        ValueError: for anything else, or a number below 0.

    Example:
        >>> from istsim.costs import quantity
        >>> quantity("memory", "24GiB", "B") / 2**30, quantity("latency", "10us", "s")
        (24.0, 1e-05)
    """
    instance_of(name, text, str, "text")
    example = {"B": "24GiB", "B/s": "12.5GB/s", "s": "10us", "FLOP/s": "50TFLOP/s"}.get(unit, f"3{unit}")
    # [0-9.]+ may have two points, which Fraction refuses. It would build all digits of a number with a long exponent.
    found = re.fullmatch(rf"\s*([0-9.]+(?:[eE][+-]?[0-9]{{1,3}})?)\s*([a-zA-Zµ]*?){re.escape(unit)}\s*", text)
    allowed = {"s": _SMALL, "FLOP/s": tuple(prefix for prefix in _LARGE if "i" not in prefix)}.get(unit, _LARGE)
    try:
        if found is None or found[2] not in allowed:
            raise ValueError
        return float(Fraction(found[1]) * _PREFIXES[found[2]])
    except (ValueError, OverflowError):
        raise ValueError(f"{name} must be a number with the unit {unit}, such as {example}, got {text!r}") from None


def unit_for(amounts: Iterable[float], units: dict[str, float]) -> tuple[str, float]:
    """The largest unit of which the largest amount is at least one, or else the smallest, with its size.

    Example:
        >>> from istsim.costs._units import BYTES, unit_for
        >>> unit_for([3e5, 2.5e6], BYTES)
        ('MB', 1000000.0)
    """
    largest = max(amounts)
    name = next((name for name, size in units.items() if largest >= size), list(units)[-1])
    return name, units[name]
