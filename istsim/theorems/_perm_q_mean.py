from __future__ import annotations

from fractions import Fraction
from typing import ClassVar

import numpy as np
import sympy as sp

from istsim import verify
from istsim.certificates import as_fraction
from istsim.methods import IST
from istsim.sketches import Permutation
from istsim.theorems._certified import equal, rational_round
from istsim.theorems._premises import method_is, plain, with_changes
from istsim.theorems._theorem import Certificate, Kind, Theorem

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
                with_changes(local_steps=2),
            ),
        )

    def draw(self, draw):
        """Any problem whose coordinates can be dealt evenly, any scales."""
        problem = draw(verify.strategies.integer_problems())
        n, d = problem.num_workers, problem.dim
        verify.strategies.assume(d > 1 and d % n == 0)
        scales = draw(verify.strategies.numbers(0.1, 4.0)), draw(verify.strategies.numbers(0.1, 4.0))
        method = IST(Permutation(n, d), forward_scale=scales[0], gradient_scale=scales[1])
        return draw(verify.strategies.instances(problem, method))

    def certify(self, instance):
        """Every entry, as a fraction."""
        one_round, method, (n, d) = rational_round(instance), instance.method, instance.problem.b.shape
        r = Fraction(d // n - 1, d - 1)
        scale = as_fraction(method.forward_scale) * as_fraction(method.gradient_scale) / n
        Dbar = np.diag(np.diag(one_round.Lbar))
        expected = scale * ((1 - r) * Dbar + r * one_round.Lbar)
        return Certificate((), (equal("E[B] as stated, entry by entry", one_round.mean_operator, expected),))

    def constants(self, instance):
        """The mean operator, and what it is made of."""
        problem, method = instance.problem, instance.method
        return {
            n: problem.num_workers,
            q: problem.dim // problem.num_workers,
            alpha: method.forward_scale,
            beta: method.gradient_scale,
            operator: instance.mean_operator,
            Lbar: instance.Lbar,
            Dbar: np.diag(np.diag(instance.Lbar)),
        }
