from __future__ import annotations

from typing import ClassVar

import sympy as sp

from istsim.problems import Quadratic
from istsim.theorems._instance import Instance
from istsim.theorems._premises import BEYOND
from istsim.theorems._theorem import Kind, Premise, Theorem
from istsim.theorems._theorem_2 import young_inside
from istsim.theorems._weighted_permutation import weighted_ist, weighted_permutation

gamma, young = sp.symbols("gamma y")


class ErratumGammaOne(Theorem):
    """The step size 1, at which a term of Theorem 2 vanishes, is said to be in the theorem's range.

    The range ends below 1 for every positive Young constant. `sharper-theorem-2` has it, without that term anywhere.
    """

    name = "erratum-gamma-one"
    title = "Theorem 2 allows the step size 1"
    kind = Kind.REFUTED
    source = "Shulgin and Richtarik, arXiv 2306.16484, version 1, discussion of Theorem 2"

    parameters: ClassVar = {"young": 0.25}

    @property
    def statement(self):
        """The step size against the end of the printed range."""
        half = sp.Rational(1, 2)
        return sp.Le(gamma, (half - young) / (half + young), evaluate=False)

    @property
    def premises(self):
        """The setting of Theorem 2 at step size 1."""
        return (
            weighted_permutation(),
            Premise("the step size is 1", _other_step_size, sp.Eq(gamma, 1), _shorten),
            young_inside(),
        )

    def constants(self, instance):
        """Step size and Young's constant."""
        return {gamma: instance.step_size, young: instance.parameters["young"]}

    def counterexample(self):
        """Any problem, any constant."""
        problem = Quadratic([[[2.0, 1.0], [1.0, 2.0]]] * 2, [[1.0, 0.0], [0.0, 1.0]])
        return problem, weighted_ist(problem), {"step_size": 1.0, "rounds": 1, "young": 1e-3}


def _other_step_size(instance: Instance) -> str:
    return "" if instance.step_size == 1 else f"it is {instance.step_size:.6g}"


def _shorten(instance: Instance) -> Instance:
    return instance.changed(step_size=1 - BEYOND)
