"""The first and second moments of a round's random affine map `x+ = x - step_size (B x - c)`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from istsim._pytree import Pytree
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.theory._forms import matrix_matrix, matrix_vector, vector_vector
from istsim.theory._patterns import WHOLE, Coefficients, Weight, different_workers, same_worker


@dataclasses.dataclass(frozen=True, eq=False)
class AffineLaw(Pytree):
    """The law of one round's (B, c), as far as its first two moments.

    `B = (1/n) sum_i O_i L_i M_i` and `c = (1/n) sum_i O_i b_i`, where the output mask O_i and the
    model mask M_i are diagonal, with entries `offset + slope [held]`. Everything is computed in
    float64, whatever the problem's precision.
    """

    data_fields = ("problem", "method")
    problem: Quadratic
    method: Method

    @classmethod
    def of(cls, problem: Quadratic, method: Method) -> AffineLaw:
        """The law of a method on a problem.

        Raises:
            ValueError: if they do not go together.
        """
        from istsim.simulation._rounds import check_problem_and_method

        check_problem_and_method(problem, method)
        return cls(problem.astype(jnp.float64), method)

    @property
    def output_weight(self) -> Weight:
        """The entries of O_i: `beta [held]`, or 1."""
        return Weight(0.0, self.method.gradient_scale) if self.method.masks_gradient else WHOLE

    @property
    def model_weight(self) -> Weight:
        """The entries of M_i: `alpha [held]`, or 1."""
        return Weight(0.0, self.method.forward_scale) if self.method.masks_model else WHOLE

    @property
    def lost_weight(self) -> Weight:
        """The entries of I - M_i: what masking takes from the model."""
        model = self.model_weight
        return Weight(1.0 - model.offset, -model.slope)

    def mean_operator(self) -> Float[Array, "d d"]:
        """`E[B]`."""
        k = same_worker(self.method.sketch_for(self.problem), [self.output_weight], [self.model_weight])
        Lbar = self.problem.mean_hessian
        return k[0, 1] * Lbar + k[0, 0] * jnp.diag(jnp.diag(Lbar))

    def mean_vector(self) -> Float[Array, " d"]:
        """`E[c]`."""
        return self._output_mean() * self.problem.b.mean(axis=0)

    def mean_residual(self) -> Float[Array, " d"]:
        """`E[c - B x*]`: minus the mean update at the minimizer."""
        Lbar, minimizer = self.problem.mean_hessian, self.problem.minimizer
        k = same_worker(self.method.sketch_for(self.problem), [self.output_weight], [self.lost_weight])
        at_minimizer = self._output_mean() * -self.problem.gradient(minimizer)
        return at_minimizer + k[0, 1] * (Lbar @ minimizer) + k[0, 0] * (jnp.diag(Lbar) * minimizer)

    def second(self, X: Float[Array, "d d"], transposed: bool = False) -> Float[Array, "d d"]:
        """`E[B X B']`, or `E[B' X B]` if transposed."""
        outer, inner = self.output_weight, self.model_weight
        if transposed:
            outer, inner = inner, outer
        return self._matrix_matrix(X, [outer, inner], [inner, outer])

    def cross(self, v: Float[Array, " d"]) -> Float[Array, "d d"]:
        """`E[B v (c - B x*)']`."""
        # c - B x* = (1/n) sum O_i (r_i + L_i (I - M_i) x*) with r_i = b_i - L_i x*. In this form
        # what vanishes, vanishes exactly: there is no cancellation near an interpolating optimum.
        left, output = [self.output_weight, self.model_weight], self.output_weight
        X = jnp.outer(v, self.problem.minimizer)
        return self._matrix_vector(v, left, [output]) + self._matrix_matrix(X, left, [self.lost_weight, output])

    def residual_second(self) -> Float[Array, "d d"]:
        """`E[(c - B x*) (c - B x*)']`."""
        output, lost, minimizer = self.output_weight, self.lost_weight, self.problem.minimizer
        mixed = self._matrix_vector(minimizer, [output, lost], [output])
        return (
            self._vector_vector([output], [output])
            + mixed
            + mixed.T
            + self._matrix_matrix(jnp.outer(minimizer, minimizer), [output, lost], [lost, output])
        )

    def _output_mean(self) -> Any:
        output = self.output_weight
        return output.offset + output.slope * self.method.sketch_for(self.problem).inclusion_probability(1)

    def _residuals(self) -> Float[Array, "n d"]:
        """`r_i = b_i - L_i x*`, shape (n, d)."""
        minimizer = self.problem.minimizer
        return self.problem.b - self.problem.hessians.apply(jnp.broadcast_to(minimizer, self.problem.b.shape))

    def _vector_vector(self, left: list[Weight], right: list[Weight]) -> Float[Array, "d d"]:
        r = self._residuals()
        return self._over_pairs(
            left,
            right,
            each=lambda k: vector_vector(r, r, k),
            together=lambda k: vector_vector(r.sum(0)[None], r.sum(0)[None], k),
        )

    def _matrix_vector(self, v: Float[Array, " d"], left: list[Weight], right: list[Weight]) -> Float[Array, "d d"]:
        L, r = self.problem.L, self._residuals()
        return self._over_pairs(
            left,
            right,
            each=lambda k: matrix_vector(L, v, r, k),
            together=lambda k: matrix_vector(L.sum(0)[None], v, r.sum(0)[None], k),
        )

    def _matrix_matrix(self, X: Float[Array, "d d"], left: list[Weight], right: list[Weight]) -> Float[Array, "d d"]:
        L = self.problem.L
        return self._over_pairs(
            left,
            right,
            each=lambda k: matrix_matrix(L, X, k),
            together=lambda k: matrix_matrix(L.sum(0)[None], X, k),
        )

    def _over_pairs(
        self,
        left: list[Weight],
        right: list[Weight],
        *,
        each: Callable[[Coefficients], Float[Array, "d d"]],
        together: Callable[[Coefficients], Float[Array, "d d"]],
    ) -> Float[Array, "d d"]:
        """`1/n^2` times the sum over all ordered pairs of workers.

        Workers are exchangeable, so all pairs of different workers share their coefficients: their
        sum is the form of the summed matrices less its diagonal terms.
        """
        sketch, n = self.method.sketch_for(self.problem), self.problem.num_workers
        same, different = same_worker(sketch, left, right), different_workers(sketch, left, right)
        excess = {pattern: same[pattern] - different[pattern] for pattern in same}
        return (each(excess) + together(different)) / n**2
