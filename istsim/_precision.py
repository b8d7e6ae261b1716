"""Exact results need JAX's float64, which is a setting of the whole process."""

from __future__ import annotations

from typing import Any

import jax


def require_x64() -> None:
    """Refuse to compute by JAX where another library has switched float64 off: JAX would take float32 silently.

    Raises:
        RuntimeError: with how to switch it on.
    """
    config: Any = jax.config
    if not config.jax_enable_x64:
        raise RuntimeError(
            "istsim computes in float64, but JAX's x64 mode, which importing istsim switches on, has been switched off "
            "since, so that JAX would silently compute in float32; switch it on again by "
            'jax.config.update("jax_enable_x64", True)'
        )
