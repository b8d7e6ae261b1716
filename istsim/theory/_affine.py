"""The first and second moments of a round's random affine map `x+ = x - step_size (B x - c)`."""

from __future__ import annotations

import abc
import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from istsim._pytree import Pytree
from istsim._validation import is_concrete
from istsim.methods._local_updates import LocalUpdates
from istsim.methods._method import Method, SketchedMethod
from istsim.problems._quadratic import Quadratic
from istsim.sketches._sketch import Sketch
from istsim.theory._forms import WorkerCoefficients, matrix_matrix, matrix_vector, vector_vector
from istsim.theory._patterns import WHOLE, Weight, different_workers, patterns, same_worker


class NotCoveredError(ValueError):
    """An exact result was asked for where the engine has no formula; the message says what else there is."""


class AffineLaw(Pytree, abc.ABC):
    """The law of one round's (B, c), as far as its first two moments, in float64."""

    problem: Quadratic

    @staticmethod
    def of(problem: Quadratic, method: Method) -> AffineLaw:
        """The law of a method on a problem.

        Raises:
            ValueError: if they do not go together.
            NotCoveredError: for several local steps.
        """
        from istsim.simulation._rounds import check_problem_and_method

        check_problem_and_method(problem, method)
        wide = problem.astype(jnp.float64)
        if isinstance(method, LocalUpdates):
            return FixedLaw(wide, method)
        if isinstance(method, SketchedMethod) and method.local_steps > 1:
            raise NotCoveredError(
                "exact results are for local_steps=1; enumerate the sketch's outcomes at small d, or simulate"
            )
        return SketchedLaw(wide, method)

    @abc.abstractmethod
    def mean_operator(self, step_size: Any = None) -> Float[Array, "d d"]:
        """`E[B]`; the step size is needed for the merge "literal", whose B depends on it."""

    @abc.abstractmethod
    def mean_vector(self) -> Float[Array, " d"]:
        """`E[c]`."""

    @abc.abstractmethod
    def mean_residual(self, step_size: Any = None) -> Float[Array, " d"]:
        """`E[c - B x*]`: minus the mean update at the minimizer."""

    @abc.abstractmethod
    def check_second_moments(self) -> None:
        """Raise NotCoveredError if the three methods below do not apply."""

    @abc.abstractmethod
    def second(self, X: Float[Array, "d d"], transposed: bool = False) -> Float[Array, "d d"]:
        """`E[B X B']`, or `E[B' X B]` if transposed."""

    @abc.abstractmethod
    def cross(self, v: Float[Array, " d"]) -> Float[Array, "d d"]:
        """`E[B v (c - B x*)']`."""

    @abc.abstractmethod
    def residual_second(self) -> Float[Array, "d d"]:
        """`E[(c - B x*) (c - B x*)']`."""


@dataclasses.dataclass(frozen=True, eq=False)
class FixedLaw(AffineLaw):
    """Nothing is random: local updates."""

    data_fields = ("problem", "method")
    problem: Quadratic
    method: LocalUpdates

    def mean_operator(self, step_size=None):
        """B itself."""
        return jnp.asarray(self.method.mask) * self.problem.mean_hessian

    def mean_vector(self):
        """c itself."""
        return jnp.asarray(self.method.losses) * self.problem.mean_vector

    def mean_residual(self, step_size=None):
        """`c - B x*`, which vanishes exactly where every loss sees everything."""
        Lbar, minimizer = self.problem.mean_hessian, self.problem.minimizer
        losses = jnp.asarray(self.method.losses)
        unseen = losses[:, None] - jnp.asarray(self.method.mask)
        return (unseen * Lbar) @ minimizer - losses * self.problem.gradient(minimizer)

    def check_second_moments(self):
        """They are products of first moments."""

    def second(self, X, transposed=False):
        """`B X B'`."""
        B = self.mean_operator().T if transposed else self.mean_operator()
        return B @ X @ B.T

    def cross(self, v):
        """`B v (c - B x*)'`."""
        return jnp.outer(self.mean_operator() @ v, self.mean_residual())

    def residual_second(self):
        """`(c - B x*) (c - B x*)'`."""
        return jnp.outer(self.mean_residual(), self.mean_residual())


@dataclasses.dataclass(frozen=True, eq=False)
class SketchedLaw(AffineLaw):
    """Workers' masks are random.

    `B = (1/n) sum_i O_i L_i M_i` and `c = (1/n) sum_i O_i b_i` for the merge "mean", where the output
    mask O_i and the model mask M_i are diagonal, with entries `offset + slope [held]`.
    """

    data_fields = ("problem", "method")
    problem: Quadratic
    method: Method

    @property
    def sketch(self) -> Sketch:
        """The sketch, or the identity where nothing is masked."""
        return self.method.sketch_for(self.problem)

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

    def mean_operator(self, step_size=None):
        """`E[B]`."""
        all_entries, within_groups, _ = self._mean_factors()
        Lbar, _ = self._weighted_means()
        return all_entries * Lbar + within_groups * self._block_diagonal(Lbar) + jnp.diag(self._model_lost(step_size))

    def mean_vector(self):
        """`E[c]`."""
        _, bbar = self._weighted_means()
        return self._mean_factors()[2] * bbar

    def mean_residual(self, step_size=None):
        """`E[c - B x*]`."""
        all_entries, within_groups, vector = self._mean_factors()
        Lbar, bbar = self._weighted_means()
        minimizer = self.problem.minimizer
        # In this form what vanishes, vanishes exactly.
        residual = vector * (bbar - Lbar @ minimizer) + (vector - all_entries) * (Lbar @ minimizer)
        return (
            residual
            - (within_groups * self._block_diagonal(Lbar)) @ minimizer
            - self._model_lost(step_size) * minimizer
        )

    def _mean_factors(self) -> tuple[Any, Any, Any]:
        """What, on average, all entries of L_i get, what those within a group get in addition, and what b_i gets."""
        output, sketch, method = self.output_weight, self.sketch, self.method
        all_entries, within_groups = same_worker(sketch, [output], [self.model_weight])
        one = sketch.inclusion_probability(1)
        vector = output.offset + output.slope * one
        if isinstance(method, SketchedMethod) and method.merge == "owners":
            # A coordinate's average over its holders is over one of them, wherever it has any.
            try:
                share = sketch.reported_probability(method.num_reports) / one
            except NotImplementedError as error:
                raise NotCoveredError(str(error)) from None
            return all_entries * share, within_groups * share, vector * share
        return all_entries, within_groups, vector

    def _model_lost(self, step_size: Any) -> Any:
        """Diagonal of `(I - E[(1/n) sum C_i]) / step_size`, by which the merge "literal" differs, else 0."""
        method = self.method
        if not (isinstance(method, SketchedMethod) and method.merge == "literal" and method.masks_model):
            return jnp.zeros(self.problem.dim)
        kept = method.forward_scale * self.sketch.inclusion_probability(1)
        kept = kept * (jnp.ones(self.problem.dim) if method.weights is None else method.weights.mean(axis=0))
        if is_concrete(kept) and bool(jnp.all(jnp.abs(kept - 1) < 1e-12)):
            return jnp.zeros(self.problem.dim)
        if step_size is None:
            raise NotCoveredError("the merge 'literal' has an E[B] that depends on the step size here: pass step_size")
        return (1 - kept) / step_size

    def _block_diagonal(self, matrix: Float[Array, "d d"]) -> Float[Array, "d d"]:
        """The entries whose two coordinates are always held together."""
        labels = self.sketch.labels
        return jnp.where(labels[:, None] == labels, matrix, 0)

    def _weighted_means(self) -> tuple[Float[Array, "d d"], Float[Array, " d"]]:
        """The averages of `diag(weights_i) L_i diag(weights_i)` and of `diag(weights_i) b_i`."""
        weights = self.method.weights
        if weights is None:
            return self.problem.mean_hessian, self.problem.mean_vector
        weighted = jnp.einsum("na,nab,nb->ab", weights, self.problem.L, weights) / self.problem.num_workers
        return weighted, (weights * self.problem.b).mean(axis=0)

    def check_second_moments(self):
        """They are there for the merge "mean" of all workers' exact, unweighted reports, ungrouped."""
        method = self.method
        if not isinstance(method, SketchedMethod):
            return
        uncovered = {
            f"merge={method.merge!r}": method.merge != "mean",
            f"participants={method.participants}": method.participants is not None,
            f"noise={method.noise!r}": method.noise is not None,
            "weights": method.weights is not None,
            "a Grouped sketch": len(set(self.sketch.labels.tolist())) < self.sketch.d,
        }
        for option, given in uncovered.items():
            if given:
                raise NotCoveredError(
                    f"exact second moments do not cover {option}; theory.exact_mean gives the mean, simulate the rest"
                )

    def second(self, X, transposed=False):
        """`E[B X B']`, or `E[B' X B]` if transposed."""
        return _second(self, X, transposed=transposed)

    def cross(self, v):
        """`E[B v (c - B x*)']`."""
        # c - B x* = (1/n) sum O_i (r_i + L_i (I - M_i) x*) with r_i = b_i - L_i x*. In this form
        # what vanishes, vanishes exactly: there is no cancellation near an interpolating optimum.
        left, output = [self.output_weight, self.model_weight], self.output_weight
        L, X = self._matrices(), jnp.outer(v, self.problem.minimizer)
        return matrix_vector(L, v, self._residuals(), self._coefficients(left, [output])) + matrix_matrix(
            L, X, self._coefficients(left, [self.lost_weight, output])
        )

    def residual_second(self):
        """`E[(c - B x*) (c - B x*)']`."""
        output, lost, minimizer = self.output_weight, self.lost_weight, self.problem.minimizer
        L, r, X = self._matrices(), self._residuals(), jnp.outer(minimizer, minimizer)
        mixed = matrix_vector(L, minimizer, r, self._coefficients([output, lost], [output]))
        return (
            vector_vector(r, self._coefficients([output], [output]))
            + (mixed + mixed.T)
            + matrix_matrix(L, X, self._coefficients([output, lost], [lost, output]))
        )

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
        sketch, n = self.sketch, self.problem.num_workers
        same, different = same_worker(sketch, left, right), different_workers(sketch, left, right)
        each = jnp.broadcast_to((same - different)[:, None], (len(same), n))
        table = jnp.concatenate([each, jnp.asarray(different)[:, None]], axis=1) / n**2
        return dict(zip(patterns(len(left) + len(right)), table, strict=True))


@functools.partial(jax.jit, static_argnames="transposed")
def _second(law: SketchedLaw, X: Float[Array, "d d"], *, transposed: bool) -> Float[Array, "d d"]:
    outer, inner = law.output_weight, law.model_weight
    if transposed:
        outer, inner = inner, outer
    return matrix_matrix(law._matrices(), X, law._coefficients([outer, inner], [inner, outer]))
