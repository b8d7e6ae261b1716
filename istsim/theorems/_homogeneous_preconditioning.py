from __future__ import annotations

from typing import ClassVar

import sympy as sp

from istsim.theorems._premises import (
    equal_matrices,
    is_ist_by_single_coordinates,
    method_is,
    ones_on_the_diagonals,
    plain,
)
from istsim.theorems._theorem import Kind, Theorem

theta, n, alpha, beta = sp.symbols("theta n alpha beta")


class HomogeneousPreconditioning(Theorem):
    """Preconditioned equal workers that hold one coordinate each take a deterministic step.

    With ones on the diagonals `B = (alpha beta / n) sum e_i e_i' = (alpha beta / n) I`, whatever is drawn;
    so theta is n at the unbiased scales `alpha = beta = n`.
    """

    name = "homogeneous-preconditioning"
    title = "Preconditioned equal workers: theta is n"
    kind = Kind.EXACT
    source = "Shulgin and Richtarik, arXiv 2306.16484, version 1, equation (22)"

    notation: ClassVar = {theta: r"\theta"}

    @property
    def statement(self):
        """Theta by the scales."""
        return sp.Eq(theta, alpha * beta / n, evaluate=False)

    @property
    def premises(self):
        """Equal, preconditioned workers with one coordinate each."""
        return (
            method_is(
                "IST with n = d workers holding one coordinate each, merge mean",
                lambda method: is_ist_by_single_coordinates(method) and plain(method),
            ),
            equal_matrices(),
            ones_on_the_diagonals(),
        )

    def constants(self, instance):
        """Theta from the exact engine."""
        method = instance.method
        return {
            theta: instance.contraction.theta,
            n: instance.problem.num_workers,
            alpha: method.forward_scale,
            beta: method.gradient_scale,
        }
