from __future__ import annotations

from typing import ClassVar

import numpy as np
import sympy as sp

from istsim.certificates import decide_gradients
from istsim.theorems._certified import certify_theorem_1
from istsim.theorems._premises import draw_for_theorem_1, of_theorem_1
from istsim.theorems._theorem import Kind, Theorem, rounds_of

k, gamma = sp.symbols("k gamma")
average, gap, initial = sp.symbols("average gap initial_gap")


class Theorem1Gradients(Theorem):
    """Under interpolation gradients are small on average over the rounds.

    Under the premises of Theorem 1 one round lowers the expected objective by at least half the step size
    times `E ||grad f||^2` in the norm of `Lbar^-1 W Lbar^-1`; the sum telescopes.
    """

    name = "theorem-1-gradients"
    title = "Gradients are small on average under interpolation"
    kind = Kind.UPPER
    source = "Shulgin and Richtarik, arXiv 2306.16484, version 1, Theorem 1, equation (15)"

    notation: ClassVar = {
        average: r"\frac{1}{k}\sum_{j<k}\mathbb{E}\|\nabla f(x_j)\|^2_{\bar L^{-1}W\bar L^{-1}}",
        gap: r"(\mathbb{E}f(x_k)-f_\star)",
        initial: r"(f(x_0)-f_\star)",
    }

    @property
    def statement(self):
        """The bound on the average over the rounds before round k."""
        return sp.Le(average, 2 * (initial - gap) / (gamma * k), evaluate=False)

    @property
    def premises(self):
        """Those of Theorem 1."""
        return of_theorem_1()

    def draw(self, draw):
        """Where W is definite, some part of the longest step size."""
        return draw_for_theorem_1(draw)

    def constants(self, instance):
        """Step size and initial gap."""
        return {gamma: instance.step_size, initial: float(instance.objective_gap[0])}

    def certify(self, instance):
        """The descent of one round from any point, of which the statement is the sum."""
        return certify_theorem_1(instance, lambda one_round, step_size, *_: decide_gradients(one_round, step_size))

    def sequences(self, instance):
        """The averages and gaps, for k = 1..K."""
        inverse = np.linalg.inv(instance.Lbar)
        weighting = inverse @ instance.contraction.W @ inverse
        norms = instance.gradient_norm_squared((weighting + weighting.T) / 2)
        rounds = rounds_of(instance)[1:]
        return {k: rounds, average: np.cumsum(norms[:-1]) / rounds, gap: instance.objective_gap[1:]}
