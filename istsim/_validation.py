"""Checks of what users pass in: every message says what was expected, what came and what to do."""

from __future__ import annotations

import difflib
import math
import operator
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
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


def positive_ints(name: str, values: Any, each: str = "") -> list[int]:
    """A sequence of ints that are at least 1; `each` is one's name where it is not that of all."""
    is_array = hasattr(values, "ndim") and values.ndim == 1
    if isinstance(values, str | bytes) or not (is_array or isinstance(values, Sequence)):
        raise ValueError(f"{name} must be a sequence of integers of at least 1, got {values!r}")
    return [positive_int(each or name, value) for value in values]


def natural_number(name: str, value: Any) -> int:
    """`value` as an int that is at least 0."""
    return _int_of_at_least(0, name, value)


def whole_number(name: str, value: Any) -> int:
    """`value` as an int of either sign, of 64 bits: a seed."""
    try:
        return _int_of_at_least(-(2**63), name, value)
    except ValueError:
        raise ValueError(f"{name} must be an integer of 64 bits, got {value!r}") from None


def _int_of_at_least(least: int, name: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool | np.bool_) or number < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
    if number >= 2**63:  # no array is so long
        raise ValueError(f"{name} must be below 2**63, got {value!r}")
    return number


def keep_checked(frozen: Any, check: Callable[[str, Any], Any], *names: str) -> None:
    """In fields of a frozen dataclass, what `check` makes of their names and values."""
    for name in names:
        object.__setattr__(frozen, name, check(name, getattr(frozen, name)))


def finite_number(name: str, value: Any) -> Any:
    """`value` as a float, or unchanged where JAX traces it: a finite scalar."""
    if type(value) is float and math.isfinite(value):
        return value
    if not is_concrete(value):
        return value
    refuse_masked(name, value)
    try:
        number = math.nan if _is_no_number(value) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a finite number, got {value!r}")
    return number


def plain_number(name: str, value: Any) -> Any:
    """`value`, a finite number: an int stays one, numbers of other kinds become floats."""
    number = finite_number(name, value)
    return value if type(value) is int else number


def _is_no_number(value: Any) -> bool:
    """Whether `float` would make a number of text, of a date, of an array of one entry or, with a warning, of a complex
    number.
    """
    kind = getattr(getattr(value, "dtype", None), "kind", "f")
    return isinstance(value, str | bytes | bytearray) or kind in "cmMSU" or getattr(value, "ndim", 0) > 0


def instance_of(name: str, value: Any, kind: type, words: str) -> Any:
    """`value`, if it is of a kind that `words` describe, such as "an istsim.Sketch"."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be {words}, got {value!r}")
    return value


def file_path(name: str, value: Any) -> Path:
    """`value` as a path: not a number, which `open` would take for a file that is open already."""
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise ValueError(f"{name} must be a path, got {value!r}")
    return Path(value)


def floating_type(name: str, value: Any) -> np.dtype:
    """`value` as NumPy's float32 or float64."""
    try:
        dtype = None if value is None else np.dtype(value)
    except TypeError:
        dtype = None
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"{name} must be float32 or float64, got {value!r}")
    return dtype


def points(name: str, value: Any, d: int) -> Any:
    """`value` as points of d real numbers along the last axis, which need not be finite: a run may have diverged.

    An array of NumPy's or JAX's, or unchanged where JAX traces part of it.
    """
    refuse_masked(name, value)
    if not hasattr(value, "dtype") and is_concrete(value):
        try:
            value = np.asarray(value)
        except ValueError:
            raise ValueError(f"{name} must have shape (..., {d}), got rows of different lengths") from None
    if not hasattr(value, "dtype"):  # tracers in lists
        return value
    if not (jnp.issubdtype(value.dtype, np.floating) or value.dtype.kind in "iub"):
        raise ValueError(f"{name} must hold real numbers, got dtype {value.dtype}")
    if value.shape[-1:] != (d,):
        raise ValueError(f"{name} must have shape (..., d) with d = {d}, got shape {value.shape}")
    return value


def finite_array(name: str, value: Any, shape: str, ndim: int) -> Any:
    """`value` as an array of real, finite numbers with `ndim` dimensions (described by `shape`).

    A NumPy array, or unchanged where JAX traces it: then only the number of dimensions is checked.
    """
    array = real_array(name, value, shape, ndim)
    if is_concrete(array) and not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} must be finite, got {array[where]} at index {where}")
    return array


def real_array(name: str, value: Any, shape: str, ndim: int) -> Any:
    """The same, of numbers that need not be finite."""
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
    return array


def ndim_of(value: Any) -> int:
    """The number of dimensions; -1 of rows of different lengths."""
    try:
        return np.ndim(value)
    except ValueError:
        return -1


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
