from __future__ import annotations

from typing import ClassVar

import numpy as np
import sympy as sp

from istsim.certificates import as_fraction, decide
from istsim.methods import IST
from istsim.problems import Quadratic
from istsim.sketches import Permutation
from istsim.theorems._certified import equal, rational_round
from istsim.theorems._homogeneous_preconditioning import HomogeneousPreconditioning, alpha, beta, n
from istsim.theorems._theorem import Certificate, Kind

smallest, largest = sp.symbols("smallest lambda_max")


class Erratum21(HomogeneousPreconditioning):
    """The constant of the preconditioned homogeneous case, with the largest eigenvalue where its inverse belongs.

    There `W = (alpha beta / n) Lbar`, so that `Lbar^-1 W Lbar^-1` is a multiple of `Lbar^-1`, whose smallest eigenvalue
    is one over the largest of Lbar: `n / lambda_max` at the unbiased scales, as (22) needs it.
    """

    name = "erratum-21"
    title = "The smallest eigenvalue of the gradient's norm is n times the largest eigenvalue"
    kind = Kind.REFUTED
    source = "Shulgin and Richtarik, arXiv 2306.16484, version 1, equation (21)"

    notation: ClassVar = {
        smallest: r"\lambda_{\min}(\bar L^{-1}W\bar L^{-1})",
        largest: r"\lambda_{\max}(\bar L)",
    }

    @property
    def statement(self):
        """The eigenvalue as printed."""
        return sp.Eq(smallest, alpha * beta / n * largest, evaluate=False)

    def constants(self, instance):
        """Both eigenvalues."""
        Lbar, method = instance.Lbar, instance.method
        inverse = np.linalg.inv(Lbar)
        norm = inverse @ instance.contraction.W @ inverse
        return {
            smallest: float(np.linalg.eigvalsh((norm + norm.T) / 2)[0]),
            largest: float(np.linalg.eigvalsh(Lbar)[-1]),
            n: instance.problem.num_workers,
            alpha: method.forward_scale,
            beta: method.gradient_scale,
        }

    def certify(self, instance):
        """Where the eigenvalue and its inverse are equal: with ones on the diagonals only for `Lbar = I`."""
        one_round, method = rational_round(instance), instance.method
        scale = as_fraction(method.forward_scale) * as_fraction(method.gradient_scale) / instance.problem.num_workers
        multiple = equal("W = (alpha beta / n) Lbar", one_round.W, scale * one_round.Lbar)
        largest = decide("Lbar <= I", np.eye(instance.problem.dim, dtype=int) - one_round.Lbar)
        return Certificate((), (multiple, largest))

    def counterexample(self):
        """Any equal, preconditioned workers whose Lbar is not the identity."""
        problem = Quadratic([[[1.0, 0.5], [0.5, 1.0]]] * 2, np.zeros((2, 2)))
        return problem, IST(Permutation(2, 2)), {"step_size": 0.1, "rounds": 1}
