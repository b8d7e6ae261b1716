from __future__ import annotations

import dataclasses
from typing import ClassVar

import sympy as sp

from istsim.methods import IST
from istsim.problems import Quadratic
from istsim.theorems._theorem import Kind, Theorem, rounds_of
from istsim.theorems._weighted_permutation import weighted_ist, weighted_permutation

d, k = sp.symbols("d k")
literal, method_2 = sp.MatrixSymbol("literal", d, 1), sp.MatrixSymbol("method", d, 1)


class ErratumLiteralAlgorithm(Theorem):
    """Algorithm 1 to the letter is said to be method (2), also with the diagonal weights of Theorem 2.

    The server averages models (the merge "literal"), the analysis subtracts averaged updates (the merge "mean"). They
    agree only where the sketches' average is the identity, which weights destroy.
    """

    name = "erratum-literal-algorithm"
    title = "Algorithm 1 is method (2) with diagonal weights"
    kind = Kind.REFUTED
    source = "Shulgin and Richtarik, arXiv 2306.16484, version 1, Algorithm 1 with equation (23), corrected"

    notation: ClassVar = {
        literal: r"\mathbb{E}x_k^{\mathrm{Algorithm\,1}}",
        method_2: r"\mathbb{E}x_k^{(2)}",
    }

    @property
    def statement(self):
        """The expected iterates of both."""
        return sp.Eq(literal, method_2, evaluate=False)

    @property
    def premises(self):
        """The setting of Theorem 2."""
        return (weighted_permutation("literal"),)

    def sequences(self, instance):
        """The means under both merges."""
        assert isinstance(instance.method, IST)  # a premise
        other = instance.changed(method=dataclasses.replace(instance.method, merge="mean"))
        return {k: rounds_of(instance), literal: instance.mean[:, :, None], method_2: other.mean[:, :, None]}

    def counterexample(self):
        """Any workers whose diagonals are not all 1."""
        problem = Quadratic.from_diagonals([[1.0, 4.0], [4.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]])
        method = dataclasses.replace(weighted_ist(problem), merge="literal")
        return problem, method, {"step_size": 0.5, "rounds": 3}
