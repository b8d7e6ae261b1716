from __future__ import annotations

from typing import ClassVar

import sympy as sp

from istsim import verify
from istsim.certificates import Decision, as_fraction, least_theta
from istsim.methods import IST
from istsim.sketches import Permutation
from istsim.theorems._certified import rational_round
from istsim.theorems._premises import (
    equal_matrices,
    is_ist_by_single_coordinates,
    method_is,
    ones_on_the_diagonals,
    plain,
    with_changes,
)
from istsim.theorems._theorem import Certificate, Kind, Theorem

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
                with_changes(local_steps=2),
            ),
            equal_matrices(),
            ones_on_the_diagonals(),
        )

    def draw(self, draw):
        """Any equal, preconditioned workers, any scales."""
        n = draw(verify.strategies.square_sizes())
        problem = draw(verify.strategies.integer_problems(n, n, equal=True)).preconditioned()
        scales = draw(verify.strategies.numbers(0.1, 4.0)), draw(verify.strategies.numbers(0.1, 4.0))
        method = IST(Permutation(n, n), forward_scale=scales[0], gradient_scale=scales[1])
        return draw(verify.strategies.instances(problem, method))

    def certify(self, instance):
        """The least theta, as a fraction."""
        one_round, method = rational_round(instance), instance.method
        theta = least_theta(one_round.V, one_round.W)
        claimed = as_fraction(method.forward_scale) * as_fraction(method.gradient_scale) / instance.problem.num_workers
        claim = f"the least theta is alpha beta / n = {claimed}"
        return Certificate((), (Decision(claim, theta.is_sharp and theta.value == claimed),), (theta,))

    def constants(self, instance):
        """Theta from the exact engine."""
        method = instance.method
        return {
            theta: instance.contraction.theta,
            n: instance.problem.num_workers,
            alpha: method.forward_scale,
            beta: method.gradient_scale,
        }
