from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import ArrayLike

Numbers = ArrayLike | Sequence[Any]
"""A number, an array, or numbers in nested lists."""
