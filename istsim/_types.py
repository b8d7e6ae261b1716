from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import ArrayLike

Array = jax.Array | np.ndarray
"""An array of NumPy's, or of JAX's where it is traced or lies on a device."""

Scalar = float | jax.Array
"""A number, possibly traced by JAX, so that results can be differentiated in it."""

Numbers = ArrayLike | Sequence[Any]
"""A number, an array, or numbers in nested lists."""
