"""Quantities as people write them."""

from __future__ import annotations

import math
import re

_PREFIXES = {
    **{"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18},
    **{"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50},
    **{"m": 1e-3, "u": 1e-6, "µ": 1e-6, "n": 1e-9},
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
    example = {"B": "24GiB", "B/s": "12.5GB/s", "s": "10us", "FLOP/s": "50TFLOP/s"}.get(unit, f"3{unit}")
    found = re.fullmatch(rf"\s*([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*([a-zA-Zµ]*?){re.escape(unit)}\s*", text)
    allowed = {"s": _SMALL, "FLOP/s": tuple(prefix for prefix in _LARGE if "i" not in prefix)}.get(unit, _LARGE)
    try:
        if found is None or found[2] not in allowed:
            raise ValueError
        value = float(found[1]) * _PREFIXES[found[2]]
        if not math.isfinite(value):
            raise ValueError
    except ValueError:
        raise ValueError(f"{name} must be a number with the unit {unit}, such as {example}, got {text!r}") from None
    return value
