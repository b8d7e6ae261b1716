from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import ArrayLike

Array = jax.Array | np.ndarray | np.generic
"""An array of NumPy, or of JAX where it is traced or lies on a device; a scalar of NumPy counts as one of shape ()."""

Scalar = float | jax.Array
"""A number, possibly traced by JAX, so that results can be differentiated in it."""

Numbers = ArrayLike | Sequence[Any]
"""A number, an array, or numbers in nested lists."""
