from __future__ import annotations

import numpy as np

from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.simulation._rounds import checked_step_size
from istsim.theory._law_of import dynamics_of


def mean_square_rate(problem: Quadratic, method: Method, step_size: float, *, route: str = "formula") -> float:
    """The factor of the squared error a round, asymptotically: its expectation converges if and only if it is below 1.

    The spectral radius of `M -> E[(I - step_size B) M (I - step_size B)']` on symmetric matrices. The covariance
    around the fixed point shrinks by it, down to its stationary value.

    Args:
        problem: the quadratic.
        method: the method.
        step_size: a positive number.
        route: "formula", or "enumeration" of all outcomes at small d, for any number of local steps.

    Raises:
        ValueError: for arguments outside these ranges, or a sketch for another n or d.
        NotCoveredError: for what the route does not cover, with the reason.

    Example:
        >>> import numpy as np, istsim
        >>> problem = istsim.Quadratic(L=np.diag([4.0, 1.0])[None], b=np.zeros((1, 2)))
        >>> istsim.theory.mean_square_rate(problem, istsim.GradientDescent(), 0.25)  # (1 - 0.25)^2
        0.5625
    """
    dynamics = dynamics_of(problem, method, route)
    return dynamics.rate(float(checked_step_size(step_size, np.float64)))


def max_stable_step_size(problem: Quadratic, method: Method, *, route: str = "formula") -> float:
    """The largest step size whose mean-square error stays bounded: the supremum of those with a rate below 1.

    Where B does not depend on the step size s, the stable ones are an interval from 0. At its end the
    linear part of the second moment's recursion, `M - s S(M) + s^2 T(M)` with `S(M) = E[B] M + M E[B]'`
    and `T(M) = E[B M B']`, has the eigenvalue 1. So 1/s is the spectral radius of `S^-1 T`: one
    eigenproblem, no search. Where B depends on s (the merge "literal" where it loses part of the
    model; several local steps) the end is searched for.

    Args:
        problem: the quadratic.
        method: the method.
        route: "formula", or "enumeration" of all outcomes at small d, for any number of local steps.

    Returns:
        The step size; 0 if none is stable.

    Raises:
        ValueError: for a sketch for another n or d.
        NotCoveredError: for what the route does not cover, with the reason.

    Example:
        >>> import numpy as np, istsim
        >>> problem = istsim.Quadratic(L=np.diag([4.0, 1.0])[None], b=np.zeros((1, 2)))
        >>> round(istsim.theory.max_stable_step_size(problem, istsim.GradientDescent()), 9)  # 2 / lmax
        0.5
    """
    return dynamics_of(problem, method, route).max_stable_step_size()
