from __future__ import annotations

from typing import ClassVar

import sympy as sp

from istsim.theorems._premises import step_size_at_most
from istsim.theorems._theorem import Kind, Theorem
from istsim.theorems._theorem_2 import (
    NOTATION,
    average,
    averages_of,
    bias,
    constants_of,
    gamma,
    gap,
    initial,
    k,
    variance,
)
from istsim.theorems._weighted_permutation import draw_weighted, weighted_permutation


class SharperTheorem2(Theorem):
    """Theorem 2 without Young's inequality: a smaller floor, for all step sizes up to 1.

    `x_{k+1} - x* = (1 - gamma) (x_k - x*) - gamma (h + noise)` gives an identity: the left side is the right one less
    `(1 - gamma)` times the average of `E ||x_j - x* + h||^2` in the norm of Lbar. At gamma = 1 both sides are equal.
    """

    name = "sharper-theorem-2"
    title = "Theorem 2 without Young's inequality"
    kind = Kind.UPPER
    source = "new here"

    notation: ClassVar = NOTATION

    @property
    def statement(self):
        """The bound on the average over the rounds before round k."""
        return sp.Le(average, 2 * (initial - gap) / (gamma * k) + bias + gamma * variance, evaluate=False)

    @property
    def premises(self):
        """The corrected (23), and any step size up to 1."""
        return weighted_permutation(), step_size_at_most(1.0)

    def draw(self, draw):
        """Any problem, step sizes up to 1."""
        return draw_weighted(draw, 1.0)

    def constants(self, instance):
        """Step size, initial gap, bias and variance."""
        return constants_of(instance)

    def sequences(self, instance):
        """The exact averages and gaps, for k = 1..K."""
        return averages_of(instance)
