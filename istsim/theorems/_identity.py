from __future__ import annotations

from typing import ClassVar

import numpy as np
import sympy as sp

from istsim import verify
from istsim.certificates import Decision, least_theta
from istsim.methods import IST, CompressedGradient, CompressedIterates, GradientDescent, Method
from istsim.methods._method import SketchedMethod
from istsim.sketches import Identity
from istsim.theorems._certified import rational_round
from istsim.theorems._instance import Instance
from istsim.theorems._premises import BEYOND, method_is, plain
from istsim.theorems._theorem import Certificate, Kind, Theorem

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
        return (
            method_is(
                "every worker holds everything, at scale 1",
                _holds_everything,
                lambda instance: IST(_everything(instance), forward_scale=1 + BEYOND),
            ),
        )

    def draw(self, draw):
        """Gradient descent by any name."""
        instance = draw(verify.strategies.instances(method=GradientDescent()))
        sketch = _everything(instance)
        names = GradientDescent(), CompressedGradient(sketch), CompressedIterates(sketch), IST(sketch, merge="owners")
        return instance.changed(method=names[draw(verify.strategies.indices(len(names)))])

    def certify(self, instance):
        """Both sides, as bounds of one kind: equal fractions."""
        one_round = rational_round(instance)
        theta = least_theta(one_round.V, one_round.W)
        largest = least_theta(one_round.Lbar, np.eye(instance.problem.dim))
        same = Decision("the least theta is the least t with Lbar <= t I", theta.value == largest.value)
        return Certificate((), (same,), (theta, largest))

    def constants(self, instance):
        """Theta by the exact engine, the eigenvalue by LAPACK."""
        eigenvalues = np.linalg.eigvalsh(instance.Lbar)
        return {theta: instance.contraction.theta, largest: float(eigenvalues[-1])}


def _everything(instance: Instance) -> Identity:
    return Identity(instance.problem.num_workers, instance.problem.dim)


def _holds_everything(method: Method) -> bool:
    if isinstance(method, GradientDescent):
        return True
    if not (isinstance(method, SketchedMethod) and isinstance(method.sketch, Identity)):
        return False
    return plain(method, ("mean", "owners", "literal")) and method.forward_scale == method.gradient_scale == 1
