from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float

from istsim._types import Array
from istsim.methods._method import SketchedMethod
from istsim.problems._quadratic import Quadratic
from istsim.theory._affine import AffineLaw
from istsim.theory._errors import NotCoveredError
from istsim.theory._forms import Forms
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

    def mean_recursion(self):
        """By the means of the powers, computed once."""
        powers, lost = _mean_powers(self), self._one_step.mean_lost()

        def one_round(step_size, m):
            x = m + self.centre
            operator, vector = self._combined(powers, step_size)
            return m - step_size * (operator @ x - vector) - lost * x

        return one_round

    @property
    def depends_on_step_size(self):
        """Always: later local steps see what the earlier ones did."""
        return True

    def _sums(self, step_size: Any) -> tuple[Float[Array, "d d"], Float[Array, " d"]]:
        if step_size is None:
            raise NotCoveredError("with several local steps E[B] and E[c] depend on the step size: pass step_size")
        operator, vector = self._combined(_mean_powers(self), step_size)
        return operator + jnp.diag(self._one_step.lost_over(step_size)), vector

    def _combined(self, powers: Any, step_size: Any) -> tuple[Float[Array, "d d"], Float[Array, " d"]]:
        H = self.method.local_steps
        signs = [jnp.asarray(math.comb(H, t + 1) * (-step_size) ** t, float) for t in range(H)]
        operators, vectors = (jnp.stack(means) for means in powers)
        return jnp.tensordot(jnp.stack(signs), operators, axes=1), jnp.tensordot(jnp.stack(signs), vectors, axes=1)

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

    def recursion(self):
        """Not covered."""
        raise self._refusal()


@jax.jit
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
            return {p: jnp.asarray(value)[None] for p, value in zip(patterns(count), values, strict=True)}

        def of_worker(L, b):
            forms, ones = Forms.of(L[None], sketch.labels), jnp.ones((1, len(b)))
            powers = [
                L * forms.vector_vector(ones, ones, weight(2)),
                forms.matrix_diagonal(L, ones, weight(3)),
            ]
            if H == 3:
                powers.append(forms.matrix_matrix(L, weight(4)))
            vectors = [sketch.inclusion_probability(1) * b, *(K @ b for K in powers[: H - 1])]
            return [alpha * beta * share * K for K in powers[:H]], [beta * share * v for v in vectors]

    # One worker at a time: n matrices of every power at once would take much memory.
    def add(total, worker):
        return jax.tree.map(jnp.add, total, of_worker(*worker)), None

    zeros = [jnp.zeros((law.problem.dim,) * 2)] * H, [jnp.zeros(law.problem.dim)] * H
    sums, _ = jax.lax.scan(add, zeros, (law.problem.L, law.problem.b))
    return jax.tree.map(lambda total: total / law.problem.num_workers, sums)
