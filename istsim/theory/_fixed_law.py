from __future__ import annotations

import dataclasses

from jaxtyping import Float

from istsim._types import Array
from istsim.methods._local_updates import LocalUpdates
from istsim.problems._quadratic import Quadratic
from istsim.theory._affine import AffineLaw
from istsim.theory._forms import outer


@dataclasses.dataclass(frozen=True, eq=False)
class FixedLaw(AffineLaw):
    """Nothing is random: local updates."""

    data_fields = ("problem", "method", "centre")
    problem: Quadratic
    method: LocalUpdates
    centre: Float[Array, " d"]

    def mean_operator(self, step_size=None):
        """B itself."""
        return self.method.mask * self.problem.mean_hessian

    def mean_vector(self, step_size=None):
        """c itself."""
        return self.method.losses * self.problem.mean_vector

    def mean_residual(self, step_size=None):
        """`c - B z`, which vanishes exactly at the minimizer where every loss sees everything."""
        losses = self.method.losses
        unseen = losses[:, None] - self.method.mask
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

    @property
    def is_deterministic(self):
        """It is."""
        return True

    def mean_parts(self, step_size):
        """By the map itself."""
        B, g = self.mean_operator(), self.mean_residual()
        return (lambda m, one: m), (lambda m, one: one * g - m @ B.T)

    def parts(self, step_size):
        """By the map itself."""
        B, g = self.mean_operator(), self.mean_residual()

        def linear(moments):
            BM = B @ moments.second
            return -2 * BM if moments.first is None else 2 * (outer(moments.first, g) - BM)

        def quadratic(moments):
            second = B @ moments.second @ B.T
            if moments.first is None:
                return second
            return second - 2 * outer(moments.first @ B.T, g) + moments.one_for(2) * outer(g, g)

        return (lambda moments: moments.second), linear, quadratic
