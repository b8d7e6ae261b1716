from __future__ import annotations

from typing import ClassVar

import numpy as np
import sympy as sp

from istsim.methods import LocalUpdates
from istsim.problems import Quadratic
from istsim.theorems._instance import Instance
from istsim.theorems._local_updates import any_local_updates, draw_local_updates, local_updates, seen
from istsim.theorems._premises import BEYOND
from istsim.theorems._theorem import Kind, Premise, Theorem

d = sp.Symbol("d")
T, U = sp.MatrixSymbol("T", d, d), sp.MatrixSymbol("U", d, d)
limit, minimizer = sp.MatrixSymbol("x_inf", d, 1), sp.MatrixSymbol("x_star", d, 1)


class LocalUpdatesFixedPoint(Theorem):
    """Where local updates stop, whatever the losses that the blocks follow.

    With N how many losses each coordinate follows, T what they see of Lbar, each entry as often as it is seen, and
    `U = N Lbar - T` what they do not see, `T x_inf = N bbar = (T + U) x*`. There is no bias exactly where
    `U x* = 0`: where nothing that a block does not see pulls at it at the minimizer. For greedy updates N is the
    identity and T block lower-triangular, and x_inf is found by forward substitution: one sweep of Gauss and Seidel
    from 0.
    """

    name = "local-updates-fixed-point"
    title = "The bias of local updates"
    kind = Kind.EXACT
    source = "new here"

    about_lengths = True
    notation: ClassVar = {limit: r"x_\infty", minimizer: r"x_\star"}

    @property
    def statement(self):
        """The fixed point: the minimizer, and a bias by what is not seen."""
        return sp.Eq(limit, minimizer + T**-1 * U * minimizer, evaluate=False)

    @property
    def premises(self):
        """Local updates with a single fixed point; greedy and chunked ones always have one."""
        return any_local_updates(), Premise("T is invertible", _singular, None, _make_singular, _make_nearly_singular)

    def draw(self, draw):
        """Any mode and blocks."""
        import hypothesis

        instance = draw_local_updates(draw)
        hypothesis.assume(not _singular(instance))
        return instance

    def constants(self, instance):
        """The fixed point from the exact engine, T and U from the masks."""
        visible, counts = seen(instance), local_updates(instance).losses
        return {
            T: visible,
            U: counts[:, None] * instance.Lbar - visible,
            limit: instance.fixed_point[:, None],
            minimizer: instance.minimizer[:, None],
        }


# Definite, but with windows of two, of which each block follows the farthest, T is singular.
SINGULAR = [[[2, -2, 1], [-2, 3, -2], [1, -2, 2]]]


def _singular(instance: Instance) -> str:
    condition = float(np.linalg.cond(seen(instance)))
    return "" if condition < 1e12 else f"its condition number is {condition:.3g}"


def _make_singular(instance: Instance, more: float = 0.0) -> Instance:
    method = LocalUpdates([1, 1, 1], "overlapping", window=2, shared="farthest")
    problem = Quadratic(SINGULAR + more * np.eye(3), np.ones((1, 3)))
    return instance.changed(problem=problem, method=method, x0=np.ones(3))


def _make_nearly_singular(instance: Instance) -> Instance:
    return _make_singular(instance, BEYOND)
