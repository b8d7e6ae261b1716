from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from istsim._pytree import Pytree
from istsim._types import Array, Numbers
from istsim._validation import finite_array, finite_number, is_concrete


@dataclasses.dataclass(frozen=True, eq=False)
class StepSizes(Pytree):
    """Constant step sizes, or one schedule.

    Attributes:
        sizes: shape (step_size,), constant ones; `[1]` under a schedule.
        schedule: shape (rounds,), the step size of every round; None without one.
    """

    data_fields = ("sizes", "schedule")
    sizes: Float[Any, " step_size"]
    schedule: Float[Any, " rounds"] | None

    @classmethod
    def of(cls, step_size: Numbers | Callable[[int], Any], rounds: int, dtype: Any) -> StepSizes:
        """Check what the user passed.

        Raises:
            ValueError: unless constant step sizes are positive and a schedule's are at least 0.
        """
        if callable(step_size):
            given = [step_size(k) for k in range(rounds)]
            if not is_concrete(given):
                raise ValueError(
                    "step_size as a schedule must give known numbers, but JAX traces what it gives; one step size for "
                    "all rounds may be traced, in istsim.trajectory"
                )
            schedule = np.array([finite_number("step_size", size) for size in given])
            if (schedule < 0).any():
                first = int(np.argmax(schedule < 0))
                raise ValueError(f"step_size must be at least 0 in every round, got {schedule[first]} in round {first}")
            return cls(np.ones(1, dtype), schedule.astype(dtype))
        is_scalar = not isinstance(step_size, Sequence) and np.ndim(step_size) == 0
        sizes = finite_array(
            "step_size", [step_size] if is_scalar else step_size, "() or (m,), a number or a 1-D array", 1
        )
        if sizes.size == 0:
            raise ValueError("step_size must be a number or a 1-D array of at least one, got shape (0,)")
        if (sizes <= 0).any():
            raise ValueError(f"step_size must be positive, got {sizes[sizes <= 0][0]}")
        return cls(sizes.astype(dtype), None)

    def between(self, first: int, end: int) -> Float[np.ndarray, "round step_size"]:
        """Those of the rounds from the first up to the end."""
        sizes = np.broadcast_to(np.asarray(self.sizes), (end - first, len(self.sizes)))
        return sizes if self.schedule is None else sizes * np.asarray(self.schedule)[first:end, None]

    def at(self, round_index: Int[Array, ""]) -> Float[Array, " step_size"]:
        """The step sizes of a round."""
        return self.sizes if self.schedule is None else self.sizes * self.schedule[round_index]
