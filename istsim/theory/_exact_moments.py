from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from istsim._pytree import Pytree
from istsim._types import Numbers
from istsim._validation import finite_array, positive_int
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.simulation._rounds import checked_step_size, starting_point
from istsim.theory._affine import AffineLaw


@dataclasses.dataclass(frozen=True, eq=False)
class ExactMoments(Pytree):
    """Expectations over all sketches at rounds 0 to K, exact to rounding.

    Attributes:
        mean: `E x_k`, shape (K+1, d).
        objective_gap: `E f(x_k) - f(x*)`, shape (K+1,). Never f at the mean.
        gradient_norm_squared: `E ||grad f(x_k)||^2`, shape (K+1,).
        distance_squared: `E ||x_k - x*||^2`, shape (K+1,).
    """

    data_fields = ("mean", "objective_gap", "gradient_norm_squared", "distance_squared")
    mean: Float[Array, "iterates d"] = dataclasses.field(repr=False)
    objective_gap: Float[Array, " iterates"]
    gradient_norm_squared: Float[Array, " iterates"]
    distance_squared: Float[Array, " iterates"]


def second_moment(
    problem: Quadratic, method: Method, X: Numbers, *, step_size: float | None = None
) -> Float[Array, "d d"]:
    """`E[B X B']` for one round's random operator B, in O(n d^3) operations and without sampling.

    Args:
        problem: the quadratic.
        method: the method.
        X: shape (d, d), any matrix.
        step_size: not needed for the methods there are: their B does not depend on it.

    Returns:
        Shape (d, d), in float64.

    Raises:
        ValueError: if X has another shape or the sketch is for another n or d.

    Example:
        >>> import numpy as np, istsim
        >>> problem = istsim.Quadratic(L=np.eye(2)[None].repeat(2, axis=0), b=np.zeros((2, 2)))
        >>> method = istsim.IST(istsim.Permutation(2, 2))  # here B = 2 I, always
        >>> istsim.theory.second_moment(problem, method, np.eye(2)).tolist()
        [[4.0, 0.0], [0.0, 4.0]]
    """
    law = AffineLaw.of(problem, method)
    law.check_second_moments()
    matrix = finite_array("X", X, "(d, d)", 2)
    if matrix.shape != (problem.dim, problem.dim):
        raise ValueError(f"X must have shape (d, d) = {(problem.dim, problem.dim)}, got shape {matrix.shape}")
    return law.second(jnp.asarray(matrix, jnp.float64))


def exact_moments(
    problem: Quadratic,
    method: Method,
    *,
    step_size: Any,
    rounds: int,
    x0: Numbers | None = None,
) -> ExactMoments:
    """The exact mean and mean-square behaviour over all sketches, round by round.

    With `e_k = x_k - x*`, `m_k = E e_k`, `M_k = E e_k e_k'`, s the step size and `g = c - B x*`::

        m+ = m - s (E[B] m - E[g])
        M+ = E[(I - s B) M (I - s B)'] + s (E[(I - s B) m g'] + transpose) + s^2 E[g g'],

    which is closed and linear. It costs O(n d^3) a round and the memory of n d^2 numbers.

    Args:
        problem: the quadratic.
        method: the method.
        step_size: a positive number, or a tracer: the result can be differentiated in it.
        rounds: K, at least 1.
        x0: shape (d,), where the run starts; the vector of ones if None.

    Returns:
        An `ExactMoments`, in float64.

    Raises:
        ValueError: for arguments outside these ranges, or a sketch for another n or d.
        NotCoveredError: for a merge, participation, noise, weights, grouping or local steps that exact second
            moments do not cover.

    Example:
        >>> import istsim
        >>> problem = istsim.random_quadratic(0, 4, 8, condition_number=5.0,
        ...                                   matrix_heterogeneity=0.2, vector_heterogeneity=0.5)
        >>> method = istsim.IST(istsim.Permutation(4, 8))
        >>> exact = istsim.theory.exact_moments(problem, method, step_size=0.1, rounds=50)
        >>> exact.mean.shape, exact.objective_gap.shape
        ((51, 8), (51,))
    """
    law = AffineLaw.of(problem, method)
    law.check_second_moments()
    step_size = checked_step_size(step_size, jnp.float64)
    return _exact_moments(law, step_size, starting_point(law.problem, x0), rounds=positive_int("rounds", rounds))


def _moments_of_scan(law: AffineLaw, step_size: Float[Array, ""], x0: Float[Array, " d"], rounds: int) -> ExactMoments:
    operator, residual = law.mean_operator(), law.mean_residual()
    residual_second = law.residual_second()

    def one_round(moments, _):
        m, M = moments
        drift = operator @ M
        mixed = jnp.outer(m, residual) - step_size * law.cross(m)
        M = M - step_size * (drift + drift.T) + step_size**2 * (law.second(M) + residual_second)
        M = M + step_size * (mixed + mixed.T)
        m = m - step_size * (operator @ m - residual)
        # Rounding otherwise feeds an antisymmetric mode, which the iteration may amplify.
        moments = m, (M + M.T) / 2
        return moments, (m, *_expected_metrics(law.problem, moments[1]))

    error = x0 - law.problem.minimizer
    start = error, jnp.outer(error, error)
    _, history = jax.lax.scan(one_round, start, length=rounds)
    first = (error, *_expected_metrics(law.problem, start[1]))
    means, gap, gradient, distance = (
        jnp.concatenate([value[None], values]) for value, values in zip(first, history, strict=True)
    )
    return ExactMoments(law.problem.minimizer + means, gap, gradient, distance)


_exact_moments = jax.jit(_moments_of_scan, static_argnames="rounds")


def _expected_metrics(problem: Quadratic, M: Float[Array, "d d"]) -> tuple[Array, Array, Array]:
    """Objective gap, squared gradient norm and squared distance when `E e e' = M`."""
    LM = problem.mean_hessian @ M
    return 0.5 * jnp.trace(LM), jnp.sum(LM * problem.mean_hessian), jnp.trace(M)
