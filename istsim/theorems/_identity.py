from __future__ import annotations

from typing import ClassVar

import numpy as np
import sympy as sp

from istsim.methods import GradientDescent, Method
from istsim.methods._method import SketchedMethod
from istsim.sketches import Identity
from istsim.theorems._premises import method_is, plain
from istsim.theorems._theorem import Kind, Theorem

theta, largest = sp.symbols("theta lambda_max")


class IdentityIsGradientDescent(Theorem):
    """With everything held at scale 1, Theorem 1's theta is that of gradient descent.

    Then `B = Lbar`, `W = Lbar^2` and `E[B' Lbar B] = Lbar^3`.
    """

    name = "identity-is-gradient-descent"
    title = "With everything held, theta is the largest eigenvalue"
    kind = Kind.EXACT
    source = "Shulgin and Richtarik, arXiv 2306.16484, version 1, after Theorem 1"

    notation: ClassVar = {theta: r"\theta", largest: r"\lambda_{\max}(\bar L)"}

    @property
    def statement(self):
        """Theta and the largest eigenvalue of Lbar."""
        return sp.Eq(theta, largest, evaluate=False)

    @property
    def premises(self):
        """Nothing is masked."""
        return (method_is("every worker holds everything, at scale 1", _holds_everything),)

    def constants(self, instance):
        """Theta by the exact engine, the eigenvalue by LAPACK."""
        eigenvalues = np.linalg.eigvalsh(np.asarray(instance.problem.mean_hessian))
        return {theta: instance.contraction.theta, largest: float(eigenvalues[-1])}


def _holds_everything(method: Method) -> bool:
    if isinstance(method, GradientDescent):
        return True
    if not (isinstance(method, SketchedMethod) and isinstance(method.sketch, Identity)):
        return False
    return plain(method, ("mean", "owners", "literal")) and method.forward_scale == method.gradient_scale == 1
