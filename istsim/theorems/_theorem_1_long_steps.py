from __future__ import annotations

import sympy as sp

from istsim.certificates import decide_iterates
from istsim.theorems._certified import certify_theorem_1
from istsim.theorems._premises import draw_for_theorem_1, gamma, of_theorem_1, smallest, theta
from istsim.theorems._theorem_1_iterates import Theorem1Iterates, error, initial, k


class Theorem1LongSteps(Theorem1Iterates):
    """Theorem 1 with steps up to twice as long, and with a sharper rate where they are short.

    With W and theta as in theorem-1-iterates, a round takes away at least `gamma (2 - gamma theta) W`, so that every
    step size up to `2/theta` contracts `E ||x_k - x*||^2` in the norm of Lbar by
    `1 - gamma (2 - gamma theta) lambda_min` a round. Theorem 1 as printed puts `gamma W` for what is taken away, which
    is right up to `1/theta`. There both promise the same, the best that this one has for any step size; for shorter
    steps it is the sharper one, and at `2/theta` it says only that the error does not grow.
    """

    name = "theorem-1-long-steps"
    title = "Linear convergence of the iterates with longer steps"
    source = "new here; Theorem 1 of Shulgin and Richtarik, arXiv 2306.16484, version 1, stops at 1/theta"

    @property
    def statement(self):
        """The bound on the squared error in the norm of Lbar at round k."""
        return sp.Le(error, (1 - gamma * (2 - gamma * theta) * smallest) ** k * initial, evaluate=False)

    @property
    def premises(self):
        """Those of Theorem 1, but for a step size up to 2/theta."""
        return of_theorem_1(longest=2)

    def constants(self, instance):
        """As in Theorem 1, and theta, the least that there is."""
        return super().constants(instance) | {theta: instance.contraction.theta}

    def draw(self, draw):
        """Where W is definite, some part of the longest step size."""
        return draw_for_theorem_1(draw, longest=2)

    def certify(self, instance):
        """One round from any point, in the norm of Lbar."""
        return certify_theorem_1(
            instance,
            lambda one_round, step_size, theta, rate: decide_iterates(
                one_round, step_size, (2 - step_size * theta.value) * rate.value
            ),
            longest=2,
        )
