"""Simulation against exact values: by standard error, with a stated false-alarm rate."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float

from istsim._types import Numbers
from istsim._validation import finite_number, refuse_masked


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Agreement:
    """How far empirical means lie from exact values.

    Attributes:
        agrees: whether every mean lies within the allowed number of standard errors.
        deviations: the distance of each mean from its exact value in standard errors; 0 where it is
            within rounding.
        allowed: the allowed number of standard errors.
        false_alarm_rate: an upper bound on the probability that means of normal samples with
            exactly these expectations would fail: the sum over points of Student's two-sided tail.
    """

    agrees: bool
    deviations: Float[np.ndarray, "..."] = dataclasses.field(repr=False)
    allowed: float
    false_alarm_rate: float

    def __repr__(self) -> str:
        return (
            f"Agreement(agrees={self.agrees}, largest={self.largest:.3g}, allowed={self.allowed:g}, "
            f"false_alarm_rate={self.false_alarm_rate:.3g})"
        )

    @property
    def largest(self) -> float:
        """The largest deviation, in standard errors."""
        return float(self.deviations.max(initial=0.0))

    @property
    def points(self) -> int:
        """The number of means compared."""
        return self.deviations.size


def compare_means(samples: Numbers, exact: Numbers, *, standard_errors: float = 5.0, axis: int = 0) -> Agreement:
    """Compare means of independent samples with exact expectations, point by point.

    Made for squared quantities, such as objective gaps, that JAX computed in float64: a mean is
    also accepted within the rounding of the iterates, some hundred units in the last place of the
    largest value compared. That decides where a method is deterministic, so that there is no spread.

    Args:
        samples: nonnegative numbers, repetitions along `axis`.
        exact: the expectations, shaped as the samples without `axis`.
        standard_errors: how many are allowed, a positive number.
        axis: of the repetitions; at least 2 of them.

    Raises:
        ValueError: if shapes do not match or there are fewer than two repetitions.

    Example:
        >>> import numpy as np, istsim
        >>> samples = np.random.default_rng(0).exponential(size=(1000, 3))
        >>> istsim.verify.compare_means(samples, [1.0, 1.0, 1.0]).agrees
        True
        >>> istsim.verify.compare_means(samples, [1.0, 1.0, 1.5]).agrees
        False
    """
    from scipy import stats

    allowed = finite_number("standard_errors", standard_errors)
    if allowed <= 0:
        raise ValueError(f"standard_errors must be positive, got {allowed}")
    refuse_masked("samples", samples)
    refuse_masked("exact", exact)
    samples, exact = np.moveaxis(np.asarray(samples, float), axis, 0), np.asarray(exact, float)
    repetitions = len(samples)
    if repetitions < 2:
        raise ValueError(f"a standard error needs at least 2 repetitions, got {repetitions}")
    if samples.shape[1:] != exact.shape:
        raise ValueError(f"exact must have shape {samples.shape[1:]} to go with the samples, got {exact.shape}")

    difference = np.abs(samples.mean(axis=0) - exact)
    error = samples.std(axis=0, ddof=1) / np.sqrt(repetitions)
    # Iterates off by r have squared errors between (sqrt(exact) - r)^2 and (sqrt(exact) + r)^2.
    root = np.sqrt(np.maximum(exact, 0))
    off = 100 * np.finfo(float).eps * root.max(initial=0.0)
    rounding = 1e-9 * np.abs(exact) + 2 * root * off + off**2
    with np.errstate(divide="ignore", invalid="ignore"):
        deviations = np.where(difference <= rounding, 0.0, difference / error)
    # A comparison that is not a number, such as of an overflow, is no agreement.
    deviations = np.where(np.isnan(deviations), np.inf, deviations)
    return Agreement(
        agrees=bool((deviations <= allowed).all()),
        deviations=deviations,
        allowed=allowed,
        false_alarm_rate=min(1.0, float(2 * stats.t.sf(allowed, repetitions - 1) * deviations.size)),
    )
