from __future__ import annotations

from typing import ClassVar

import sympy as sp

from istsim.certificates import decide_iterates
from istsim.theorems._certified import certify_theorem_1
from istsim.theorems._premises import draw_for_theorem_1, of_theorem_1
from istsim.theorems._theorem import Kind, Theorem, rounds_of

k, gamma = sp.symbols("k gamma")
smallest, error, initial = sp.symbols("lambda_min error initial_error")


class Theorem1Iterates(Theorem):
    """Linear convergence of the mean-square error under interpolation.

    With `W = 1/2 E[Lbar B + B' Lbar]` and `E[B' Lbar B] <= theta W`, every step size up to
    `1/theta` contracts `E ||x_k - x*||^2` in the norm of Lbar by `1 - gamma lambda_min` a round,
    lambda_min being the smallest eigenvalue of `Lbar^-1/2 W Lbar^-1/2`. The paper takes B
    symmetric; B' stands here where its derivation needs it, so that any method qualifies.
    """

    name = "theorem-1-iterates"
    title = "Linear convergence of the iterates under interpolation"
    kind = Kind.UPPER
    source = "Shulgin and Richtarik, arXiv 2306.16484, version 1, Theorem 1, equation (16)"

    notation: ClassVar = {
        smallest: r"\lambda_{\min}",
        error: r"\mathbb{E}\|x_k-x_\star\|^2_{\bar L}",
        initial: r"\|x_0-x_\star\|^2_{\bar L}",
    }

    @property
    def statement(self):
        """The bound on the squared error in the norm of Lbar at round k."""
        return sp.Le(error, (1 - gamma * smallest) ** k * initial, evaluate=False)

    @property
    def premises(self):
        """Interpolation without noise, W positive semidefinite, a theta, and a step size up to 1/theta."""
        return of_theorem_1()

    def constants(self, instance):
        """Step size, smallest eigenvalue and initial error."""
        return {
            gamma: instance.step_size,
            smallest: instance.contraction.rate,
            initial: 2 * float(instance.objective_gap[0]),
        }

    def draw(self, draw):
        """Where W is definite, some part of the longest step size."""
        return draw_for_theorem_1(draw)

    def certify(self, instance):
        """One round from any point, in the norm of Lbar."""
        return certify_theorem_1(
            instance, lambda one_round, step_size, _, rate: decide_iterates(one_round, step_size, rate.value)
        )

    def sequences(self, instance):
        """The exact squared error, which is twice the objective gap."""
        return {k: rounds_of(instance), error: 2 * instance.objective_gap}
