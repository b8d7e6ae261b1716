from __future__ import annotations

import dataclasses
import math
import operator
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from istsim._arrays import array_namespace, scan
from istsim._types import Array
from istsim.methods._method import SketchedMethod
from istsim.problems._quadratic import Quadratic
from istsim.theory._affine import AffineLaw, summed
from istsim.theory._errors import NotCoveredError
from istsim.theory._forms import Forms, on_diagonal
from istsim.theory._patterns import Weight, coefficients, patterns
from istsim.theory._sketched_law import SketchedLaw, owned_share

HELD = Weight(0.0, 1.0)


@dataclasses.dataclass(frozen=True, eq=False)
class LocalStepsLaw(AffineLaw):
    """Workers' masks are random, and there are several local steps: first moments.

    H local steps report `u_i = beta O_i sum_t C(H, t+1) (-step_size K_i)^t (L_i w_0 - b_i)` over t < H, with `K_i = M_i
    L_i M_i` and `M_i = P_i` where model and gradient are masked. Everywhere one worker's mask alone matters, so that
    patterns of up to four positions give the means of `K_i^t` for t up to 3.
    """

    data_fields = ("problem", "method", "centre")
    problem: Quadratic
    method: SketchedMethod
    centre: Float[Array, " d"]

    @property
    def _one_step(self) -> SketchedLaw:
        return SketchedLaw(self.problem, dataclasses.replace(self.method, local_steps=1), self.centre)

    def check_means(self) -> None:
        """Raise NotCoveredError where there are too many local steps."""
        both = self.method.masks_model and self.method.masks_gradient
        if both and self.method.local_steps > 3:
            raise NotCoveredError(
                "the exact mean of IST is known for local_steps up to 3, got "
                f"{self.method.local_steps}; enumerate the outcomes (route='enumeration') at small d, or simulate"
            )

    def mean_operator(self, step_size=None):
        """`E[B]`, a polynomial in the step size."""
        return self._sums(step_size)[0]

    def mean_vector(self, step_size=None):
        """`E[c]`, a polynomial in the step size."""
        return self._sums(step_size)[1]

    def mean_residual(self, step_size=None):
        """`E[c - B z]`."""
        operator, vector = self._sums(step_size)
        return vector - operator @ self.centre

    def mean_parts(self, step_size):
        """By the means of the powers, computed once."""
        (operators, vectors), lost = _mean_powers(self), self._one_step.mean_lost()

        def without_update(m, one):
            return m - lost * (m + one * self.centre)

        def after(steps, matrix, vector):
            def update(m, one):
                return self._sign(steps) * (one * vector - (m + one * self.centre) @ matrix.T)

            return update

        return without_update, *(after(*power) for power in zip(range(len(vectors)), operators, vectors, strict=True))

    @property
    def depends_on_step_size(self):
        """Always: later local steps see what the earlier ones did."""
        return True

    def _sums(self, step_size: Any) -> tuple[Float[Array, "d d"], Float[Array, " d"]]:
        if step_size is None:
            raise NotCoveredError("with several local steps E[B] and E[c] depend on the step size: pass step_size")
        mean_operator, mean_vector = (
            summed(step_size, [self._sign(steps) * mean for steps, mean in enumerate(means)])
            for means in _mean_powers(self)
        )
        return mean_operator + on_diagonal(self._one_step.lost_over(step_size)), mean_vector

    def _sign(self, steps: int) -> int:
        """What multiplies the power of so many local steps."""
        return (-1) ** steps * math.comb(self.method.local_steps, steps + 1)

    def check_second_moments(self):
        """They would need patterns of up to eight positions."""
        raise self._refusal()

    def _refusal(self) -> NotCoveredError:
        return NotCoveredError(
            f"exact second moments are for local_steps=1, got {self.method.local_steps}; "
            "enumerate the outcomes (route='enumeration') at small d, or simulate"
        )

    def second(self, X, step_size=None):
        """Not covered."""
        raise self._refusal()

    def transposed_second(self, X):
        """Not covered."""
        raise self._refusal()

    def parts(self, step_size):
        """Not covered."""
        raise self._refusal()


def _mean_powers(law: LocalStepsLaw) -> tuple[list[Float[Array, "d d"]], list[Float[Array, " d"]]]:
    """For t < H the means over workers and masks of `alpha beta O_i K_i^t L_i M_i` and `beta O_i K_i^t b_i`."""
    method, sketch, H = law.method, law.method.sketch, law.method.local_steps
    alpha, beta = method.forward_scale, method.gradient_scale
    share = owned_share(method, sketch)

    if not (method.masks_model and method.masks_gradient):
        # The mask stands at one end only, beside a polynomial in L_i.
        one = sketch.inclusion_probability(1)
        scale, factor = (alpha * one, 1.0) if method.masks_model else (beta * one * share, beta * one * share)

        def of_worker(L, b):
            matrices, vectors = [L], [b]
            for _ in range(H - 1):
                matrices.append(L @ matrices[-1])
                vectors.append(L @ vectors[-1])
            return [scale * K for K in matrices], [factor * v for v in vectors]

    else:

        def weight(count):
            """Coefficients of so many positions, all held by one worker."""
            held = [HELD] * count
            values = coefficients(held, [], lambda _, left, __: sketch.inclusion_probability(len(left)))
            return {p: value[None] for p, value in zip(patterns(count), values, strict=True)}

        def of_worker(L, b):
            forms, ones = Forms.of(L[None], sketch.labels), np.ones((1, len(b)))
            powers = [
                L * forms.vector_vector(ones, ones, weight(2)),
                forms.matrix_diagonal(L, ones, weight(3)),
            ]
            if H == 3:
                powers.append(forms.matrix_matrix(L, weight(4)))
            vectors = [sketch.inclusion_probability(1) * b, *(K @ b for K in powers[: H - 1])]
            return [alpha * beta * share * K for K in powers[:H]], [beta * share * v for v in vectors]

    # One worker at a time: n matrices of every power at once would take much memory.
    L, b = law.problem.L, law.problem.b
    xp, d = array_namespace(L), law.problem.dim

    def add(totals, worker):
        return jax.tree.map(operator.add, totals, of_worker(L[worker], b[worker])), ()

    zeros = [xp.zeros((d, d))] * H, [xp.zeros(d)] * H
    sums, _ = scan(xp, add, zeros, np.arange(law.problem.num_workers))
    return jax.tree.map(lambda total: total / law.problem.num_workers, sums)
