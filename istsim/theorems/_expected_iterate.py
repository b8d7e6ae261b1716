from __future__ import annotations

from typing import ClassVar

import numpy as np
import sympy as sp

from istsim import theory
from istsim.theorems._theorem import Instance, Kind, Premise, Theorem, rounds_of

d, k, gamma = sp.symbols("d k gamma")
B = sp.MatrixSymbol("B", d, d)
x0, limit, expected = (sp.MatrixSymbol(name, d, 1) for name in ("x_0", "x_inf", "mean"))
identity = sp.Identity(d)


class ExpectedIterate(Theorem):
    """The expected iterate of every method, in closed form.

    `(B, c)` is drawn afresh each round, so the mean obeys a linear recurrence, whose fixed point is
    `x_inf = E[B]^-1 E[c]`. The paper's (28) is the case `E[B] = I`.
    """

    name = "expected-iterate"
    title = "The expected iterate in closed form"
    kind = Kind.EXACT
    source = "new here; Shulgin and Richtarik, arXiv 2306.16484, version 1, equation (28), is the case E[B] = I"

    notation: ClassVar = {B: r"\mathbb{E}B", limit: r"x_\infty", expected: r"\mathbb{E}x_k"}

    @property
    def statement(self):
        """The mean at round k, between the start and the fixed point."""
        power = (identity - gamma * B) ** k
        return sp.Eq(expected, power * x0 + (identity - power) * limit, evaluate=False)

    @property
    def premises(self):
        """E[B] is invertible."""
        return (Premise("E[B] is invertible", _singular),)

    def constants(self, instance):
        """Step size, mean operator, start and fixed point."""
        problem, method, step_size = instance.problem, instance.method, instance.step_size
        operator, _ = theory.mean_operator(problem, method, step_size=step_size)
        fixed_point = theory.fixed_point(problem, method, step_size=step_size)
        return {
            gamma: instance.step_size,
            B: np.asarray(operator),
            x0: instance.x0[:, None],
            limit: np.asarray(fixed_point)[:, None],
        }

    def sequences(self, instance):
        """The mean from the exact engine, which steps through the recurrence."""
        mean = theory.exact_mean(
            instance.problem,
            instance.method,
            step_size=instance.step_size,
            rounds=instance.rounds,
            x0=instance.x0,
        )
        return {k: rounds_of(instance), expected: np.asarray(mean)[:, :, None]}


def _singular(instance: Instance) -> str:
    operator, _ = theory.mean_operator(instance.problem, instance.method, step_size=instance.step_size)
    condition = np.linalg.cond(operator)
    return "" if condition < 1 / np.finfo(float).eps else f"its condition number is {condition:.3g}"
