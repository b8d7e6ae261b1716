from __future__ import annotations

from typing import ClassVar

import numpy as np
import sympy as sp

from istsim.methods import LocalUpdates, Method
from istsim.problems import Quadratic
from istsim.theorems._instance import Instance
from istsim.theorems._local_updates import local_updates
from istsim.theorems._premises import BEYOND, SLACK, method_is
from istsim.theorems._theorem import Kind, Premise, Theorem

radius = sp.Symbol("rho")

# Definite: its leading minors are 7, 3 and 2.
UNSTABLE = [[[7, -9, -5], [-9, 12, 8], [-5, 8, 10]]]
WINDOWS = LocalUpdates([1, 1, 1], "overlapping", window=2)


class OverlappingStability(Theorem):
    """Overlapping windows are stable, one might think, if only the steps are short: gradient descent is.

    Said of steps of at most half the longest of gradient descent, divided by the most losses that a block follows. At
    the counterexample the determinant of E[B] is -28, so E[B] has an eigenvalue below 0, and `I - gamma E[B]` one above
    1 at every step size. It is the flattest direction of Lbar that goes wrong: there the pulls of the blocks on each
    other cancel but for little, and what is left changes its sign where some of them are not seen. With the losses that
    see farthest in place of sums the determinant is -58. Right where the premises of
    local-updates-contraction hold.
    """

    name = "overlapping-stability"
    title = "Overlapping windows are stable at short steps"
    kind = Kind.REFUTED
    source = "new here: an obvious guess"

    notation: ClassVar = {radius: r"\rho(I-\gamma\,\mathbb{E}B)"}

    @property
    def statement(self):
        """The factor by which the distance to the fixed point changes a round, asymptotically."""
        return sp.Le(radius, 1, evaluate=False)

    @property
    def premises(self):
        """Windows, and short steps."""
        return (
            method_is("overlapping LocalUpdates", _overlaps, lambda instance: LocalUpdates([instance.problem.dim])),
            Premise(
                "step size at most 1/(m lambda_max(Lbar)), m the most losses that a block follows",
                _too_long,
                break_just=lambda instance: instance.changed(step_size=(1 + BEYOND) * _longest(instance)),
                keep_just=lambda instance: instance.changed(step_size=_longest(instance)),
            ),
        )

    def constants(self, instance):
        """From the exact engine's E[B]."""
        round_map = np.eye(instance.problem.dim) - instance.step_size * instance.mean_operator
        return {radius: float(np.abs(np.linalg.eigvals(round_map)).max())}

    def counterexample(self):
        """Three coordinates in windows of two, each the sum of its windows."""
        return Quadratic(UNSTABLE, np.zeros((1, 3))), WINDOWS, {"step_size": 0.01, "rounds": 100}


def _overlaps(method: Method) -> bool:
    return isinstance(method, LocalUpdates) and method.mode == "overlapping"


def _longest(instance: Instance) -> float:
    return 1 / (local_updates(instance).losses.max() * np.linalg.eigvalsh(instance.Lbar)[-1])


def _too_long(instance: Instance) -> str:
    longest = _longest(instance)
    return "" if instance.step_size <= longest * (1 + SLACK) else f"it is {instance.step_size:.6g} > {longest:.6g}"
