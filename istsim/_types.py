from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import ArrayLike

if TYPE_CHECKING:
    # Type checkers know no operations that arrays of both kinds have in common.
    Array = Any
else:
    Array = jax.Array | np.ndarray | np.generic
    """An array of NumPy, or of JAX where it is traced or lies on a device; a scalar of NumPy is one of shape ()."""

Scalar = float | jax.Array
"""A number, possibly traced by JAX, so that results can be differentiated in it."""

Numbers = ArrayLike | Sequence[Any]
"""A number, an array, or numbers in nested lists."""
