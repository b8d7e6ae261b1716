"""Whether samples can tell their mean from an exact value, or rare runs that were not seen may carry what is missing.

The squared errors of a method near its largest stable step size are products of many random factors. Runs so rare that
most sets of samples hold none of them carry their mean, and a standard error misses the same runs: it is as much too
small as the mean.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

# Of the sum of squared deviations. Where the variance is infinite, the farthest run has a share that does not shrink
# with their number, mostly a third and more.
_LARGEST_SHARE = 0.05
# Of what a bettor owns, the most that the farthest run may cost. A run never seen that lies twice as far away would
# cost all.
_LARGEST_LOSS = 0.5


def farthest_share(samples: Float[np.ndarray, " run"], exact: float) -> float:
    """What the farthest run, on that side of the mean where the exact value lies, has of all squared deviations."""
    beyond = _towards(samples, exact)
    return float(max(beyond.max(), 0.0) ** 2 / max((beyond**2).sum(), np.finfo(float).tiny))


def tells_apart(samples: Float[np.ndarray, " run"], exact: float, allowed: float) -> bool:
    """Whether a mean that lies more than the allowed number of standard errors away is wrong, whatever the tails.

    Samples that lie about their mean as normal ones do are believed. Of others, no run may have more than a twentieth
    of all squared deviations, and someone who bets against the exact value must win. What he owns is multiplied, at
    each run, by 1 plus a stake times its distance from the exact value, counted towards the samples' mean. If the exact
    value is right he can expect no gain. The stake is so small that the farthest run costs him half at most. The square
    root of twice the logarithm of what he owns at the end, with the best stake, is the number of standard errors if
    samples are normal and many.

    Args:
        samples: independent.
        exact: what their expectation is said to be.
        allowed: the allowed number of standard errors.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if not np.isfinite((samples**2).sum()):
            return True  # an overflow is no agreement
    beyond = _towards(samples, exact)
    farthest, opposite = beyond.max(), -beyond.min()
    # As far as the farthest of so many normal samples lies, about.
    usual = np.sqrt(2 * np.log(len(samples))) * samples.std(ddof=1)
    if farthest <= min(usual, 1.5 * opposite):
        return True
    if farthest_share(samples, exact) > _LARGEST_SHARE:
        return False
    gains = np.abs(exact - samples.mean()) - beyond
    stakes = _LARGEST_LOSS / farthest * np.sqrt(0.5) ** np.arange(16)
    return bool(2 * max(np.log1p(stake * gains).sum() for stake in stakes) > allowed**2)


def _towards(samples: np.ndarray, exact: float) -> np.ndarray:
    """The deviations from the mean, positive on the side of the exact value."""
    mean = samples.mean()
    return np.where(exact < mean, -1.0, 1.0) * (samples - mean)
