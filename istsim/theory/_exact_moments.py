from __future__ import annotations

import dataclasses
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from istsim._pytree import Pytree
from istsim._types import Array, Numbers
from istsim._validation import finite_array, is_concrete
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.simulation._rounds import checked_step_size, starting_point
from istsim.theory._law_of import dynamics_of, law_of
from istsim.theory._mean import step_sizes_of_rounds


@dataclasses.dataclass(frozen=True, eq=False)
class ExactMoments(Pytree):
    """Expectations over all sketches at rounds 0 to K, exact to rounding.

    Attributes:
        mean: `E x_k`, shape (K+1, d).
        objective_gap: `E f(x_k) - f(x*)`, shape (K+1,). Never f at the mean.
        gradient_norm_squared: `E ||grad f(x_k)||^2`, or in the norm asked for, shape (K+1,).
        distance_squared: `E ||x_k - x*||^2`, shape (K+1,).
        covariance_rounds: shape (m,), the rounds at which the covariance was asked for.
        covariance: `Cov x_k` at those rounds, shape (m, d, d).
    """

    data_fields = (
        "mean",
        "objective_gap",
        "gradient_norm_squared",
        "distance_squared",
        "covariance_rounds",
        "covariance",
    )
    mean: Float[Array, "iterates d"] = dataclasses.field(repr=False)
    objective_gap: Float[Array, " iterates"]
    gradient_norm_squared: Float[Array, " iterates"]
    distance_squared: Float[Array, " iterates"]
    covariance_rounds: Int[Array, " m"] = dataclasses.field(repr=False)
    covariance: Float[Array, "m d d"] = dataclasses.field(repr=False)


def second_moment(
    problem: Quadratic, method: Method, X: Numbers, *, step_size: float | None = None, route: str = "formula"
) -> Float[Array, "d d"]:
    """`E[B X B']` for one round's random operator B, in O(n d^3) operations and without sampling.

    Args:
        problem: the quadratic.
        method: the method.
        X: shape (d, d), any matrix.
        step_size: needed where B depends on it: for the merge "literal" where masking changes the model, and, by
            enumeration, for several local steps.
        route: "formula", or "enumeration" of all outcomes at small d.

    Returns:
        Shape (d, d), in float64.

    Raises:
        ValueError: if X has another shape or the sketch is for another n or d.
        NotCoveredError: for what the route does not cover, with the reason.

    Example:
        >>> import numpy as np, istsim
        >>> problem = istsim.Quadratic(L=np.eye(2)[None].repeat(2, axis=0), b=np.zeros((2, 2)))
        >>> method = istsim.IST(istsim.Permutation(2, 2))  # here B = 2 I, always
        >>> istsim.theory.second_moment(problem, method, np.eye(2)).tolist()
        [[4.0, 0.0], [0.0, 4.0]]
    """
    law = law_of(problem, method, route, X, step_size)
    law.check_second_moments()
    return law.second(
        checked_matrix("X", X, problem), None if step_size is None else checked_step_size(step_size, np.float64)
    )


def exact_moments(
    problem: Quadratic,
    method: Method,
    *,
    step_size: Any,
    rounds: int,
    x0: Numbers | None = None,
    gradient_weighting: Numbers | None = None,
    covariance_at: Sequence[int] = (),
    route: str = "formula",
) -> ExactMoments:
    """The exact mean and mean-square behaviour over all sketches, round by round.

    With `e_k = x_k - x*`, `m_k = E e_k`, `M_k = E e_k e_k'`, s the step size and `g = c - B x*`::

        m+ = m - s (E[B] m - E[g])
        M+ = E[(I - s B) M (I - s B)'] + s (E[(I - s B) m g'] + transpose) + s^2 E[g g'],

    which is closed and linear. It costs O(n d^3) a round and the memory of n d^2 numbers.

    Args:
        problem: the quadratic.
        method: the method.
        step_size: a positive number, a tracer (the result can be differentiated in it), or a schedule: a
            callable that gives the step size of a round, counted from 0.
        rounds: K, at least 1.
        x0: shape (d,), where the run starts; the vector of ones if None.
        gradient_weighting: shape (d, d), a symmetric H: `gradient_norm_squared` is then `E[grad f' H grad f]`;
            the identity if None.
        covariance_at: the rounds at which the covariance is wanted.
        route: "formula", or "enumeration" of all outcomes: slow and for small d, but for any number of local
            steps, and independent of the formulas.

    Returns:
        An `ExactMoments`, in float64.

    Raises:
        ValueError: for arguments outside these ranges, or a sketch for another n or d.
        NotCoveredError: for what the route does not cover, with the reason.

    Example:
        >>> import istsim
        >>> problem = istsim.random_quadratic(0, 4, 8, condition_number=5.0,
        ...                                   matrix_heterogeneity=0.2, vector_heterogeneity=0.5)
        >>> method = istsim.IST(istsim.Permutation(4, 8))
        >>> exact = istsim.theory.exact_moments(problem, method, step_size=0.1, rounds=50, covariance_at=[50])
        >>> exact.mean.shape, exact.objective_gap.shape, exact.covariance.shape
        ((51, 8), (51,), (1, 8, 8))
    """
    dynamics = dynamics_of(problem, method, route, step_size, x0, gradient_weighting)
    law = dynamics.law
    sizes, weighting = step_sizes_of_rounds(step_size, rounds), None
    if gradient_weighting is not None:
        weighting = checked_matrix("gradient_weighting", gradient_weighting, problem)
        if is_concrete(weighting) and not np.allclose(weighting, weighting.T):
            raise ValueError("gradient_weighting must be symmetric; pass (H + H.T) / 2, which gives the same form")
    chosen = np.array([_checked_round(round_, len(sizes)) for round_ in covariance_at], np.int32)
    found = dynamics.history(sizes, starting_point(law.problem, x0), weighting, chosen)
    return ExactMoments(found.mean, *found.metrics, chosen, found.covariance)


def checked_matrix(name: str, value: Numbers, problem: Quadratic) -> Float[Array, "d d"]:
    """A (d, d) matrix in float64."""
    matrix = finite_array(name, value, "(d, d)", 2)
    if matrix.shape != (problem.dim, problem.dim):
        raise ValueError(f"{name} must have shape (d, d) = {(problem.dim, problem.dim)}, got shape {matrix.shape}")
    return matrix.astype(np.float64)


def _checked_round(value: Any, rounds: int) -> int:
    try:
        index = operator.index(value)
    except TypeError:
        index = -1
    if not 0 <= index <= rounds:
        raise ValueError(f"covariance_at must hold rounds from 0 to {rounds}, got {value!r}")
    return index
