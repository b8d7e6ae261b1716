from __future__ import annotations

from typing import ClassVar

import numpy as np
import sympy as sp

from istsim.problems import Quadratic
from istsim.theorems._instance import Instance
from istsim.theorems._theorem import Kind, Premise, Theorem
from istsim.theorems._weighted_permutation import WeightedPermutation, weighted_ist, weighted_permutation

whole, half = sp.symbols("bias_n bias_half")


class ErratumLimit(Theorem):
    """The bias of Theorem 2 is said to diminish as n = d grows.

    Said of one problem: the relative bias `||x* - x_inf|| / ||x*||`, in the norm of Lbar, is no larger than that of the
    problem's first n/2 workers and coordinates. With `L_i = I` and equal b_i it is `1 - n^-1/2`, and grows to 1.
    """

    name = "erratum-limit"
    title = "The bias diminishes with more workers and coordinates"
    kind = Kind.REFUTED
    source = "Shulgin and Richtarik, arXiv 2306.16484, version 1, discussion of Theorem 2"

    notation: ClassVar = {
        whole: r"\frac{\|x_\star-x_\infty\|_{\bar L}}{\|x_\star\|_{\bar L}}",
        half: r"\frac{\|x_\star^{n/2}-x_\infty^{n/2}\|_{\bar L}}{\|x_\star^{n/2}\|_{\bar L}}",
    }

    @property
    def statement(self):
        """The relative bias, and that of half of the problem."""
        return sp.Le(whole, half, evaluate=False)

    @property
    def premises(self):
        """The setting of Theorem 2, with an even number of workers."""
        return (weighted_permutation(), Premise("n is even", _odd, sp.Eq(sp.Mod(sp.Symbol("n"), 2), 0), _three_workers))

    def constants(self, instance):
        """Both relative biases, from the closed form of the fixed point."""
        problem, size = instance.problem, instance.problem.num_workers // 2
        first = Quadratic(problem.L[:size, :size, :size], problem.b[:size, :size])
        return {whole: _relative_bias(problem), half: _relative_bias(first)}

    def counterexample(self):
        """Four workers with `L_i = I` and equal b_i."""
        problem = Quadratic.from_diagonals(np.ones((4, 4)), np.ones((4, 4)))
        return problem, weighted_ist(problem), {"step_size": 0.5, "rounds": 1}


def _relative_bias(problem: Quadratic) -> float:
    at_limit = problem.objective_gap(WeightedPermutation.of(problem).limit)
    return float(np.sqrt(at_limit / problem.objective_gap(np.zeros(problem.dim))))


def _odd(instance: Instance) -> str:
    n = instance.problem.num_workers
    return f"n is {n}" if n % 2 else ""


def _three_workers(instance: Instance) -> Instance:
    problem = Quadratic.from_diagonals(np.ones((3, 3)), np.ones((3, 3)))
    return instance.changed(problem=problem, method=weighted_ist(problem), x0=np.ones(3))
