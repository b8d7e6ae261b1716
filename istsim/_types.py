from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
from jaxtyping import ArrayLike

Scalar = float | jax.Array
"""A number, possibly traced by JAX, so that results can be differentiated in it."""

Numbers = ArrayLike | Sequence[Any]
"""A number, an array, or numbers in nested lists."""
