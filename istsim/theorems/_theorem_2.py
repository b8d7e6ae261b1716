from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import sympy as sp

from istsim import verify
from istsim.theorems._instance import Instance
from istsim.theorems._premises import BEYOND, SLACK
from istsim.theorems._theorem import Kind, Premise, Theorem, rounds_of
from istsim.theorems._weighted_permutation import WeightedPermutation, draw_weighted, weighted_permutation

k, gamma, young = sp.symbols("k gamma y")
average, gap, initial, bias, variance = sp.symbols("average gap initial_gap bias variance")

NOTATION = {
    average: r"\frac{1}{k}\sum_{j<k}\mathbb{E}\|\nabla f(x_j)\|^2_{\bar L^{-1}}",
    gap: r"(\mathbb{E}f(x_k)-f_\star)",
    initial: r"(f(x_0)-f_\star)",
    bias: r"\|h\|^2_{\bar L}",
    variance: r"\sigma^2",
}


class Theorem2(Theorem):
    """Gradients are small on average up to a bias and a variance, for heterogeneous workers.

    `h = x* - x_inf` is the bias of the corrected sketch (23), `sigma^2` the variance of an update in the norm of
    Lbar; `y` is the free constant of Young's inequality.
    """

    name = "theorem-2"
    title = "Convergence to a neighbourhood for heterogeneous workers"
    kind = Kind.UPPER
    source = "Shulgin and Richtarik, arXiv 2306.16484, version 1, Theorem 2, equation (30)"

    notation: ClassVar = NOTATION
    parameters: ClassVar = {"young": 0.25}

    @property
    def statement(self):
        """The bound on the average over the rounds before round k."""
        floor = (2 * (1 - gamma) / young + gamma) * bias + gamma * variance
        return sp.Le(average, 2 * (initial - gap) / (gamma * k) + floor, evaluate=False)

    @property
    def premises(self):
        """The corrected (23), and a step size that Young's constant allows."""
        return (
            weighted_permutation(),
            young_inside(),
            Premise(
                "step size at most (1/2 - young) / (1/2 + young)",
                _too_long,
                sp.Le(gamma, _longest(young, sp.Rational(1, 2))),
                lambda instance: _longest_step(instance, 1 + BEYOND),
                _longest_step,
            ),
        )

    def draw(self, draw):
        """Any Young's constant and any step size that it allows."""
        value = draw(verify.strategies.numbers(0.01, 0.49))
        return draw_weighted(draw, _longest(value), young=value)

    def constants(self, instance):
        """Step size, initial gap, bias, variance and Young's constant."""
        return constants_of(instance) | {young: instance.parameters["young"]}

    def sequences(self, instance):
        """The exact averages and gaps, for k = 1..K."""
        return averages_of(instance)


def constants_of(instance: Instance) -> dict[sp.Basic, float]:
    """What both forms of the theorem need."""
    setting = WeightedPermutation.of(instance.problem)
    return {
        gamma: instance.step_size,
        initial: float(instance.objective_gap[0]),
        bias: setting.bias,
        variance: setting.variance,
    }


def averages_of(instance: Instance) -> dict[sp.Basic, Any]:
    """`||grad f||^2` in the norm of Lbar^-1 is twice the objective gap."""
    gaps, rounds = instance.objective_gap, rounds_of(instance)[1:]
    return {k: rounds, average: np.cumsum(2 * gaps[:-1]) / rounds, gap: gaps[1:]}


def young_inside() -> Premise:
    """Young's constant is one."""

    def failure(instance: Instance) -> str:
        value = instance.parameters["young"]
        return "" if 0 < value < 0.5 else f"it is {value:.6g}"

    return Premise(
        "young lies between 0 and 1/2",
        failure,
        sp.And(young > 0, young < sp.Rational(1, 2)),
        lambda instance: instance.changed(parameters={"young": 0.5}),
        lambda instance: _longest_step(instance.changed(parameters={"young": 0.5 - BEYOND})),
    )


def _longest(value: Any, half: Any = 0.5) -> Any:
    return (half - value) / (half + value)


def _too_long(instance: Instance) -> str:
    limit = _longest(instance.parameters["young"])
    return "" if instance.step_size <= limit * (1 + SLACK) else f"it is {instance.step_size:.6g}, above {limit:.6g}"


def _longest_step(instance: Instance, times: float = 1.0) -> Instance:
    return instance.changed(step_size=_longest(instance.parameters["young"]) * times)
