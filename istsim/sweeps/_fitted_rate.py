from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

_GROUPS = 20
# A floor, an excess and a factor go through three points exactly.
_TELLING = 4
_CONFIDENCE = 0.95
_TINY = np.finfo(float).tiny


def fitted_rate(rounds: Int[np.ndarray, " round"], gaps: Float[np.ndarray, "run round"]) -> tuple[float, float, float]:
    """The factor a round of the mean gap's approach to its floor, and the ends of its 95 % confidence interval.

    Args:
        rounds: those recorded.
        gaps: nonnegative and finite.

    Returns:
        NaN for what too few rounds above the floor, or a single run, do not tell.

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

    # The same for all fits: where to begin must not depend on who is left out.
    mean = gaps.mean(axis=0)
    error_of_mean = gaps.std(axis=0, ddof=1) / np.sqrt(len(gaps)) if len(gaps) > 1 else np.zeros_like(mean)
    begin = _begin(mean, error_of_mean)
    if begin is None:
        return np.nan, np.nan, np.nan
    start = _guess(rounds[begin:], mean[begin:])
    rate, found = _fit(rounds[begin:], mean[begin:], start)
    count = min(_GROUPS, len(gaps))
    if count < 2:
        return rate, np.nan, np.nan
    # Which runs are in a group does not matter: they are independent.
    group = np.arange(len(gaps)) % count
    logs = np.array(
        [
            np.log(_fit(rounds[begin:], gaps[group != left_out][:, begin:].mean(axis=0), found)[0])
            for left_out in range(count)
        ]
    )
    error = np.sqrt((count - 1) / count * ((logs - logs.mean()) ** 2).sum())
    reach = stats.t.ppf((1 + _CONFIDENCE) / 2, count - 1) * error
    return rate, float(rate * np.exp(-reach)), float(rate * np.exp(reach))


def _begin(mean: np.ndarray, error: np.ndarray) -> int | None:
    """Where a quarter of the first excess over the floor is left, or at the first round if too few follow that tell.

    None where even then too few are clearly above the floor, or where the gap clearly rises again: what falls too far
    and comes back is no exponential.
    """
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


def _fit(rounds: np.ndarray, mean: np.ndarray, start: np.ndarray) -> tuple[float, np.ndarray]:
    """The factor, and all parameters: the logarithms of floor, first excess and factor."""
    from scipy.optimize import least_squares

    logs, since = np.log(np.maximum(mean, _TINY)), rounds - rounds[0]

    def residuals(parameters: np.ndarray) -> np.ndarray:
        floor, excess, factor = parameters
        return np.logaddexp(floor, excess + factor * since) - logs

    scales = np.array([1.0, 1.0, 1.0 / max(since[-1], 1)])
    found = least_squares(residuals, start, x_scale=scales)
    return float(np.exp(found.x[2])), found.x
