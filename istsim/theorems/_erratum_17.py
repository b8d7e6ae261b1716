from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.linalg
import sympy as sp

from istsim import theory
from istsim.certificates import as_fraction, decide, decide_iterates, decide_theta, largest_rate
from istsim.methods import IST, Method
from istsim.problems import Quadratic
from istsim.sketches import Permutation
from istsim.theorems._certified import rational_round
from istsim.theorems._instance import Instance
from istsim.theorems._premises import BEYOND, SLACK, exact_gradients, gamma, interpolation, semidefinite_w, theta
from istsim.theorems._theorem import Certificate, Kind, Premise
from istsim.theorems._theorem_1_iterates import Theorem1Iterates


class Erratum17(Theorem1Iterates):
    """Theorem 1 with the theta of equation (17), which takes `E[B] Lbar E[B]` for `E[B' Lbar B]`.

    By Jensen's inequality that theta is too small wherever B is random, and the promised contraction fails: at
    the counterexample a round that should take away 28 % of the squared error adds 94 %. Right only
    for a B that is not random.
    """

    name = "erratum-17"
    title = "Theorem 1 with a theta from the mean of B"
    kind = Kind.REFUTED
    source = "Shulgin and Richtarik, arXiv 2306.16484, version 1, equation (17)"

    notation: ClassVar = Theorem1Iterates.notation

    @property
    def premises(self):
        """Those of Theorem 1, with the printed theta."""
        return (
            interpolation(),
            exact_gradients(),
            semidefinite_w(),
            Premise(
                "step size at most 1/theta, with E[B] Lbar E[B] <= theta W",
                _too_long,
                sp.Le(gamma, 1 / theta),
                lambda instance: _longest_step(instance, 1 + BEYOND),
                _longest_step,
                certified=True,
            ),
        )

    def certify(self, instance):
        """The printed premise holds, Theorem 1's own does not, and the error grows from some point."""
        one_round, step_size = rational_round(instance), as_fraction(instance.step_size)
        B, W, Lbar = one_round.mean_operator, one_round.W, one_round.Lbar
        printed = decide("E[B]' Lbar E[B] <= 1/gamma W", W / step_size - B.T @ Lbar @ B)
        promised = decide_iterates(one_round, step_size, largest_rate(W, Lbar).value)
        return Certificate((decide("0 <= W", W), printed), (decide_theta(one_round, 1 / step_size), promised))

    def counterexample(self):
        """Two equal workers with two of four coordinates each, at about the largest step size allowed."""
        L = np.array([[17.0, 12, 2, 12], [12, 13, -2, 12], [2, -2, 8, -2], [12, 12, -2, 13]])
        problem, method = Quadratic(np.stack([L, L]), np.zeros((2, 4))), IST(Permutation(2, 4))
        # From here one round almost doubles the squared error.
        x0 = np.array([0.0, 1.0, 0.0, -1.0])
        return problem, method, {"step_size": 1 / 48, "rounds": 10, "x0": x0}


def printed_theta(problem: Quadratic, method: Method) -> float:
    """The least theta with `E[B]' Lbar E[B] <= theta W`."""
    operator = np.asarray(theory.mean_operator(problem, method)[0])
    Lbar, W = np.asarray(problem.mean_hessian), theory.contraction(problem, method).W
    return float(scipy.linalg.eigh(operator.T @ Lbar @ operator, W, eigvals_only=True)[-1])


def _longest_step(instance: Instance, times: float = 1.0) -> Instance:
    return instance.changed(step_size=times / printed_theta(instance.problem, instance.method))


def _too_long(instance: Instance) -> str:
    if instance.contraction.smallest <= 0:
        return "W is singular"
    printed = printed_theta(instance.problem, instance.method)
    if instance.step_size * printed <= 1 + SLACK:
        return ""
    return f"it is {instance.step_size:.6g}, and 1/theta is {1 / printed:.6g}"
