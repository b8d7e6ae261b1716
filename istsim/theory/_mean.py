from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from istsim._arrays import array_namespace, scan
from istsim._types import Array, Numbers
from istsim._validation import positive_int
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.simulation._rounds import checked_step_size, starting_point
from istsim.simulation._step_sizes import StepSizes
from istsim.theory._affine import AffineLaw
from istsim.theory._law_of import law_of


def mean_operator(
    problem: Quadratic, method: Method, *, step_size: float | None = None, route: str = "formula"
) -> tuple[Float[Array, "d d"], Float[Array, " d"]]:
    """The mean of a round's affine map: `E[x+ | x] = x - step_size (E[B] x - E[c])`.

    For IST, `E[B] = alpha beta [(p1 - p2) Dbar + p2 Lbar]` and `E[c] = beta p1 bbar`, where p1 and p2
    are the probabilities that a worker holds one and two given coordinates and Dbar is the diagonal
    of Lbar.

    Args:
        problem: the quadratic.
        method: the method.
        step_size: needed for several local steps, and for the merge "literal" where masking changes the mean
            model, since B depends on it there; otherwise not used.
        route: "formula", or "enumeration" of all outcomes at small d, for any number of local steps.

    Returns:
        `(E[B], E[c])`, of shapes (d, d) and (d,), in float64.

    Raises:
        ValueError: if the method does not fit the problem.
        NotCoveredError: if it needs a step size, or for what the route does not cover: by formula, more than three
            local steps of IST.

    Example:
        >>> import numpy as np, istsim
        >>> problem = istsim.Quadratic(L=np.array([[[2.0, 1.0], [1.0, 2.0]]] * 2), b=np.ones((2, 2)))
        >>> B, c = istsim.theory.mean_operator(problem, istsim.IST(istsim.Permutation(2, 2)))
        >>> B.tolist(), c.tolist()  # no worker ever holds two coordinates
        ([[4.0, 0.0], [0.0, 4.0]], [1.0, 1.0])
    """
    law, size = law_of(problem, method, route, step_size), _of_one_round(step_size)
    return law.mean_operator(size), law.mean_vector(size)


def fixed_point(
    problem: Quadratic, method: Method, *, step_size: float | None = None, route: str = "formula"
) -> Float[Array, " d"]:
    """Where the expected iterate tends: the solution of `E[B] x = E[c]`, shape (d,), in float64.

    It is the minimizer where only the gradient is masked; where the model is masked it is not, in
    general, and the difference is the method's bias. The step size matters, and is needed, only
    for several local steps and for the merge "literal" where masking changes the mean model.

    Raises:
        ValueError: if `E[B]` is singular, so that there is no single fixed point.

    Example:
        >>> import numpy as np, istsim
        >>> problem = istsim.Quadratic(L=np.array([[[2.0, 1.0], [1.0, 2.0]]] * 2), b=np.ones((2, 2)))
        >>> istsim.theory.fixed_point(problem, istsim.IST(istsim.Permutation(2, 2))).tolist()
        [0.25, 0.25]
    """
    return law_of(problem, method, route, step_size).fixed_point(_of_one_round(step_size))


def _of_one_round(step_size: float | None) -> Any:
    """A step size, where one is given."""
    return None if step_size is None else checked_step_size(step_size, np.float64)


def exact_mean(
    problem: Quadratic,
    method: Method,
    *,
    step_size: float | Callable[[int], Any],
    rounds: int,
    x0: Numbers | None = None,
    route: str = "formula",
) -> Float[Array, "iterates d"]:
    """`E x_k` for k = 0..K, in float64.

    Args:
        problem: the quadratic.
        method: the method; unlike `exact_moments`, also with two or three local steps and with sampled rows.
        step_size: a positive number, or a schedule: a callable that gives the step size of a round, from 0.
        rounds: K, at least 1.
        x0: shape (d,), where the run starts; the vector of ones if None.
        route: "formula", or "enumeration" of all outcomes at small d, for any number of local steps.

    Raises:
        ValueError: for arguments outside these ranges, or a method that does not fit the problem.
        NotCoveredError: for what the route does not cover.

    Example:
        >>> import istsim
        >>> problem = istsim.real_quadratic("diabetes", 4, ridge=0.1)
        >>> method = istsim.IST(istsim.Coverage(4, 10, 2), merge="owners", participants=3)
        >>> istsim.theory.exact_mean(problem, method, step_size=0.1, rounds=5).shape
        (6, 10)
    """
    law, sizes = law_of(problem, method, route, step_size, x0), step_sizes_of_rounds(step_size, rounds)
    arguments = law, sizes, starting_point(law.problem, x0)
    if array_namespace(*arguments) is jnp:
        return _traced_mean(*arguments)
    with np.errstate(over="ignore", invalid="ignore"):  # a divergent run is a result
        return _exact_mean(*arguments)


def _exact_mean(law: AffineLaw, sizes: Float[Array, " rounds"], x0: Float[Array, " d"]) -> Float[Array, "iterates d"]:
    xp, one_round = array_namespace(law, sizes, x0), law.mean_recursion()

    def recorded(m, size):
        m = one_round(size, m)
        return m, (m,)

    m = x0 - law.centre
    _, (means,) = scan(xp, recorded, m, sizes)
    return law.centre + xp.concatenate([m[None], means])


_traced_mean = jax.jit(_exact_mean)


def step_sizes_of_rounds(step_size: Any, rounds: int) -> Float[Array, " rounds"]:
    """The step size of every round, from a number, a tracer or a schedule."""
    rounds = positive_int("rounds", rounds)
    if callable(step_size):
        return cast(Array, StepSizes.of(step_size, rounds, np.float64).schedule)
    return checked_step_size(step_size, np.float64) * np.ones(rounds)


def mean_rate(problem: Quadratic, method: Method, step_size: float, *, route: str = "formula") -> float:
    """The factor by which the expected iterate's distance to its fixed point shrinks a round, asymptotically.

    The spectral radius of `I - step_size E[B]`.

    Example:
        >>> import numpy as np, istsim
        >>> problem = istsim.Quadratic(L=np.diag([4.0, 1.0])[None], b=np.zeros((1, 2)))
        >>> istsim.theory.mean_rate(problem, istsim.GradientDescent(), 0.25)
        0.75
    """
    law, size = law_of(problem, method, route), float(checked_step_size(step_size, np.float64))
    return float(np.abs(1 - size * law.mean_eigenvalues(size)).max())


def mean_step_size_limit(problem: Quadratic, method: Method, *, route: str = "formula") -> float:
    """The step size above which even the expected iterate diverges.

    The supremum of the step sizes at which `I - step_size E[B]` has spectral radius below 1; 0 if
    there are none. The mean-square error may diverge below it already. `route` is "formula", or "enumeration" of all
    outcomes at small d.

    Raises:
        NotCoveredError: for what the route does not cover.

    Example:
        >>> import numpy as np, istsim
        >>> problem = istsim.Quadratic(L=2 * np.eye(3)[None], b=np.zeros((1, 3)))
        >>> istsim.theory.mean_step_size_limit(problem, istsim.GradientDescent())
        1.0
    """
    return mean_step_size_limit_of(law_of(problem, method, route))


def mean_step_size_limit_of(law: AffineLaw) -> float:
    """The same for a law."""
    eigenvalues = law.mean_eigenvalues()
    # |1 - s z| < 1 for a complex z with positive real part iff s < 2 Re z / |z|^2.
    return float(np.min(np.maximum(2 * np.real(eigenvalues), 0) / np.abs(eigenvalues) ** 2))
