from __future__ import annotations

from typing import ClassVar

import numpy as np
import sympy as sp

from istsim.theorems._local_updates import GreedyTheorem, diagonal_blocks
from istsim.theorems._theorem import Kind

gap, start, taken = sp.symbols("gap start taken")


class GreedyStages(GreedyTheorem):
    """Greedy local updates stop where blocks added one after the other would: each fits what the earlier ones left.

    Block j minimizes f over its own coordinates, with those of the earlier blocks where they are and the later ones 0.
    That takes `1/2 x_j' L_jj x_j` from the loss, D being the diagonal blocks of Lbar. So no block raises the loss
    that the earlier ones reached, and all together do not end above that at 0. They end above the minimum because the
    earlier blocks do not move any more once the later ones are there.
    """

    name = "greedy-stages"
    title = "Greedy local updates fit block after block"
    kind = Kind.EXACT
    source = "new here"

    notation: ClassVar = {
        gap: r"(f(x_\infty)-f_\star)",
        start: r"(f(0)-f_\star)",
        taken: r"\|x_\infty\|_D^2",
    }

    @property
    def statement(self):
        """The gap at the fixed point, by what each block takes from that at 0."""
        return sp.Eq(gap, start - taken / 2, evaluate=False)

    def constants(self, instance):
        """All from the exact engine's fixed point."""
        limit = instance.fixed_point
        return {
            gap: float(instance.problem.objective_gap(limit)),
            start: float(instance.problem.objective_gap(np.zeros_like(limit))),
            taken: float(limit @ diagonal_blocks(instance) @ limit),
        }
