from __future__ import annotations

from typing import ClassVar

import numpy as np
import sympy as sp

from istsim.theorems._local_updates import GreedyTheorem, diagonal_blocks, seen
from istsim.theorems._theorem import Kind

gap, unseen = sp.symbols("gap unseen")


class GreedyLoss(GreedyTheorem):
    """How much worse a loss greedy local updates stop at, exactly.

    With D the diagonal blocks of Lbar and U what is above them, what the blocks do not see. `D + U Lbar^-1 U'` is
    definite, so the loss is that of backpropagation where `U x* = 0`, and nowhere else.
    """

    name = "greedy-loss"
    title = "The loss of greedy local updates"
    kind = Kind.EXACT
    source = "new here; the identity behind it is that of Xu and Zikatanov for successive subspace correction"

    notation: ClassVar = {
        gap: r"(f(x_\infty)-f_\star)",
        unseen: r"\|Ux_\star\|_{(D+U\bar L^{-1}U^\top)^{-1}}^2",
    }

    @property
    def statement(self):
        """The gap at the fixed point, by what the blocks do not see at the minimizer."""
        return sp.Eq(gap, unseen / 2, evaluate=False)

    def constants(self, instance):
        """The gap from the exact engine, the other side from Lbar."""
        L = instance.Lbar
        U, D = L - seen(instance), diagonal_blocks(instance)
        missed = U @ instance.minimizer
        return {
            gap: float(instance.problem.objective_gap(instance.fixed_point)),
            unseen: float(missed @ np.linalg.solve(D + U @ np.linalg.solve(L, U.T), missed)),
        }
