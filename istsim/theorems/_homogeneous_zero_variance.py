from __future__ import annotations

from typing import ClassVar

import sympy as sp

from istsim.theorems._premises import equal_matrices, equal_vectors
from istsim.theorems._theorem import Kind, Theorem, rounds_of
from istsim.theorems._weighted_permutation import draw_weighted, weighted_permutation

k = sp.Symbol("k")
expected, of_mean = sp.symbols("expected_gap gap_of_mean")


class HomogeneousZeroVariance(Theorem):
    """Equal workers weighted by their diagonal: nothing is random, though every worker holds a random coordinate.

    All workers have the same `D^-1/2 b`, so it does not matter who holds which coordinate: `sigma^2 = 0`.
    """

    name = "homogeneous-zero-variance"
    title = "Equal workers, weighted by their diagonal, have no variance"
    kind = Kind.EXACT
    source = "Shulgin and Richtarik, arXiv 2306.16484, version 1, equation (31)"

    notation: ClassVar = {
        expected: r"(\mathbb{E}f(x_k)-f_\star)",
        of_mean: r"(f(\mathbb{E}x_k)-f_\star)",
    }

    @property
    def statement(self):
        """The expected objective is that of the expected iterate."""
        return sp.Eq(expected, of_mean, evaluate=False)

    @property
    def premises(self):
        """The setting of Theorem 2 with equal workers."""
        return weighted_permutation(), equal_matrices(), equal_vectors()

    def draw(self, draw):
        """Any equal workers."""
        return draw_weighted(draw, equal=True)

    def sequences(self, instance):
        """From the second moments, and from the mean."""
        gaps = instance.problem.objective_gap(instance.mean)
        return {k: rounds_of(instance), expected: instance.objective_gap, of_mean: gaps}
