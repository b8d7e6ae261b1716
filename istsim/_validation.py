"""Checks of what users pass in: every message says what was expected, what came and what to do."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from istsim._precision import require_x64

# Of more names than these, the nearest are told first.
_FEW = 8


def is_concrete(*values: Any) -> bool:
    """Whether all values are known now, so that their content can be checked.

    Inside `jit`, `vmap` or `grad` they are not; there only shapes are checked.
    """
    return not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(values))


def positive_int(name: str, value: Any) -> int:
    """`value` as an int that is at least 1."""
    return _int_of_at_least(1, name, value)


def natural_number(name: str, value: Any) -> int:
    """`value` as an int that is at least 0."""
    return _int_of_at_least(0, name, value)


def _int_of_at_least(least: int, name: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool | np.bool_) or number < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
    return number


def finite_number(name: str, value: Any) -> Any:
    """`value` as a float, or unchanged where JAX traces it: a finite scalar."""
    if not is_concrete(value):
        return value
    refuse_masked(name, value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a finite number, got {value!r}") from None
    if not np.isfinite(number):
        raise ValueError(f"{name} must be a finite number, got {value!r}")
    return number


def finite_array(name: str, value: Any, shape: str, ndim: int) -> Any:
    """`value` as an array of real, finite numbers with `ndim` dimensions (described by `shape`).

    A NumPy array, or unchanged where JAX traces it: then only the number of dimensions is checked.
    """
    if not is_concrete(value):
        require_x64()
        array = jnp.asarray(value)
        array = array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
        if array.ndim != ndim:
            raise ValueError(f"{name} must have shape {shape}, got shape {array.shape}")
        return array
    refuse_masked(name, value)
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must be an array of shape {shape}, got rows of different lengths") from None
    if array.ndim != ndim:
        raise ValueError(f"{name} must have shape {shape}, got shape {array.shape}")
    if array.dtype not in (np.float32, np.float64):
        try:
            array = array.astype(np.float64, casting="same_kind" if array.dtype.kind in "fc" else "safe")
        except TypeError:
            raise ValueError(f"{name} must hold real numbers, got dtype {array.dtype}") from None
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} must be finite, got {array[where]} at index {where}")
    return array


def refuse_masked(name: str, value: Any) -> None:
    """Refuse a masked array of NumPy's, alone or in lists: as an array it would be one without its mask."""
    if isinstance(value, np.ma.MaskedArray):
        raise ValueError(
            f"{name} must hold a number in every place, got a masked array with {np.ma.count_masked(value)} masked "
            "entries, which would be taken as numbers; pass array.filled(value) with the value they should have"
        )
    if isinstance(value, list | tuple):
        for part in value:
            refuse_masked(name, part)


def one_of(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """`value`, if it is one of the `allowed` strings."""
    if not isinstance(value, str) or value not in allowed:
        expected = " or ".join(repr(choice) for choice in allowed)
        near = did_you_mean(value, allowed) if len(allowed) > _FEW else ""
        raise ValueError(f"{near}{name} must be {expected}, got {value!r}")
    return value


def did_you_mean(value: Any, allowed: Iterable[str]) -> str:
    """A question for those of the `allowed` strings that are written alike, with a blank after it; "" if none is."""
    near = difflib.get_close_matches(value, allowed) if isinstance(value, str) else []
    return f"did you mean {' or '.join(map(repr, near))}? " if near else ""
