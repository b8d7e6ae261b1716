"""The first and second moments of a round's random affine map `x+ = x - step_size (B x - c)`."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from istsim._pytree import Pytree
from istsim.methods._method import Method
from istsim.problems._quadratic import Quadratic
from istsim.theory._forms import WorkerCoefficients, matrix_matrix, matrix_vector, vector_vector
from istsim.theory._patterns import WHOLE, Weight, different_workers, patterns, same_worker


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
        all_entries, diagonal = self._entry_factors(self.model_weight)
        Lbar = self.problem.mean_hessian
        return all_entries * Lbar + diagonal * jnp.diag(jnp.diag(Lbar))

    def mean_vector(self) -> Float[Array, " d"]:
        """`E[c]`."""
        return self._output_mean() * self.problem.b.mean(axis=0)

    def mean_residual(self) -> Float[Array, " d"]:
        """`E[c - B x*]`: minus the mean update at the minimizer."""
        Lbar, minimizer = self.problem.mean_hessian, self.problem.minimizer
        all_entries, diagonal = self._entry_factors(self.lost_weight)
        at_minimizer = self._output_mean() * -self.problem.gradient(minimizer)
        return at_minimizer + all_entries * (Lbar @ minimizer) + diagonal * jnp.diag(Lbar) * minimizer

    @functools.partial(jax.jit, static_argnames="transposed")
    def second(self, X: Float[Array, "d d"], transposed: bool = False) -> Float[Array, "d d"]:
        """`E[B X B']`, or `E[B' X B]` if transposed."""
        outer, inner = self.output_weight, self.model_weight
        if transposed:
            outer, inner = inner, outer
        return matrix_matrix(self._matrices(), X, self._coefficients([outer, inner], [inner, outer]))

    def cross(self, v: Float[Array, " d"]) -> Float[Array, "d d"]:
        """`E[B v (c - B x*)']`."""
        # c - B x* = (1/n) sum O_i (r_i + L_i (I - M_i) x*) with r_i = b_i - L_i x*. In this form
        # what vanishes, vanishes exactly: there is no cancellation near an interpolating optimum.
        left, output = [self.output_weight, self.model_weight], self.output_weight
        L, X = self._matrices(), jnp.outer(v, self.problem.minimizer)
        return matrix_vector(L, v, self._residuals(), self._coefficients(left, [output])) + matrix_matrix(
            L, X, self._coefficients(left, [self.lost_weight, output])
        )

    def residual_second(self) -> Float[Array, "d d"]:
        """`E[(c - B x*) (c - B x*)']`."""
        output, lost, minimizer = self.output_weight, self.lost_weight, self.problem.minimizer
        L, r, X = self._matrices(), self._residuals(), jnp.outer(minimizer, minimizer)
        mixed = matrix_vector(L, minimizer, r, self._coefficients([output, lost], [output]))
        return (
            vector_vector(r, self._coefficients([output], [output]))
            + (mixed + mixed.T)
            + matrix_matrix(L, X, self._coefficients([output, lost], [lost, output]))
        )

    def _entry_factors(self, inner: Weight) -> tuple[Any, Any]:
        """What all entries of L_i, and in addition the diagonal ones, get from `O_i L_i` times the inner mask."""
        return tuple(same_worker(self.method.sketch_for(self.problem), [self.output_weight], [inner]))

    def _output_mean(self) -> Any:
        output = self.output_weight
        return output.offset + output.slope * self.method.sketch_for(self.problem).inclusion_probability(1)

    # Workers are exchangeable, so all pairs of different workers share their coefficients, and the
    # sum over them is that of one more worker, who holds the sum of all matrices, less what its
    # expansion has on equal workers. Hence one more entry on the leading axis.

    def _matrices(self) -> Float[Array, "m d d"]:
        """The L_i, and their sum."""
        L = self.problem.L
        return jnp.concatenate([L, L.sum(axis=0, keepdims=True)])

    def _residuals(self) -> Float[Array, "m d"]:
        """`r_i = b_i - L_i x*`, and their sum."""
        minimizer = self.problem.minimizer
        r = self.problem.b - self.problem.hessians.apply(jnp.broadcast_to(minimizer, self.problem.b.shape))
        return jnp.concatenate([r, r.sum(axis=0, keepdims=True)])

    def _coefficients(self, left: list[Weight], right: list[Weight]) -> WorkerCoefficients:
        """For each pattern the coefficients of the n workers, and that of their sum, over n^2."""
        sketch, n = self.method.sketch_for(self.problem), self.problem.num_workers
        same, different = same_worker(sketch, left, right), different_workers(sketch, left, right)
        each = jnp.broadcast_to((same - different)[:, None], (len(same), n))
        table = jnp.concatenate([each, jnp.asarray(different)[:, None]], axis=1) / n**2
        return dict(zip(patterns(len(left) + len(right)), table, strict=True))
