from __future__ import annotations

from typing import ClassVar

import numpy as np
import sympy as sp

from istsim.methods import LocalUpdates
from istsim.theorems._greedy import GreedyTheorem
from istsim.theorems._instance import Instance
from istsim.theorems._theorem import Kind

d = sp.Symbol("d")
T, U = sp.MatrixSymbol("T", d, d), sp.MatrixSymbol("U", d, d)
bias, minimizer = sp.MatrixSymbol("bias", d, 1), sp.MatrixSymbol("x_star", d, 1)


class GreedyFixedPoint(GreedyTheorem):
    """Where greedy local updates stop.

    With T the block lower-triangular part of Lbar and U the rest, `T x_inf = bbar = (T + U) x*`. There is
    no bias exactly where `U x* = 0`.
    """

    name = "greedy-fixed-point"
    title = "The bias of greedy local updates"
    kind = Kind.EXACT
    source = "new here"

    notation: ClassVar = {bias: r"(x_\infty-x_\star)", minimizer: r"x_\star"}

    @property
    def statement(self):
        """The bias by forward substitution."""
        return sp.Eq(bias, T**-1 * U * minimizer, evaluate=False)

    def constants(self, instance):
        """The fixed point from the exact engine, T and U from the blocks."""
        lower, upper = _parts(instance)
        return {
            T: lower,
            U: upper,
            bias: (instance.fixed_point - instance.minimizer)[:, None],
            minimizer: instance.minimizer[:, None],
        }


def _parts(instance: Instance) -> tuple[np.ndarray, np.ndarray]:
    """The block lower-triangular part of Lbar, and the rest, from the blocks' sizes."""
    assert isinstance(instance.method, LocalUpdates)  # a premise
    block = np.repeat(np.arange(len(instance.method.blocks)), instance.method.blocks)
    lower = np.where(block[:, None] >= block, instance.Lbar, 0)
    return lower, instance.Lbar - lower
