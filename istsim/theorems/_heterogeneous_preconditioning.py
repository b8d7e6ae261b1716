from __future__ import annotations

from typing import ClassVar

import sympy as sp

from istsim.theorems._theorem import Kind, Theorem
from istsim.theorems._weighted_permutation import draw_weighted, scaled_vectors, weighted_permutation

n, d = sp.symbols("n d")
limit, total = sp.MatrixSymbol("x_inf", d, 1), sp.MatrixSymbol("s", d, 1)


class HeterogeneousPreconditioning(Theorem):
    """Workers weighted by their own diagonals: where the expected iterate tends.

    `B = I` whatever is drawn, and `E c = n^-3/2 sum D_i^-1/2 b_i`.
    """

    name = "heterogeneous-preconditioning"
    title = "The fixed point of workers weighted by their own diagonals"
    kind = Kind.EXACT
    source = (
        "Shulgin and Richtarik, arXiv 2306.16484, version 1, equations (24) and (25), with the sketch (23) corrected: "
        "the inverse root of the diagonal, not the diagonal of the inverse root"
    )

    about_lengths = True
    notation: ClassVar = {limit: r"x_\infty", total: r"\sum_i D_i^{-1/2} b_i"}

    @property
    def statement(self):
        """The fixed point."""
        return sp.Eq(limit, n ** sp.Rational(-3, 2) * total, evaluate=False)

    @property
    def premises(self):
        """The corrected (23)."""
        return (weighted_permutation(),)

    def draw(self, draw):
        """Any problem."""
        return draw_weighted(draw)

    def constants(self, instance):
        """The fixed point, and the sum from the definition."""
        problem = instance.problem
        return {
            n: problem.num_workers,
            limit: instance.fixed_point[:, None],
            total: scaled_vectors(problem).sum(axis=0)[:, None],
        }
