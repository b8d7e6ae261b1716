from __future__ import annotations

from typing import ClassVar

import numpy as np
import sympy as sp

from istsim import theory, verify
from istsim.methods import IST
from istsim.problems import Quadratic
from istsim.sketches import Bernoulli
from istsim.theorems._instance import Instance
from istsim.theorems._premises import BEYOND
from istsim.theorems._theorem import Kind, Premise, Theorem, rounds_of

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

    about_lengths = True
    notation: ClassVar = {B: r"\mathbb{E}B", limit: r"x_\infty", expected: r"\mathbb{E}x_k"}

    @property
    def statement(self):
        """The mean at round k, between the start and the fixed point."""
        power = (identity - gamma * B) ** k
        return sp.Eq(expected, power * x0 + (identity - power) * limit, evaluate=False)

    @property
    def premises(self):
        """E[B] is invertible."""
        relation = sp.Ne(sp.Determinant(B), 0)
        return (Premise("E[B] is invertible", _singular, relation, _make_singular, _make_nearly_singular),)

    def draw(self, draw):
        """Any method, all merges and partial participation included."""
        problem = draw(verify.strategies.integer_problems())
        merges = ("mean", "owners", "literal")
        method = draw(verify.strategies.methods(problem.num_workers, problem.dim, merges=merges, participation=True))
        instance = draw(verify.strategies.instances(problem, method))
        try:
            verify.strategies.assume(not _singular(instance))
        except theory.NotCoveredError:  # the merge "owners" with some sketches
            verify.strategies.assume(False)
        return instance

    def constants(self, instance):
        """Step size, mean operator, start and fixed point."""
        return {
            gamma: instance.step_size,
            B: instance.mean_operator,
            x0: instance.x0[:, None],
            limit: instance.fixed_point[:, None],
        }

    def sequences(self, instance):
        """The mean, which the exact engine gets by stepping through the recurrence."""
        return {k: rounds_of(instance), expected: instance.mean[:, :, None]}


def _singular(instance: Instance) -> str:
    condition = np.linalg.cond(instance.mean_operator)
    return "" if condition < 1 / np.finfo(float).eps else f"its condition number is {condition:.3g}"


def _make_singular(instance: Instance, less: float = 0.0) -> Instance:
    """A model masked by a coin, of which the merge "literal" returns what the gradient takes away, on average."""
    method = IST(Bernoulli(1, 1, 0.5), merge="literal", forward_scale=4.0 * (1 - less), gradient_scale=1.0)
    return instance.changed(problem=Quadratic([[[1.0]]], [[0.0]]), method=method, step_size=0.5, x0=np.ones(1))


def _make_nearly_singular(instance: Instance) -> Instance:
    return _make_singular(instance, BEYOND)
