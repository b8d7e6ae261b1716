from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import sympy as sp

from istsim import theory
from istsim.methods import IST
from istsim.problems import random_quadratic
from istsim.sketches import Permutation
from istsim.theorems._theorem import Kind, Theorem, rounds_of
from istsim.theorems._weighted_permutation import weighted_permutation

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
        literal: r"\mathbb{E}x_k^{\text{Algorithm 1}}",
        method_2: r"\mathbb{E}x_k^{(2)}",
    }

    @property
    def statement(self):
        """The expected iterates of both."""
        return sp.Eq(literal, method_2, evaluate=False)

    @property
    def premises(self):
        """The setting of Theorem 2."""
        return (weighted_permutation(),)

    def sequences(self, instance):
        """Exact means under both merges."""
        assert isinstance(instance.method, IST)  # a premise
        means = []
        for merge in ("literal", "mean"):
            method = dataclasses.replace(instance.method, merge=merge)
            run = {"step_size": instance.step_size, "rounds": instance.rounds, "x0": instance.x0}
            means.append(np.asarray(theory.exact_mean(instance.problem, method, **run))[:, :, None])
        return {k: rounds_of(instance), literal: means[0], method_2: means[1]}

    def counterexample(self):
        """Any heterogeneous problem."""
        problem = random_quadratic(0, 3, 3, condition_number=5.0, matrix_heterogeneity=0.5, vector_heterogeneity=1.0)
        weights, scale = 1 / np.sqrt(np.asarray(problem.hessians.diagonal())), 3**0.5
        method = IST(Permutation(3, 3), weights=weights, forward_scale=scale, gradient_scale=scale)
        return problem, method, {"step_size": 0.5, "rounds": 3}
