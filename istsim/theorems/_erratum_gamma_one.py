from __future__ import annotations

from typing import ClassVar

import numpy as np
import sympy as sp

from istsim.methods import IST
from istsim.problems import random_quadratic
from istsim.sketches import Permutation
from istsim.theorems._theorem import Instance, Kind, Premise, Theorem
from istsim.theorems._weighted_permutation import weighted_permutation

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
            Premise("the step size is 1", lambda instance: _unless(instance.step_size == 1, instance.step_size)),
            Premise("young lies between 0 and 1/2", _young_outside),
        )

    def constants(self, instance):
        """Step size and Young's constant."""
        return {gamma: instance.step_size, young: instance.parameters["young"]}

    def counterexample(self):
        """Any problem, any constant."""
        problem = random_quadratic(0, 3, 3, condition_number=5.0, matrix_heterogeneity=0.5, vector_heterogeneity=1.0)
        weights, scale = 1 / np.sqrt(np.asarray(problem.hessians.diagonal())), 3**0.5
        method = IST(Permutation(3, 3), weights=weights, forward_scale=scale, gradient_scale=scale)
        return problem, method, {"step_size": 1.0, "rounds": 1, "young": 1e-3}


def _unless(holds: bool, value: float) -> str:
    return "" if holds else f"it is {value:.6g}"


def _young_outside(instance: Instance) -> str:
    value = instance.parameters["young"]
    return _unless(0 < value < 0.5, value)
