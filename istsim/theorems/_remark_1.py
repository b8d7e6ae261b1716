from __future__ import annotations

from typing import ClassVar

import numpy as np
import sympy as sp

from istsim import verify
from istsim.certificates import Decision, as_fractions, decide
from istsim.methods import IST
from istsim.sketches import Permutation
from istsim.theorems._certified import rational_round
from istsim.theorems._premises import equal_matrices, is_ist_by_single_coordinates, method_is, plain, with_changes
from istsim.theorems._theorem import Certificate, Kind, Theorem

a, b, c, alpha, beta, smallest = sp.symbols("a b c alpha beta lambda_W")


class Remark1Indefinite(Theorem):
    """W can be indefinite although every L_i is positive definite.

    For two equal workers with `L = [[a, c], [c, b]]` that hold one coordinate each, `B = alpha beta / 2
    diag(a, b)`. The smallest eigenvalue of W is negative exactly where `|c| > 2 a b / (a + b)`.
    """

    name = "remark-1-indefinite"
    title = "W of two coordinates may be indefinite"
    kind = Kind.EXACT
    source = "Shulgin and Richtarik, arXiv 2306.16484, version 1, Remark 1; the eigenvalue in closed form is new here"

    notation: ClassVar = {smallest: r"\lambda_{\min}(W)"}

    @property
    def statement(self):
        """The smallest eigenvalue of W."""
        root = sp.sqrt((a**2 - b**2) ** 2 + (a + b) ** 2 * c**2)
        return sp.Eq(smallest, alpha * beta / 4 * (a**2 + b**2 - root), evaluate=False)

    @property
    def premises(self):
        """IST on two equal workers with two coordinates."""
        return (
            method_is(
                "IST with Permutation(2, 2), merge mean",
                lambda method: is_ist_by_single_coordinates(method, 2) and plain(method),
                with_changes(participants=1),
            ),
            equal_matrices(),
        )

    def draw(self, draw):
        """Any two equal workers, any scales."""
        problem = draw(verify.strategies.integer_problems(2, 2, equal=True))
        scales = draw(verify.strategies.numbers(0.1, 4.0)), draw(verify.strategies.numbers(0.1, 4.0))
        method = IST(Permutation(2, 2), forward_scale=scales[0], gradient_scale=scales[1])
        return draw(verify.strategies.instances(problem, method))

    def certify(self, instance):
        """W is indefinite exactly where the eigenvalue of the statement is negative."""
        L, definite = as_fractions(np.asarray(instance.problem.L[0])), decide("0 <= W", rational_round(instance).W)
        a, b, c = L[0, 0], L[1, 1], L[0, 1]
        negative = (a + b) ** 2 * c**2 > 4 * a**2 * b**2
        claim = (
            f"|c| (a + b) {'>' if negative else '<='} 2 a b, and W is {'' if definite.holds else 'not '}semidefinite"
        )
        return Certificate((), (Decision(claim, definite.holds == (not negative)),))

    def constants(self, instance):
        """Entries of L, scales, and the eigenvalue from the exact engine."""
        L, method = np.asarray(instance.problem.L[0]), instance.method
        return {
            a: L[0, 0],
            b: L[1, 1],
            c: L[0, 1],
            alpha: method.forward_scale,
            beta: method.gradient_scale,
            smallest: float(np.linalg.eigvalsh(instance.contraction.W)[0]),
        }
