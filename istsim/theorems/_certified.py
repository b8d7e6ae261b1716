"""What theorems decide in rational numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from istsim.certificates import (
    Bound,
    Decision,
    RationalRound,
    as_fraction,
    decide,
    decide_theta,
    largest_rate,
    least_theta,
)
from istsim.theorems._instance import Instance
from istsim.theorems._theorem import Certificate


def rational_round(instance: Instance) -> RationalRound:
    """One round of the instance.

    Raises:
        NotCoveredError: where it cannot be listed.
    """
    return RationalRound.of(instance.problem, instance.method, step_size=instance.step_size)


def certify_theorem_1(
    instance: Instance, statement: Callable[[RationalRound, Any, Bound, Bound], Decision], longest: int = 1
) -> Certificate:
    """That W is semidefinite and the step size at most 1/theta, and what follows for one round.

    Args:
        instance: the instance.
        statement: from the round, the step size, the least theta and the largest rate to what is claimed.
        longest: the multiple of 1/theta up to which steps are allowed.
    """
    one_round, step_size = rational_round(instance), as_fraction(instance.step_size)
    semidefinite = decide("0 <= W", one_round.W)
    if not semidefinite.holds:
        return Certificate((semidefinite,), ())
    # The step size is at most 1/theta exactly where its inverse serves as theta.
    short = decide_theta(one_round, longest / step_size)
    bounds = (least_theta(one_round.V, one_round.W), largest_rate(one_round.W, one_round.Lbar))
    if not short.holds:
        return Certificate((semidefinite, short), (), bounds)
    return Certificate((semidefinite, short), (statement(one_round, step_size, *bounds),), bounds)


def equal(claim: str, left: Any, right: Any) -> Decision:
    """Whether two matrices of fractions are the same."""
    return Decision(claim, bool(np.all(left == right)))
