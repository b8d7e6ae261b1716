from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import sympy as sp

from istsim import verify
from istsim.methods import IST, Method
from istsim.theorems._instance import Instance
from istsim.theorems._premises import method_is, with_changes
from istsim.theorems._theorem import Kind, Premise, Theorem, rounds_of

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
        return (ist_without_weights(),)

    def draw(self, draw):
        """Any sketch, scales and number of reports."""
        return draw_ist(draw)

    def constants(self, instance):
        """The forward scale."""
        return {alpha: instance.method.forward_scale}

    def sequences(self, instance):
        """Both second moments."""
        method = ist(instance.method)
        z = instance.changed(
            method=dataclasses.replace(method, forward_scale=1.0, gradient_scale=1.0),
            step_size=instance.step_size * method.forward_scale * method.gradient_scale,
            x0=method.forward_scale * instance.x0,
        )
        return {k: rounds_of(instance), scaled: instance.second_moments, unscaled: z.second_moments}


def ist_without_weights() -> Premise:
    """One local step of IST, merged by the mean."""
    return method_is(
        "IST, merge mean, one local step, exact gradients, no weights",
        lambda method: (
            isinstance(method, IST)
            and method.merge == "mean"
            and method.local_steps == 1
            and method.weights is None
            and method.noise is None
        ),
        with_changes(merge="literal"),
    )


def draw_ist(draw: Callable[[Any], Any]) -> Instance:
    """An instance of it."""
    problem = draw(verify.strategies.integer_problems())
    n, d = problem.num_workers, problem.dim
    method = IST(
        draw(verify.strategies.sketches(n, d)),
        forward_scale=draw(verify.strategies.numbers(0.2, 4.0)),
        gradient_scale=draw(verify.strategies.numbers(0.2, 4.0)),
        participants=1 + draw(verify.strategies.indices(n)),
    )
    return draw(verify.strategies.instances(problem, method, draw(verify.strategies.step_sizes(1e-3, 0.5))))


def ist(method: Method) -> Any:
    """The method, which by the premise is IST."""
    assert isinstance(method, IST)
    return method
