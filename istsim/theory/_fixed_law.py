from __future__ import annotations

import dataclasses

import jax.numpy as jnp
from jaxtyping import Float

from istsim._types import Array
from istsim.methods._local_updates import LocalUpdates
from istsim.problems._quadratic import Quadratic
from istsim.theory._affine import AffineLaw


@dataclasses.dataclass(frozen=True, eq=False)
class FixedLaw(AffineLaw):
    """Nothing is random: local updates."""

    data_fields = ("problem", "method", "centre")
    problem: Quadratic
    method: LocalUpdates
    centre: Float[Array, " d"]

    def mean_operator(self, step_size=None):
        """B itself."""
        return jnp.asarray(self.method.mask) * self.problem.mean_hessian

    def mean_vector(self, step_size=None):
        """c itself."""
        return jnp.asarray(self.method.losses) * self.problem.mean_vector

    def mean_residual(self, step_size=None):
        """`c - B z`, which vanishes exactly at the minimizer where every loss sees everything."""
        losses = jnp.asarray(self.method.losses)
        unseen = losses[:, None] - jnp.asarray(self.method.mask)
        return (unseen * self.problem.mean_hessian) @ self.centre - losses * self.problem.gradient(self.centre)

    def check_second_moments(self):
        """They are products of first moments."""

    def second(self, X, step_size=None):
        """`B X B'`."""
        B = self.mean_operator()
        return B @ X @ B.T

    def transposed_second(self, X):
        """`B' X B`."""
        B = self.mean_operator()
        return B.T @ X @ B

    def recursion(self):
        """By the map itself."""
        B, g = self.mean_operator(), self.mean_residual()

        def one_round(step_size, M, m=None):
            A = jnp.eye(len(B)) - step_size * B
            M = A @ M @ A.T
            if m is not None:
                M = M + 2 * step_size * jnp.outer(A @ m, g) + step_size**2 * jnp.outer(g, g)
            return (M + M.T) / 2

        return one_round
