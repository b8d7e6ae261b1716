"""What is known of a symmetric matrix by multiplying with it alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from istsim._types import Array

Product = Callable[[Float[Array, " d"]], Float[Array, " d"]]

# The residual falls by this factor in one run of conjugate gradients; two runs reach rounding.
_REDUCTION = 1e-9
# Enough for condition numbers up to a few millions.
MOST_STEPS = 20_000


class Solved(NamedTuple):
    """What conjugate gradients found.

    Attributes:
        solution: shape (d,).
        converged: whether it solves the system.
        positive: whether the matrix was positive definite in all directions that came up.
    """

    solution: Float[Array, " d"]
    converged: Bool[Array, ""]
    positive: Bool[Array, ""]


def conjugate_gradients(product: Product, vector: Float[Array, " d"]) -> Solved:
    """Solve `A x = vector` for a positive definite A: a derivative of the solution is another solution."""

    def solve(product: Product, vector: Float[Array, " d"]):
        first = _reduced(product, vector)
        # The residual carried along drifts from the true one: a second run starts from that.
        second = _reduced(product, vector - product(first.solution))
        return first.solution + second.solution, (first.converged, first.positive)

    solution, (converged, positive) = jax.lax.custom_linear_solve(product, vector, solve, symmetric=True, has_aux=True)
    return Solved(solution, converged, positive)


def _reduced(product: Product, vector: Float[Array, " d"]) -> Solved:
    goal = _REDUCTION**2 * (vector @ vector)

    def unfinished(state):
        _, _, _, squared, positive, index = state
        return (squared > goal) & positive & (index < MOST_STEPS)

    def step(state):
        solution, residual, direction, squared, _, index = state
        image = product(direction)
        curvature = direction @ image
        length = squared / curvature
        residual = residual - length * image
        smaller = residual @ residual
        direction, solution = residual + smaller / squared * direction, solution + length * direction
        return solution, residual, direction, smaller, curvature > 0, index + 1

    start = (jnp.zeros_like(vector), vector, vector, vector @ vector, jnp.array(True), 0)
    solution, _, _, squared, positive, _ = jax.lax.while_loop(unfinished, step, start)
    return Solved(solution, (squared <= goal) & positive, positive)


def lanczos(
    product: Product, start: Float[Array, " d"], steps: int
) -> tuple[Float[Array, " steps"], Float[Array, " steps"]]:
    """Diagonal and off-diagonal of the tridiagonal matrix that so many products lead to from the start.

    Its eigenvalues lie between the smallest and the largest one of A, and soon near to them: from a random start, one
    is within `e (largest - smallest)` of the smallest with probability at least
    `1 - 1.648 sqrt(d) exp(-sqrt(e) (2 steps - 1))` (Kuczynski and Wozniakowski, SIAM J. Matrix Anal. Appl. 13, 1992).
    Where an off-diagonal entry vanishes, nothing more can be reached, and what follows means nothing.
    """

    def step(state, _):
        before, vector, coupling = state
        image = product(vector) - coupling * before
        entry = vector @ image
        image = image - entry * vector
        coupling = jnp.linalg.norm(image)
        return (vector, image / jnp.where(coupling > 0, coupling, 1), coupling), (entry, coupling)

    state = jnp.zeros_like(start), start / jnp.linalg.norm(start), jnp.zeros((), start.dtype)
    return jax.lax.scan(step, state, length=steps)[1]
