from __future__ import annotations

import math
from typing import ClassVar

import sympy as sp

from istsim.theorems._theorem import Instance, Kind, Premise, Theorem, rounds_of

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
        return (
            Premise("all b_i = 0", _not_interpolating),
            Premise("the gradients are exact", _noisy),
            Premise("W = 1/2 E[Lbar B + B' Lbar] is positive semidefinite", _indefinite),
            Premise("some theta has E[B' Lbar B] <= theta W", _without_theta),
            Premise("step size at most 1/theta", _too_long_a_step),
        )

    def constants(self, instance):
        """Step size, smallest eigenvalue and initial error."""
        return {
            gamma: instance.step_size,
            smallest: instance.contraction.rate,
            initial: 2 * float(instance.exact.objective_gap[0]),
        }

    def sequences(self, instance):
        """The exact squared error, which is twice the objective gap."""
        return {k: rounds_of(instance), error: 2 * instance.exact.objective_gap}


def _not_interpolating(instance: Instance) -> str:
    largest = float(abs(instance.problem.b).max())
    return f"the largest entry of the b_i is {largest:.6g}" if largest > 0 else ""


def _noisy(instance: Instance) -> str:
    noise = getattr(instance.method, "noise", None)
    return "" if noise is None else f"there is {type(noise).__name__}"


def _indefinite(instance: Instance) -> str:
    contraction = instance.contraction
    if contraction.is_semidefinite:
        return ""
    return f"its smallest eigenvalue in the geometry of Lbar is {contraction.smallest:.6g}"


def _without_theta(instance: Instance) -> str:
    return "" if math.isfinite(instance.contraction.theta) else "the kernel of W is not in that of E[B' Lbar B]"


def _too_long_a_step(instance: Instance) -> str:
    theta = instance.contraction.theta
    # theta carries rounding: a step size computed as 1/theta must pass.
    if instance.step_size * theta <= 1 + 1e-12:
        return ""
    return f"it is {instance.step_size:.6g}, and 1/theta is {1 / theta:.6g}"
