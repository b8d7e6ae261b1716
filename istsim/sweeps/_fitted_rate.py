from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

# A floor, an excess and a factor go through three points exactly.
_TELLING = 4
_CONFIDENCE = 0.95
# The factor is no linear function of the means, and these are not quite normal: by so much the interval is widened. The
# page on sweeps shows how often it then holds the factor.
_WIDER = 1.1
# The largest skewness of a lognormal law, over the square root of the number of runs, with which the interval holds.
_SKEWED = 0.35
_BLOCKS = 8
_TINY = np.finfo(float).tiny


def fitted_rate(
    rounds: Int[np.ndarray, " round"], gaps: Float[np.ndarray, "run round"], begin: int | None = None
) -> tuple[float, float, float]:
    """The factor a round of the mean gap's approach to its floor, and the ends of its 95 % confidence interval.

    Args:
        rounds: those recorded.
        gaps: nonnegative and finite.
        begin: the index of the first round that is fitted, for two fits that are to be compared; by the gaps if None.

    Returns:
        NaN for what too few rounds above the floor, or a single run, do not tell. The ends alone are NaN where the runs
        lie so far apart that rare ones, not seen, may carry the mean: the factor is then that of these runs, no more.

    Example:
        >>> import numpy as np
        >>> from istsim.sweeps._fitted_rate import fitted_rate
        >>> rounds = np.arange(50)
        >>> spread = np.random.default_rng(0).exponential(size=(200, 50))
        >>> rate, low, high = fitted_rate(rounds, (0.1 + 0.8**rounds) * spread)
        >>> bool(low < 0.8 < high), bool(high - low < 0.1)
        (True, True)
    """
    from scipy import stats

    begin = first_fitted(gaps) if begin is None else begin
    if begin is None:
        return np.nan, np.nan, np.nan
    rounds, gaps = rounds[begin:], gaps[:, begin:]
    mean = np.maximum(gaps.mean(axis=0), _TINY)
    found = _fit(rounds, mean, _guess(rounds, mean))
    rate, relative = float(np.exp(found[2])), gaps / mean
    if len(gaps) < 2 or _is_heavy_tailed(relative):
        return rate, np.nan, np.nan
    # What a run adds to the logarithm of the factor, to first order: with all its rounds, however they are correlated.
    added = (relative - 1) @ _sensitivity(rounds, found)
    error = added.std(ddof=1) / np.sqrt(len(gaps))
    reach = _WIDER * stats.t.ppf((1 + _CONFIDENCE) / 2, len(gaps) - 1) * error
    return rate, float(rate * np.exp(-reach)), float(rate * np.exp(reach))


def _is_heavy_tailed(relative: np.ndarray) -> bool:
    """Whether the runs lie so far apart, in some part of the rounds, that their mean may be carried by rare ones.

    Judged by the spread of logarithms, which samples without the rare runs show as well: by the skewness of the
    lognormal law with this spread. Rounds are averaged over first, as is what chance adds afresh in every round.

    Args:
        relative: shape (run, round), the gaps over their mean.
    """
    parts = np.array_split(relative, min(_BLOCKS, relative.shape[1]), axis=1)
    spread = max(np.log(np.maximum(part.mean(axis=1), _TINY)).std(ddof=1) for part in parts)
    growth = np.exp(min(spread, 10.0) ** 2)
    return bool((growth + 2) * np.sqrt(growth - 1) > _SKEWED * np.sqrt(len(relative)))


def _sensitivity(rounds: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    """The derivatives of the fitted logarithm of the factor by the logarithms of the means."""
    since, (floor, excess, factor) = rounds - rounds[0], parameters
    of_floor = np.exp(floor - np.logaddexp(floor, excess + factor * since))
    derivatives = np.stack([of_floor, 1 - of_floor, (1 - of_floor) * since], axis=1)
    # A floor far below all means has no part in it, and a column of rounding.
    return np.linalg.pinv(derivatives, rcond=1e-8)[2]


def first_fitted(gaps: Float[np.ndarray, "run round"]) -> int | None:
    """Where a quarter of the first excess over the floor is left, or at the first round if too few follow that tell.

    None where even then too few are clearly above the floor, or where the gap clearly rises again: what falls too far
    and comes back is no exponential.
    """
    mean = gaps.mean(axis=0)
    error = gaps.std(axis=0, ddof=1) / np.sqrt(len(gaps)) if len(gaps) > 1 else np.zeros_like(mean)
    lowest = np.minimum.accumulate(mean)
    at_lowest = error[np.maximum.accumulate(np.where(mean == lowest, np.arange(len(mean)), 0))]
    if (mean - lowest > 4 * (error + at_lowest) + 1e-2 * lowest).any():
        return None
    # Of a decay that has not ended it is no floor, but what follows is about where to begin alone.
    floor = mean[-max(1, len(mean) // 8) :].mean()
    excess, clear = mean - floor, 4 * error + 1e-2 * floor
    small = np.flatnonzero(excess <= excess[0] / 4)
    quarter = int(small[0]) if len(small) else 0
    return next((begin for begin in (quarter, 0) if (excess > clear)[begin:].sum() >= _TELLING), None)


def _guess(rounds: np.ndarray, mean: np.ndarray) -> np.ndarray:
    floor = max(mean.min(), _TINY)
    excess = np.maximum(mean[0] - floor, floor)
    half = np.flatnonzero(mean - floor <= excess / 2)
    length = rounds[half[0]] - rounds[0] if len(half) and half[0] > 0 else max(1, rounds[-1] - rounds[0])
    return np.array([np.log(floor), np.log(excess), -np.log(2) / max(length, 1)])


def _fit(rounds: np.ndarray, mean: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The logarithms of floor, first excess and factor."""
    from scipy.optimize import least_squares

    logs, since = np.log(mean), rounds - rounds[0]

    def residuals(parameters: np.ndarray) -> np.ndarray:
        floor, excess, factor = parameters
        return np.logaddexp(floor, excess + factor * since) - logs

    scales = np.array([1.0, 1.0, 1.0 / max(since[-1], 1)])
    return least_squares(residuals, start, x_scale=scales).x
