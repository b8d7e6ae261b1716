from __future__ import annotations

from typing import ClassVar

import numpy as np
import sympy as sp

from istsim.theorems._local_updates import GreedyTheorem
from istsim.theorems._theorem import Kind

rate, smallest, largest = sp.symbols("rate lambda_min lambda_max")


class GreedyEigenvalues(GreedyTheorem):
    """Greedy local updates contract at least as fast as gradient descent, asymptotically, each at its best step.

    The eigenvalues of T are those of the diagonal blocks of Lbar, which lie between its own extreme ones. So they are
    real and positive, and the best rate, `(largest - smallest) / (largest + smallest)` of the blocks' eigenvalues at
    the step size `2 / (largest + smallest)`, is no larger. For chunks the blocks are the chunks, of which
    larger ones are slower for the same reason.
    """

    name = "greedy-eigenvalues"
    title = "Greedy local updates contract no more slowly than gradient descent"
    kind = Kind.UPPER
    source = "new here"

    notation: ClassVar = {
        rate: r"\min_\gamma\rho(I-\gamma T)",
        smallest: r"\lambda_{\min}(\bar L)",
        largest: r"\lambda_{\max}(\bar L)",
    }

    @property
    def statement(self):
        """Greedy updates' best rate, and gradient descent's."""
        return sp.Le(rate, (largest - smallest) / (largest + smallest), evaluate=False)

    def constants(self, instance):
        """The eigenvalues of the engine's E[B], and those of Lbar."""
        # Computed without using their theory: real up to rounding that a triangular matrix amplifies.
        found = np.linalg.eigvals(instance.mean_operator)
        whole = np.linalg.eigvalsh(instance.Lbar)
        steps = 2 / (found.real.max() + found.real.min())
        return {
            rate: float(np.abs(1 - steps * found).max()),
            smallest: float(whole[0]),
            largest: float(whole[-1]),
        }
