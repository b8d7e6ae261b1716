from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np
import sympy as sp

from istsim import theory
from istsim.methods import IST
from istsim.theorems._premises import method_is
from istsim.theorems._theorem import Kind, Theorem, rounds_of

d, k, alpha = sp.symbols("d k alpha")
scaled, unscaled = sp.MatrixSymbol("second_scaled", d, d), sp.MatrixSymbol("second", d, d)


class ScaleEquivalence(Theorem):
    """The scales of IST do no more than rescale the step and the iterates.

    With `z = alpha x` a round of IST with scales (alpha, beta) is one with scales (1, 1) at the step size `gamma alpha
    beta`, path by path. So the law of x_k is that of z_k / alpha; stated here for its second moments about 0.
    """

    name = "scale-equivalence"
    title = "The scales rescale the step and the iterates"
    kind = Kind.EXACT
    source = "new here"

    notation: ClassVar = {scaled: r"\mathbb{E}x_kx_k^\top", unscaled: r"\mathbb{E}z_kz_k^\top"}

    @property
    def statement(self):
        """Second moments of the run, and of that with scales 1 from alpha x_0."""
        return sp.Eq(scaled, unscaled / alpha**2, evaluate=False)

    @property
    def premises(self):
        """IST with the merge mean and one local step."""
        return (
            method_is(
                "IST, merge mean, one local step, no weights",
                lambda method: (
                    isinstance(method, IST)
                    and method.merge == "mean"
                    and method.local_steps == 1
                    and method.weights is None
                ),
            ),
        )

    def constants(self, instance):
        """The forward scale."""
        return {alpha: float(_ist(instance.method).forward_scale)}

    def sequences(self, instance):
        """Both second moments from the exact engine."""
        method, rounds = _ist(instance.method), rounds_of(instance)
        plain = dataclasses.replace(method, forward_scale=1.0, gradient_scale=1.0)
        product = instance.step_size * method.forward_scale * method.gradient_scale
        runs = ((method, instance.step_size, instance.x0), (plain, product, method.forward_scale * instance.x0))
        seconds = []
        for run, step_size, x0 in runs:
            moments = theory.exact_moments(
                instance.problem, run, step_size=step_size, rounds=instance.rounds, x0=x0, covariance_at=rounds
            )
            means = np.asarray(moments.mean)
            seconds.append(np.asarray(moments.covariance) + means[:, :, None] * means[:, None, :])
        return {k: rounds, scaled: seconds[0], unscaled: seconds[1]}


def _ist(method: object) -> Any:
    assert isinstance(method, IST)  # a premise
    return method
