from __future__ import annotations

from typing import ClassVar

import sympy as sp

from istsim.theorems._premises import step_size_at_most
from istsim.theorems._theorem import Kind, Theorem
from istsim.theorems._theorem_2 import NOTATION, bias, gamma, variance
from istsim.theorems._weighted_permutation import WeightedPermutation, draw_weighted, weighted_permutation

settled = sp.Symbol("settled")


class StationaryGradientNorm(Theorem):
    """What the neighbourhood of Theorem 2 is, exactly.

    The spread around the fixed point obeys `V = (1 - gamma)^2 V + gamma^2 sigma^2`.
    """

    name = "stationary-gradient-norm"
    title = "The stationary gradient norm of workers weighted by their own diagonals"
    kind = Kind.EXACT
    source = "new here"

    notation: ClassVar = {
        settled: r"\lim_{k\to\infty}\mathbb{E}\|\nabla f(x_k)\|^2_{\bar L^{-1}}",
        bias: NOTATION[bias],
        variance: NOTATION[variance],
    }

    @property
    def statement(self):
        """The limit of the expected squared gradient norm."""
        return sp.Eq(settled, bias + gamma * variance / (2 - gamma), evaluate=False)

    @property
    def premises(self):
        """The corrected (23), and a stable step size."""
        return weighted_permutation(), step_size_at_most(2.0, excluded=True)

    def draw(self, draw):
        """Any problem, step sizes not too near to the end of the range."""
        return draw_weighted(draw, 1.8)

    def constants(self, instance):
        """The stationary law, bias and variance by counting."""
        setting = WeightedPermutation.of(instance.problem)
        return {
            gamma: instance.step_size,
            settled: 2 * instance.settled_gap,
            bias: setting.bias,
            variance: setting.variance,
        }
