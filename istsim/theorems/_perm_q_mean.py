from __future__ import annotations

from typing import ClassVar

import numpy as np
import sympy as sp

from istsim import theory
from istsim.methods import IST
from istsim.sketches import Permutation
from istsim.theorems._premises import method_is, plain
from istsim.theorems._theorem import Kind, Theorem

n, d, q, alpha, beta = sp.symbols("n d q alpha beta")
operator, Lbar, Dbar = (sp.MatrixSymbol(name, d, d) for name in ("EB", "Lbar", "Dbar"))


class PermQMean(Theorem):
    """The mean operator of IST with blocks of q coordinates.

    A worker that holds a coordinate holds another given one with probability `r = (q-1)/(d-1)`, below 1/n however large
    q is: the bias of IST with permutations never vanishes.
    """

    name = "perm-q-mean"
    title = "The mean operator of permutation sketches"
    kind = Kind.EXACT
    source = "new here"

    notation: ClassVar = {operator: r"\mathbb{E}B", Lbar: r"\bar L", Dbar: r"\bar D"}

    @property
    def statement(self):
        """E[B] from the average of the L_i and its diagonal."""
        r = (q - 1) / (n * q - 1)
        return sp.Eq(operator, alpha * beta / n * ((1 - r) * Dbar + r * Lbar), evaluate=False)

    @property
    def premises(self):
        """IST with equal blocks, more than one coordinate."""
        return (
            method_is(
                "IST with Permutation(n, d), n dividing d > 1, merge mean",
                lambda method: (
                    isinstance(method, IST)
                    and isinstance(method.sketch, Permutation)
                    and method.sketch.d % method.sketch.n == 0
                    and method.sketch.d > 1
                    and plain(method)
                ),
            ),
        )

    def constants(self, instance):
        """E[B] from the exact engine."""
        problem, method = instance.problem, instance.method
        matrix = np.asarray(problem.mean_hessian)
        return {
            n: problem.num_workers,
            q: problem.dim // problem.num_workers,
            alpha: method.forward_scale,
            beta: method.gradient_scale,
            operator: np.asarray(theory.mean_operator(problem, method)[0]),
            Lbar: matrix,
            Dbar: np.diag(np.diag(matrix)),
        }
