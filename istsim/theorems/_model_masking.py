from __future__ import annotations

from typing import ClassVar

import sympy as sp

from istsim import verify
from istsim.methods import CompressedIterates
from istsim.methods._method import SketchedMethod
from istsim.theorems._premises import method_is, plain, with_changes
from istsim.theorems._theorem import Kind, Theorem

d, alpha, p1 = sp.symbols("d alpha p_1")
limit, minimizer = sp.MatrixSymbol("x_inf", d, 1), sp.MatrixSymbol("x_star", d, 1)


class ModelMaskingBiased(Theorem):
    """Where only the model is masked, the expected iterate tends to a multiple of the minimizer.

    `E[B] = alpha p1 Lbar` and `E[c] = bbar`: there is no bias exactly at the unbiased scale `alpha = 1/p1`.
    """

    name = "model-masking-biased"
    title = "Masked models tend to a multiple of the minimizer"
    kind = Kind.EXACT
    source = "Shulgin and Richtarik, arXiv 2306.16484, version 1, equations (10) and (35), for alpha = 1"

    about_lengths = True
    notation: ClassVar = {limit: r"x_\infty", minimizer: r"x_\star"}

    @property
    def statement(self):
        """The fixed point by the forward scale."""
        return sp.Eq(limit, minimizer / (alpha * p1), evaluate=False)

    @property
    def premises(self):
        """Masked models."""
        return (
            method_is(
                "CompressedIterates with an exchangeable sketch, merge mean, one local step, all workers report",
                lambda method: isinstance(method, CompressedIterates) and method.sketch.exchangeable and plain(method),
                with_changes(merge="literal"),
            ),
        )

    def draw(self, draw):
        """Any sketch and scale."""
        problem = draw(verify.strategies.integer_problems())
        sketch = draw(verify.strategies.sketches(problem.num_workers, problem.dim))
        method = CompressedIterates(sketch, forward_scale=draw(verify.strategies.numbers(0.2, 4.0)))
        return draw(verify.strategies.instances(problem, method))

    def constants(self, instance):
        """The fixed point, and the probability to be held."""
        method = instance.method
        assert isinstance(method, SketchedMethod)
        return {
            alpha: method.forward_scale,
            p1: float(method.sketch.inclusion_probability(1)),
            limit: instance.fixed_point[:, None],
            minimizer: instance.minimizer[:, None],
        }
