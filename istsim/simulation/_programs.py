"""How many programs a process keeps that XLA has compiled.

Each takes some 4 MB and 70 memory maps, of which Linux gives a process 65530: one that simulates thousands of shapes
would fill the memory, or crash.
"""

from __future__ import annotations

from typing import Any

import jax

from istsim._validation import is_concrete

# Far more than a run has, and far fewer than a process can hold.
_MOST = 100
_compiled = 0


def _count(event: str, duration_secs: float, **kwargs: Any) -> None:
    global _compiled
    _compiled += event == "/jax/core/compile/backend_compile_duration"


jax.monitoring.register_event_duration_secs_listener(_count)


def forget_if_many(*arguments: Any) -> None:
    """Forget all programs once there are many; those that are asked for again are compiled again.

    Args:
        arguments: Those of the run. Nothing is forgotten while JAX traces one of them.
    """
    global _compiled
    if _compiled > _MOST and is_concrete(arguments):
        jax.clear_caches()
        _compiled = 0
