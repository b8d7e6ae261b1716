from __future__ import annotations

from typing import ClassVar

import sympy as sp

from istsim import verify
from istsim.methods import CompressedGradient
from istsim.theorems._premises import method_is, with_changes
from istsim.theorems._theorem import Kind, Theorem

d = sp.Symbol("d")
limit, minimizer = sp.MatrixSymbol("x_inf", d, 1), sp.MatrixSymbol("x_star", d, 1)


class GradientMaskingUnbiased(Theorem):
    """Where only gradients are masked, the expected iterate tends to the minimizer.

    `E[B]` is a multiple of Lbar and `E[c]` the same multiple of bbar, whatever the merge and the workers that
    report, if the sketch treats all coordinates alike.
    """

    name = "gradient-masking-unbiased"
    title = "Masked gradients are unbiased"
    kind = Kind.EXACT
    source = "new here in this generality; known for unbiased compressors"

    about_lengths = True
    notation: ClassVar = {limit: r"x_\infty", minimizer: r"x_\star"}

    @property
    def statement(self):
        """The fixed point is the minimizer."""
        return sp.Eq(limit, minimizer, evaluate=False)

    @property
    def premises(self):
        """Masked gradients, one local step."""
        return (
            method_is(
                "CompressedGradient with an exchangeable sketch, one local step",
                lambda method: (
                    isinstance(method, CompressedGradient) and method.sketch.exchangeable and method.local_steps == 1
                ),
                with_changes(local_steps=2),
            ),
        )

    def draw(self, draw):
        """Any sketch, scale and merge."""
        problem = draw(verify.strategies.integer_problems())
        sketch = draw(verify.strategies.sketches(problem.num_workers, problem.dim))
        merge = ("mean", "literal")[draw(verify.strategies.indices(2))]
        method = CompressedGradient(sketch, gradient_scale=draw(verify.strategies.numbers(0.2, 4.0)), merge=merge)
        return draw(verify.strategies.instances(problem, method))

    def constants(self, instance):
        """The fixed point."""
        return {limit: instance.fixed_point[:, None], minimizer: instance.minimizer[:, None]}
