from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float

from istsim._arrays import array_namespace
from istsim._types import Array
from istsim._validation import is_concrete
from istsim.methods._method import Method
from istsim.methods._noise import GaussianNoise
from istsim.problems._quadratic import Quadratic
from istsim.sketches._sketch import Sketch
from istsim.theory._affine import AffineLaw, Moments, Part
from istsim.theory._errors import NotCoveredError
from istsim.theory._forms import Forms, OuterBetween, WorkerCoefficients, on_diagonal, outer, transposed
from istsim.theory._patterns import WHOLE, Weight, coefficients, patterns
from istsim.theory._reports import Reports, check_other_holders


@dataclasses.dataclass(frozen=True, eq=False)
class SketchedLaw(AffineLaw):
    """Workers' masks are random, and there is one local step.

    `B = sum_i O_i L_i M_i` and `c = sum_i O_i b_i` over the reporting workers, up to the merge's divisors
    (see `_reports`), where the output mask O_i and the model mask M_i are diagonal with entries
    `offset + slope [held]`. Diagonal weights go into the L_i and b_i. The merge "literal" subtracts the
    model's loss `J x` besides, `J = I - (1/m) sum C_i`.
    """

    data_fields = ("problem", "method", "centre")
    problem: Quadratic
    method: Method
    centre: Float[Array, " d"]

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

    # First moments

    def mean_operator(self, step_size=None):
        """`E[B]`."""
        return self._mean_update()[0] + on_diagonal(self.lost_over(step_size))

    def mean_vector(self, step_size=None):
        """`E[c]`."""
        _, bbar = self._weighted_means()
        return self._mean_factors()[2] * bbar

    def mean_residual(self, step_size=None):
        """`E[c - B z]`."""
        return self._mean_update()[1] - self.lost_over(step_size) * self.centre

    def mean_parts(self, step_size):
        """The model's loss, and the update; nothing is divided by the step size, which a schedule may set to 0."""
        operator, residual = self._mean_update()
        lost, centre = self.mean_lost(), self.centre

        def without_update(m, one):
            return m - lost * (m + one * centre)

        def update(m, one):
            return one * residual - m @ operator.T

        return without_update, update

    def _mean_update(self) -> tuple[Float[Array, "d d"], Float[Array, " d"]]:
        """`E[B]` and `E[c - B z]`, the model's loss apart."""
        all_entries, within_groups, vector = self._mean_factors()
        Lbar, bbar = self._weighted_means()
        labels, centre = self.sketch.labels, self.centre
        block = within_groups * ((labels[:, None] == labels) * Lbar)
        # In this form what vanishes, vanishes exactly.
        residual = vector * (bbar - Lbar @ centre) + (vector - all_entries) * (Lbar @ centre) - block @ centre
        return all_entries * Lbar + block, residual

    def _mean_factors(self) -> tuple[Any, Any, Any]:
        """What, on average, all entries of L_i get, what those within a group get in addition, and what b_i gets."""
        output, sketch, method = self.output_weight, self.sketch, self.method
        one = sketch.inclusion_probability(1)
        all_entries, within_groups = coefficients(
            [output], [self.model_weight], lambda _, left, right: sketch.inclusion_probability(len(left | right))
        )
        vector = output.offset + output.slope * one
        share = owned_share(method, sketch)
        return all_entries * share, within_groups * share, vector * share

    def _weighted_means(self) -> tuple[Float[Array, "d d"], Float[Array, " d"]]:
        """The averages of `diag(weights_i) L_i diag(weights_i)` and of `diag(weights_i) b_i`."""
        weights = self.method.weights
        if weights is None:
            return self.problem.mean_hessian, self.problem.mean_vector
        weighted = weights[:, :, None] * self.problem.L * weights[:, None, :]
        return weighted.mean(axis=0), (weights * self.problem.b).mean(axis=0)

    # The model's loss under the merge "literal"

    @property
    def loses_model(self) -> bool:
        """Whether J is anything but 0."""
        if self.method.merge != "literal" or not self.method.masks_model:
            return False
        return not (self._keeps_constant_share and _all_zero(1 - self._mean_kept()))

    @property
    def _keeps_constant_share(self) -> bool:
        """Whether the average of the C_i is not random: each coordinate always has equally many reporting holders."""
        method, n = self.method, self.sketch.n
        return self.sketch.holders is not None and method.num_reports(n) == n and method.weights is None

    @property
    def is_deterministic(self):
        """Where nothing is masked."""
        return not (self.method.masks_model or self.method.masks_gradient)

    @property
    def depends_on_step_size(self):
        """Where the model is lost, B is the update and the loss over the step size."""
        return self.loses_model

    def mean_lost(self) -> Float[Array, " d"]:
        """The diagonal of E[J]."""
        return 1 - self._mean_kept() if self.loses_model else np.zeros(self.problem.dim)

    def lost_over(self, step_size: Any) -> Float[Array, " d"]:
        """The diagonal of E[J] over the step size, which is needed unless nothing is lost on average."""
        lost = self.mean_lost()
        if step_size is not None:
            return lost / step_size
        if _all_zero(lost):
            return np.zeros(len(lost))
        raise NotCoveredError("the merge 'literal' has an E[B] that depends on the step size here: pass step_size")

    def _mean_kept(self) -> Float[Array, " d"]:
        """The diagonal of `E[(1/m) sum C_i]`."""
        weights = self.method.weights
        kept = self.method.forward_scale * self.sketch.inclusion_probability(1)
        return kept * (np.ones(self.problem.dim) if weights is None else weights.mean(axis=0))

    # Second moments

    def check_second_moments(self):
        """They are there for exact gradients or Gaussian noise, and all merges whose divisors have a known law."""
        method = self.method
        Reports.of(method, self.sketch)
        if not isinstance(method.noise, GaussianNoise | None):
            raise NotCoveredError(
                f"exact second moments do not cover noise={method.noise!r}, whose covariance depends on the iterate; "
                "theory.exact_mean gives the mean, simulate the rest"
            )

    def second(self, X, step_size=None):
        """`E[B X B']`."""
        output, model, forms = self.output_weight, self.model_weight, self._forms()
        second = forms.matrix_matrix(X, self._coefficients([output, model], [model, output]))
        if not self.loses_model:
            return second
        if step_size is None:
            raise NotCoveredError("the merge 'literal' has a B that depends on the step size here: pass step_size")
        # B = (update) + J / step_size, J = I - C.
        weights, kept, (operator, _) = self._weights(), self._mean_kept(), self._mean_update()
        lost = self.lost_over(step_size)
        if self._keeps_constant_share:
            return second + (operator @ X) * lost + lost[:, None] * (X @ operator.T) + lost[:, None] * X * lost
        k = self._coefficients([output, model], [model])

        def with_loss(X):
            return operator @ X - forms.matrix_diagonal(X, weights, k)

        both_kept = forms.vector_vector(weights, weights, self._coefficients([model], [model]))
        twice_lost = X - kept[:, None] * X - X * kept + both_kept * X
        return second + (with_loss(X) + transposed(with_loss(transposed(X)))) / step_size + twice_lost / step_size**2

    def transposed_second(self, X):
        """`E[B' X B]`."""
        output, model = self.output_weight, self.model_weight
        return self._forms().matrix_matrix(X, self._coefficients([model, output], [output, model], outputs=(1, 2)))

    def parts(self, step_size):
        """The expressions of all patterns, with what does not change from round to round computed once."""
        operator, residual = self._mean_update()
        forms, r, centre = self._forms(), self._residuals(), self.centre
        output, model, lost = self.output_weight, self.model_weight, self.lost_weight
        of_vector = self._coefficients([output, model], [output])
        residual_second = self._residual_second(forms, r)
        of_model = None
        if self.method.masks_model:
            # -2 E[B m z' (I - M)' ...]: with the transpose, which symmetrising adds.
            of_model = {p: -2 * value for p, value in self._coefficients([output, model], [lost, output]).items()}
        second = forms.symmetric_form(self._coefficients([output, model], [model, output]), of_model)

        def constant(moments):
            return moments.second

        def linear(moments):
            M, m, _ = moments
            return -2 * (operator @ M) if m is None else 2 * (outer(m, residual) - operator @ M)

        def quadratic(moments):
            M, m, _ = moments
            if m is None:
                return second(M)
            vectors = moments.one_for(2) * residual_second - 2 * forms.matrix_vector(m, r, of_vector)
            return (second(M, m, centre) if of_model else second(M)) + vectors

        if not self.loses_model:
            return constant, linear, quadratic
        loss, loss_times_update = self._model_loss(forms, r)
        return (
            lambda moments: constant(moments) + loss(moments),
            lambda moments: linear(moments) + loss_times_update(moments),
            quadratic,
        )

    def _residual_second(self, forms: Forms, r: Float[Array, "m d"]) -> Float[Array, "d d"]:
        """`E[g g']`, without the model's loss, with noise."""
        # c - B z = sum O_i (r_i + L_i (I - M_i) z) with r_i = b_i - L_i z. In this form
        # what vanishes, vanishes exactly: there is no cancellation near an interpolating optimum.
        output, lost, centre = self.output_weight, self.lost_weight, self.centre
        result = forms.vector_vector(r, r, self._coefficients([output], [output]))
        if self.method.masks_model:
            mixed = forms.matrix_vector(centre, r, self._coefficients([output, lost], [output]))
            outer = OuterBetween(centre, centre, forms.prepared(self._coefficients([output, lost], [lost, output])))
            half = forms.half([outer])
            result = result + mixed + mixed.T + half + half.T
        noise = self.method.noise
        if isinstance(noise, GaussianNoise):
            # Workers' noises are independent: only pairs of equal workers, who report with the same mask.
            k = self._coefficients([output], [output], pairs=False)
            weights = self._weights()[:-1]
            same = forms.vector_vector(weights, weights, {pattern: value[:-1] for pattern, value in k.items()})
            result = result + noise.matrix * same
        return result

    def _model_loss(self, forms: Forms, r: Float[Array, "m d"]) -> tuple[Part, Part]:
        """What `- J x` adds to the second moment of e+, up to symmetrising, alone and together with the update."""
        centre, kept, (operator, residual) = self.centre, self._mean_kept(), self._mean_update()
        lost_rows = (1 - kept)[:, None]
        both_kept, mixed_kept = (None, None) if self._keeps_constant_share else self._with_kept(forms, r)

        def x_of(moments: Moments) -> Any:
            """E x, times the number that stands for 1."""
            return moments.first + moments.one_for(1) * centre

        def loss(moments):
            xx = xe = moments.second  # E[x x'] and E[x e'], of which linear parts only where there is no mean
            if moments.first is not None:
                xe = xe + outer(centre, moments.first)
                xx = xx + outer(centre, x_of(moments)) + outer(moments.first, centre)
            twice = lost_rows * xx * (1 - kept) if both_kept is None else xx - 2 * kept[:, None] * xx + both_kept * xx
            return twice - 2 * lost_rows * xe

        def loss_times_update(moments):
            ex = moments.second  # E[e x']
            if moments.first is not None:
                ex = ex + outer(moments.first, centre)
            mixed = operator @ ex
            if moments.first is not None:
                mixed = mixed - outer(residual, x_of(moments))
            if mixed_kept is None:
                return 2 * mixed * (1 - kept)
            return 2 * (mixed - mixed_kept(ex, None if moments.first is None else x_of(moments)))

        return loss, loss_times_update

    def _with_kept(self, forms: Forms, r: Float[Array, "m d"]) -> Any:
        """With C the average of the C_i: what multiplies X in `E[C X C]`, and `E[(B e - g) x' C]`."""
        centre, weights = self.centre, self._weights()
        output, model, lost = self.output_weight, self.model_weight, self.lost_weight
        both_kept = forms.vector_vector(weights, weights, self._coefficients([model], [model]))
        residual_kept = forms.vector_vector(r, weights, self._coefficients([output], [model]))
        residual_kept = residual_kept + forms.matrix_vector(
            centre, weights, self._coefficients([output, lost], [model])
        )
        operator_kept = self._coefficients([output, model], [model])

        def mixed_kept(ex, x):
            of_operator = forms.matrix_diagonal(ex, weights, operator_kept)
            return of_operator if x is None else of_operator - residual_kept * x[..., None, :]

        return both_kept, mixed_kept

    # Workers are exchangeable, so all pairs of different workers share their coefficients, and the
    # sum over them is that of one more worker, who holds the sum of all matrices, less what its
    # expansion has on equal workers. Hence one more entry on the leading axis.

    def _forms(self) -> Forms:
        """Those of the L_i, weighted, and their sum."""
        L, weights = self.problem.L, self.method.weights
        weighted = L if weights is None else weights[:, :, None] * L * weights[:, None, :]
        return Forms.of(with_sum(weighted), self.sketch.labels)

    def _residuals(self) -> Float[Array, "m d"]:
        """`r_i = b_i - L_i z`, weighted, and their sum."""
        problem, weights, centre = self.problem, self.method.weights, self.centre
        if weights is None:
            return with_sum(problem.b - problem.hessians.apply(np.ones((len(problem.b), 1)) * centre))
        return with_sum(weights * (problem.b - problem.hessians.apply(weights * centre)))

    def _weights(self) -> Float[Array, "m d"]:
        """The diagonal weights, and their sum."""
        weights = self.method.weights
        return with_sum(np.ones(self.problem.b.shape) if weights is None else weights)

    def _coefficients(
        self, left: list[Weight], right: list[Weight], *, outputs: tuple[int, int] = (0, -1), pairs: bool = True
    ) -> WorkerCoefficients:
        """For each pattern the coefficients of the n workers, and that of their sum.

        Args:
            left, right: what multiplies each position.
            outputs: which positions, counted over both sides, are the output coordinates.
            pairs: whether different workers count too.
        """
        reports, n = Reports.of(self.method, self.sketch), self.problem.num_workers

        def ends(pattern):
            return pattern[outputs[0]], pattern[outputs[1]]

        same = coefficients(left, right, lambda p, held, other: reports.one_worker(held | other, *ends(p)))
        different = 0 * same
        if pairs:
            different = coefficients(left, right, lambda p, held, other: reports.two_workers(held, other, *ends(p)))
        table = array_namespace(same, different).stack([*[same - different] * n, different], axis=1)
        return dict(zip(patterns(len(left) + len(right)), table, strict=True))


def owned_share(method: Method, sketch: Sketch) -> Any:
    """By how much the merge "owners" multiplies a mean over workers; 1 for other merges."""
    if method.merge != "owners":
        return 1.0
    check_other_holders(sketch)
    # A coordinate's average over its holders is over one of them, wherever it has any.
    try:
        return sketch.reported_probability(method.num_reports(sketch.n)) / sketch.inclusion_probability(1)
    except NotImplementedError as error:
        raise NotCoveredError(str(error)) from None


def _all_zero(lost: Float[Array, " d"]) -> bool:
    """Whether it is known to be zero, up to rounding: where JAX traces a scale it is not known."""
    return is_concrete(lost) and bool(np.all(np.abs(lost) < 1e-12))


def with_sum(values: Float[Array, "n ..."]) -> Float[Array, "m ..."]:
    """The values of the workers, and their sum."""
    return array_namespace(values).concatenate([values, values.sum(axis=0, keepdims=True)])
