"""Simulation against exact values: by standard error, with a stated false-alarm rate."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from istsim._types import Numbers
from istsim._validation import finite_number, ndim_of, real_array, whole_number
from istsim.verify._tails import farthest_share, tells_apart


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Agreement:
    """How far empirical means lie from exact values.

    Attributes:
        agrees: whether no mean is found wrong: each lies within the allowed number of standard
            errors, or is undecided.
        deviations: the distance of each mean from its exact value in standard errors; 0 where it is
            within rounding.
        undecided: where a mean lies farther away, but the samples' tails are so heavy that rare runs
            which were not seen may carry what is missing: a standard error cannot be trusted there.
        reason: why means are undecided, a sentence; empty if none is.
        allowed: the allowed number of standard errors.
        false_alarm_rate: the probability that samples with exactly these expectations disagree is at
            most this: the sum over points of Student's two-sided tail. It is a bound for normal
            samples, and with at least some hundred repetitions has been found to hold for skewed and
            heavy-tailed ones, up to those of a method at 0.95 of its largest stable step size.
    """

    agrees: bool
    deviations: Float[np.ndarray, "..."] = dataclasses.field(repr=False)
    undecided: Bool[np.ndarray, "..."] = dataclasses.field(repr=False)
    reason: str = dataclasses.field(repr=False)
    allowed: float
    false_alarm_rate: float

    def __repr__(self) -> str:
        undecided = f"undecided={int(self.undecided.sum())}, " if self.reason else ""
        return (
            f"Agreement(agrees={self.agrees}, {undecided}largest={self.largest:.3g}, allowed={self.allowed:g}, "
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

    A standard error assumes normal means. The mean of squares near the largest stable step size is far from that: rare
    runs carry it, and without them both the mean and its standard error are too small. A mean too many standard errors
    away is therefore called wrong only where the samples tell: where they lie about their mean as normal ones do, or
    where no run towards the exact value has more than 5 % of all squared deviations, and someone who bets against that
    value, so that the farthest run costs him at most half, wins as much as normal samples would let him win. All others
    are undecided, and the agreement's `reason` says so. More repetitions, fewer rounds or a smaller step size decide.

    Args:
        samples: nonnegative numbers, repetitions along `axis`; infinite ones, and NaN, are of runs that diverged, and
            agree with nothing finite.
        exact: the expectations, shaped as the samples without `axis`.
        standard_errors: how many are allowed, a positive number.
        axis: of the repetitions; at least 2 of them.

    Raises:
        ValueError: for what is no array of numbers, if shapes do not match or there are fewer than two repetitions.

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
    runs = np.asarray(real_array("samples", samples, "with repetitions along an axis", ndim_of(samples)), float)
    exact = np.asarray(real_array("exact", exact, "of the samples without that axis", ndim_of(exact)), float)
    axis = whole_number("axis", axis)
    if not -runs.ndim <= axis < runs.ndim:
        raise ValueError(f"axis must be one of the samples' {runs.ndim} axes, got {axis}")
    runs = np.moveaxis(runs, axis, 0)
    repetitions = len(runs)
    if repetitions < 2:
        raise ValueError(f"samples must have at least 2 repetitions, for a standard error, got {repetitions}")
    if runs.shape[1:] != exact.shape:
        raise ValueError(f"exact must have shape {runs.shape[1:]} to go with the samples, got {exact.shape}")

    with np.errstate(over="ignore", invalid="ignore"):  # runs that diverged
        difference = np.abs(runs.mean(axis=0) - exact)
        error = runs.std(axis=0, ddof=1) / np.sqrt(repetitions)
    # Iterates off by r have squared errors between (sqrt(exact) - r)^2 and (sqrt(exact) + r)^2.
    root = np.sqrt(np.maximum(exact, 0))
    off = 100 * np.finfo(float).eps * root.max(initial=0.0)
    rounding = 1e-9 * np.abs(exact) + 2 * root * off + off**2
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        deviations = np.where(difference <= rounding, 0.0, difference / error)
    # A comparison that is not a number, such as of an overflow, is no agreement.
    deviations = np.where(np.isnan(deviations), np.inf, deviations)
    undecided = np.zeros(exact.shape, bool)
    for at in map(tuple, np.argwhere(deviations > allowed)):
        undecided[at] = not tells_apart(runs[:, *at], float(exact[at]), allowed)
    return Agreement(
        agrees=bool((undecided | (deviations <= allowed)).all()),
        deviations=deviations,
        undecided=undecided,
        reason=_reason(runs, np.asarray(exact), undecided),
        allowed=allowed,
        false_alarm_rate=min(1.0, float(2 * stats.t.sf(allowed, repetitions - 1) * deviations.size)),
    )


def _reason(samples: np.ndarray, exact: np.ndarray, undecided: np.ndarray) -> str:
    count = int(undecided.sum())
    if not count:
        return ""
    share = max(farthest_share(samples[:, *at], float(exact[at])) for at in map(tuple, np.argwhere(undecided)))
    return (
        f"{count} of {undecided.size} means cannot be decided: a single run has up to {share:.0%} of all squared "
        "deviations, so that the standard error cannot be trusted; take more repetitions, fewer rounds or a smaller "
        "step size"
    )
