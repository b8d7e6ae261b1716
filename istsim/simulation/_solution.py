from __future__ import annotations

import dataclasses
import enum
import functools
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int, Shaped

from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.simulation._metrics import METRICS

if TYPE_CHECKING:
    import xarray

# A run whose objective gap exceeds the scale of the problem by this factor has diverged.
_DIVERGENCE_FACTOR = 1e6


class Status(enum.StrEnum):
    """How a trajectory ended. The string is what `Solution.status` holds."""

    CONVERGED = "converged"
    """The objective gap fell to the square root of the machine precision, relative to the start, or to rounding."""
    RUNNING = "running"
    """Neither of these, so still on its way or at a floor above the minimum."""
    DIVERGED = "diverged"
    """The objective gap is not finite, or a million times the larger of those at x0 and at 0."""


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Solution:
    """What `simulate` returns.

    Attributes:
        problem, method: what was run.
        step_sizes: shape (step_size,).
        recorded_rounds: shape (round,).
        metrics: arrays of shape (step_size, repetition, round) by name.
        x: shape (step_size, repetition, d), the last iterates.
    """

    problem: Quadratic
    method: Method
    step_sizes: Float[np.ndarray, " step_size"]
    recorded_rounds: Int[np.ndarray, " round"]
    metrics: dict[str, Float[np.ndarray, "step_size repetition round"]] = dataclasses.field(repr=False)
    x: Float[np.ndarray, "step_size repetition d"] = dataclasses.field(repr=False)

    @functools.cached_property
    def dataset(self) -> xarray.Dataset:
        """The metrics with dimensions step_size, repetition, round, labelled."""
        import xarray

        dims = ("step_size", "repetition", "round")
        return xarray.Dataset(
            {name: (dims, values, {"long_name": METRICS[name]}) for name, values in self.metrics.items()},
            coords={
                "step_size": self.step_sizes,
                "repetition": np.arange(self.x.shape[1]),
                "round": self.recorded_rounds,
            },
            attrs={"problem": repr(self.problem), "method": repr(self.method)},
        )

    @functools.cached_property
    def _scale(self) -> np.ndarray:
        """Shape (step_size, repetition, 1): the larger of the gaps at x0 and at 0."""
        at_zero = float(self.problem.objective_gap(np.zeros(self.problem.dim)))
        return np.maximum(self.metrics["objective_gap"][..., :1], at_zero)

    @functools.cached_property
    def _has_diverged(self) -> np.ndarray:
        """Shape (step_size, repetition, round): whether the gap is beyond the problem's scale."""
        gap, scale = self.metrics["objective_gap"], self._scale
        with np.errstate(invalid="ignore"):
            return ~(gap <= _DIVERGENCE_FACTOR * scale)

    @functools.cached_property
    def status(self) -> Shaped[np.ndarray, "step_size repetition"]:
        """For each trajectory "converged", "running" or "diverged", see `Status`."""
        gap = self.metrics["objective_gap"]
        eps = np.finfo(gap.dtype).eps
        # Rounding of the iterates alone makes gaps of about eps^2 times the problem's scale.
        tolerance = np.sqrt(eps) * gap[..., 0] + (100 * eps) ** 2 * self._scale[..., 0]
        status = np.where(gap[..., -1] <= tolerance, Status.CONVERGED, Status.RUNNING)
        return np.where(self._has_diverged[..., -1], Status.DIVERGED, status)

    @functools.cached_property
    def advice(self) -> str:
        """What the statuses mean for this run, in words, with a step size that is stable where some diverged."""
        from istsim.simulation._advice import advice

        return advice(self)

    def first_diverged_round(self) -> Float[np.ndarray, "step_size repetition"]:
        """The first recorded round from which on a trajectory stays diverged; NaN where it did not diverge."""
        # Once non-finite, always so; a finite excursion that came back is no divergence.
        stays = np.logical_and.accumulate(self._has_diverged[..., ::-1], axis=-1)[..., ::-1]
        first = self.recorded_rounds[stays.argmax(axis=-1)].astype(float)
        return np.where(stays.any(axis=-1), first, np.nan)
